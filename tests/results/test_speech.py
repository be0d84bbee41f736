"""Word error rate, against other people's tools, a hand and a resampling."""

import math
import time

import jiwer
import numpy as np
import pytest
from torchmetrics.functional.text.wer import _wer_update
from torchmetrics.text import WordErrorRate

from results.scoring import speech
from results.scoring.speech import Truth, compared, normalised, score, standard_errors
from results.statistics import draws, standard_error
from tests.results.transcripts import REFERENCES, numbered

VOCABULARY = ("A", "THE", "TENT", "'TIS", "FITZOOTH'S", "OUT", "IN", "GO")


@pytest.fixture
def truth():
    return Truth(tuple(REFERENCES), tuple(REFERENCES.values()))


def utterance(generator, longest):
    return " ".join(generator.choice(VOCABULARY, size=generator.integers(longest + 1)))


def random_pairs(count, seed=0):
    """References and hypotheses: unrelated ones, empty ones, and ones with a few edits."""
    generator = np.random.default_rng(seed)
    references = [utterance(generator, 12) for _ in range(count)]
    hypotheses = [utterance(generator, 12) if generator.random() < 0.4 else text for text in references]
    return references, [
        " ".join(word for word in text.split() for _ in range(generator.choice([0, 1, 2], p=[0.15, 0.8, 0.05])))
        for text in hypotheses
    ]


# The metric


@pytest.mark.parametrize(
    ("said", "heard", "edits"),
    [
        ("HE BEGAN A COMPLAINT", "HE BEGAN A COMPLAINT", 0),
        ("HE BEGAN A COMPLAINT", "HE BEGAN COMPLAINT", 1),  # A is lost
        ("HE BEGAN A COMPLAINT", "HE BEGAN A A COMPLAINT", 1),  # one A too many
        ("HE BEGAN A COMPLAINT", "HE BEGUN A COMPLAINT", 1),  # BEGAN for BEGUN
        ("HE BEGAN A COMPLAINT", "BEGAN A COMPLAINT HE", 2),  # HE is lost, and one at the end is too many
        ("HE BEGAN A COMPLAINT", "", 4),
        ("HE BEGAN A COMPLAINT", "COMPLAINT A BEGAN HE", 4),  # no order is left: 4 substitutions, or 3 + 3 with a hit
        ("GO", "OH NO DON'T GO", 3),
        ("FITZOOTH'S", "FITZOOTHS", 1),  # an apostrophe makes another word
        ("A WHILE", "AWHILE", 2),  # one word is lost, the other is another
    ],
)
def test_edits_counted_by_hand(said, heard, edits):
    found = compared([heard], numbered([said]))
    assert (found.edits.tolist(), found.words.tolist()) == ([edits], [len(said.split())])


def test_scores_worked_by_hand(truth):
    # 5 + 4 + 4 + 1 = 14 words; 1 substitution + 1 deletion in the first, 0, 1 insertion, 1 substitution: 4 edits
    heard = ["HE BEGUN CONFUSED COMPLAINT", "'TIS THE FITZOOTH'S TENT", "OUT IN THE THE WOODS", "NO"]
    scores = score(compared(heard, truth), truth)
    assert scores.keys() == speech.METRICS.keys()
    assert scores["wer"] == pytest.approx(100 * 4 / 14, abs=1e-12)
    assert scores["word_accuracy"] == pytest.approx(100 * 10 / 14, abs=1e-12)
    assert scores["sentence_error_rate"] == 75


def test_utterances_count_by_their_words_and_not_alike():
    # Half of the utterances are all wrong, and one word of ten: the mean over utterances would be 50.
    truth = numbered(["GO", "ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE"])
    found = compared(["NO", truth.transcripts[1]], truth)
    assert score(found, truth) == {"wer": 10, "word_accuracy": 90, "sentence_error_rate": 50}
    assert np.mean(100 * found.edits / found.words) == 50


def test_more_edits_than_words_leave_a_negative_accuracy():
    truth = numbered(["GO", "GO"])
    assert score(compared(["OH NO DO NOT", "GO"], truth), truth) == {
        "wer": 200, "word_accuracy": -100, "sentence_error_rate": 50
    }  # fmt: skip


