"""BLEU and chrF by hand, and their standard errors against a resampling."""

import math
import time
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import _bootstrap_resample

from results.scoring import translation
from results.scoring.translation import compared, score, sentence_scores, signatures, standard_errors, write
from results.statistics import draws, standard_error
from tests.results.translations import GOOD, REFERENCES, command_line, numbered, random_pairs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def truth():
    return numbered(REFERENCES)


# By hand


def test_bleu_worked_by_hand():
    # 5 of 5 words, 3 of 4 pairs (not `on mat`), 2 of 3 triples, 1 of 2 fours; 5 words for 6: exp(1 - 6/5).
    truth = numbered(["the cat sat on the mat"])
    found = compared(["the cat sat on mat"], truth)
    assert found.statistics["bleu"].tolist() == [[5, 6, 5, 3, 2, 1, 5, 4, 3, 2]]
    by_hand = 100 * math.exp(1 - 6 / 5) * (5 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4)
    assert score(found, truth)["bleu"] == pytest.approx(by_hand, rel=1e-12)
    assert by_hand == pytest.approx(57.893, abs=1e-3)


def test_bleu_smoothed_by_hand():
    # `the` is in the reference twice, so 2 of 4 count. Of the orders without a match, the first counts a half of one
    # match, the next a quarter; 4, 3, 2 and 1 n-grams: 2/4, (1/2)/3, (1/4)/2, (1/8)/1. Nothing for a longer hypothesis.
    truth = numbered(["the mat the"])
    found = compared(["the the the the"], truth)
    assert found.statistics["bleu"].tolist() == [[4, 3, 2, 0, 0, 0, 4, 3, 2, 1]]
    by_hand = 100 * (2 / 4 * 1 / 6 * 1 / 8 * 1 / 8) ** (1 / 4)
    assert score(found, truth)["bleu"] == pytest.approx(by_hand, rel=1e-12)


def test_bleu_cuts_punctuation_off_and_keeps_the_case():
    # Reference: Q & A " ; hypothesis: q & A " after its entities are replaced. 3 of 4 words, 2 of 3, 1 of 2, 0 of 1.
    truth = numbered(['Q&A"'])
    found = compared(["q&amp;A&quot;"], truth)
    assert found.statistics["bleu"].tolist() == [[4, 4, 3, 2, 1, 0, 4, 3, 2, 1]]


def test_bleu_sums_counts_over_sentences_and_not_scores():
    # 4 and 8 words, all right in the first, none in the second: the mean over sentences would be 50.
    truth = numbered(["a b c d", "e f g h i j k l"])
    found = compared(["a b c d", "1 2 3 4 5 6 7 8"], truth)
    by_hand = 100 * (4 / 12 * 3 / 10 * 2 / 8 * 1 / 6) ** (1 / 4)
    assert score(found, truth)["bleu"] == pytest.approx(by_hand, rel=1e-12)


def test_chrf_worked_by_hand():
    # Precision 2/2 and 1/1, recall 2/4 and 1/3; orders that one side lacks are left out. White space is no character.
    truth = numbered(["ab cd"])
    found = compared(["a b"], truth)
    assert found.statistics["chrf"].tolist() == [[2, 4, 2, 1, 3, 1, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]]
    precision, recall = 1, (2 / 4 + 1 / 3) / 2
    by_hand = 100 * 5 * precision * recall / (4 * precision + recall)  # recall counts twice as much: 1 + 2 ** 2
    assert by_hand == pytest.approx(100 * 25 / 53, rel=1e-12)
    assert score(found, truth)["chrf"] == pytest.approx(by_hand, rel=1e-12)


def test_chrf_sums_counts_over_sentences_and_not_scores():
    # 3 of 5 characters are right, and all 3 of the references are found; the only pair that counts is right: those of
    # `cxy` do not, for its reference has none. Precision (3/5 + 1/1) / 2, recall 1.
    truth = numbered(["ab", "c"])
    precision = (3 / 5 + 1) / 2
    found = score(compared(["ab", "cxy"], truth), truth)["chrf"]
    assert found == pytest.approx(100 * 5 * precision / (4 * precision + 1), rel=1e-12)