def test_every_extreme_is_a_result(truth):
    right, silent = compared(truth.transcripts, truth), compared([""] * 4, truth)
    assert score(right, truth) == {"wer": 0, "word_accuracy": 100, "sentence_error_rate": 0}
    assert score(silent, truth) == {"wer": 100, "word_accuracy": 0, "sentence_error_rate": 100}
    for found in (right, silent):
        assert set(standard_errors(found, truth, speech.METRICS).values()) == {0}


def test_edits_and_words_are_those_of_other_tools():
    # jiwer 4 and torchmetrics both take an empty reference: every word of the hypothesis is an insertion.
    references, hypotheses = random_pairs(600)
    assert sum(not text for text in references) > 10
    assert sum(not text for text in hypotheses) > 10
    assert sum(said == heard for said, heard in zip(references, hypotheses, strict=True)) > 10
    found = compared(hypotheses, numbered(references))
    for said, heard, edits, words in zip(references, hypotheses, found.edits, found.words, strict=True):
        theirs = jiwer.process_words(said, heard)
        counts = theirs.substitutions + theirs.deletions + theirs.insertions, theirs.hits
        assert (edits, words - theirs.substitutions - theirs.deletions) == counts
        errors, total = _wer_update(heard, said)
        assert (edits, words) == (errors.item(), total.item())


def test_the_rate_is_that_of_other_tools():
    references, hypotheses = random_pairs(600)
    truth = numbered(references)
    rate = score(compared(hypotheses, truth), truth)["wer"]
    assert rate == pytest.approx(100 * jiwer.process_words(references, hypotheses).wer, abs=1e-10)
    theirs = WordErrorRate()
    theirs.update(hypotheses, references)
    assert rate == pytest.approx(100 * theirs.compute().item(), rel=1e-6), "theirs is in single precision"


# Normalisation


@pytest.mark.parametrize("text", [*REFERENCES.values(), "ROCK 'N' ROLL", "THE BOYS' O'CLOCK", "A"])
def test_a_transcript_is_left_as_it_is(text):
    assert " ".join(normalised(text)) == text


@pytest.mark.parametrize(
    "text", ["'tis the fitzooth's tent", " 'Tis  the\tFitzooth's tent ", "'TIS THE FITZOOTH'S TENT"]
)
def test_case_and_spaces_are_no_edits(text):
    truth = numbered(["'TIS THE FITZOOTH'S TENT"])
    assert compared([text], truth).edits.tolist() == [0]


def test_punctuation_is_an_edit():
    truth = numbered(["'TIS THE TENT"])
    assert compared(["'TIS THE TENT."], truth).edits.tolist() == [1]


# The standard error


def test_standard_errors_are_those_of_scoring_resampled_utterances():
    references, hypotheses = random_pairs(40)
    references = [text or "GO" for text in references]
    truth = numbered(references)
    replicates = []
    for drawn in draws(len(references), speech.RESAMPLES):
        places = [place for place, times in enumerate(drawn) for _ in range(times)]
        again = numbered([references[place] for place in places])
        replicates.append(score(compared([hypotheses[place] for place in places], again), again))
    found = standard_errors(compared(hypotheses, truth), truth, speech.METRICS)
    assert list(found) == list(speech.METRICS)
    for metric, value in found.items():
        assert value == pytest.approx(standard_error(np.array([each[metric] for each in replicates])), rel=1e-9)
        assert value > 1


def test_standard_errors_are_of_the_size_that_theory_says():
    # One word an utterance, a share p wrong: a binomial, so 100 sqrt(p (1 - p) / n), up to the 2 % of 1,000 resamples.
    truth = numbered(["GO"] * 400)
    found = standard_errors(compared(["NO"] * 80 + ["GO"] * 320, truth), truth, ["sentence_error_rate", "wer"])
    assert list(found) == ["sentence_error_rate", "wer"]
    for value in found.values():
        assert value == pytest.approx(100 * math.sqrt(0.2 * 0.8 / 400), rel=0.1)


def test_standard_errors_of_a_whole_test_set_take_no_time():
    references, hypotheses = random_pairs(2_620)
    truth = numbered(references)
    start = time.perf_counter()
    found = compared(hypotheses, truth)
    standard_errors(found, truth, speech.METRICS)
    assert time.perf_counter() - start < 5  # 0.1 s on one core