def test_a_sentence_scores_as_if_it_were_the_whole_test_set():
    hypotheses, truth = random_pairs(50)
    found = compared(hypotheses, truth)
    for metric in translation.METRICS:
        alone = [
            score(compared([heard], numbered([said])), numbered([said]))[metric]
            for heard, said in zip(hypotheses, truth.references, strict=True)
        ]
        assert sentence_scores(found, metric).tolist() == alone
        assert len(set(alone)) > 20


def test_every_extreme_is_a_result():
    truth = numbered(["Das ist ein Haus .", "Die Sonne scheint heute."])
    right, silent = compared(truth.references, truth), compared(["", ""], truth)
    assert score(right, truth) == {"bleu": pytest.approx(100, rel=1e-12), "chrf": 100}
    assert score(silent, truth) == {"bleu": 0, "chrf": 0}
    for found in (right, silent):
        assert standard_errors(found, truth, translation.METRICS) == pytest.approx({"bleu": 0, "chrf": 0}, abs=1e-9)


def test_scores_are_of_the_metrics_that_are_named(truth):
    found = compared(GOOD, truth)
    assert translation.METRICS == {"bleu": "BLEU", "chrf": "chrF"}
    assert list(score(found, truth)) == list(translation.METRICS) == list(signatures())
    assert translation.SHARED is True


@pytest.mark.parametrize("hypotheses", [[], GOOD[:3], [*GOOD, "zu viel"]], ids=len)
def test_hypotheses_for_other_sentences_are_not_scored(truth, hypotheses):
    with pytest.raises(ValueError, match=f"{len(hypotheses)} hypotheses for 4 sentences"):
        compared(hypotheses, truth)


# The standard error


def test_standard_errors_are_those_of_scoring_resampled_sentences(monkeypatch):
    monkeypatch.setattr(translation, "RESAMPLES", 30)
    hypotheses, truth = random_pairs(50)
    replicates = {"bleu": [], "chrf": []}
    for drawn in draws(50, 30):
        places = [place for place, times in enumerate(drawn) for _ in range(times)]
        heard, said = ([texts[place] for place in places] for texts in (hypotheses, truth.references))
        replicates["bleu"].append(BLEU().corpus_score(heard, [said]).score)
        replicates["chrf"].append(CHRF().corpus_score(heard, [said]).score)
    found = standard_errors(compared(hypotheses, truth), truth, translation.METRICS)
    assert list(found) == list(translation.METRICS)
    for metric, value in found.items():
        assert value == pytest.approx(standard_error(np.array(replicates[metric])), rel=1e-9)
        assert value > 0.5


def test_standard_errors_are_of_the_size_of_sacrebleus_own(tmp_path):
    assert translation.RESAMPLES == 1_000
    # Its resamples are others: 1,000 here and there leave 3 % of noise, and quantiles of them a little more.
    hypotheses, truth = random_pairs(500, seed=1)
    predictions = compared(hypotheses, truth)
    write(tmp_path, hypotheses, truth)
    found, theirs = standard_errors(predictions, truth, ["chrf", "bleu"]), command_line(tmp_path, "--confidence")
    assert list(found) == ["chrf", "bleu"]
    for metric, peer in (("bleu", BLEU()), ("chrf", CHRF())):
        _, replicates = _bootstrap_resample(predictions.statistics[metric].tolist(), peer, 1000)
        assert found[metric] == pytest.approx(np.std([each.score for each in replicates], ddof=1), rel=0.1)
        assert 1.96 * found[metric] == pytest.approx(theirs[metric]["confidence_var"], rel=0.12)


def test_only_the_metrics_asked_for_are_resampled(truth):
    found = compared(GOOD, truth)
    both = standard_errors(found, truth, iter(["bleu", "chrf"]))
    assert standard_errors(found, truth, iter(["chrf"])) == {"chrf": both["chrf"]}


def test_a_whole_test_set_takes_seconds():
    hypotheses, truth = random_pairs(3_003)
    start = time.process_time()
    found = compared(hypotheses, truth)
    standard_errors(found, truth, translation.METRICS)
    assert time.process_time() - start < 15  # 3 s on one core
