"""BLEU and chrF, against sacreBLEU's command line, a hand and a resampling; and every mistake that a file can hold."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import _bootstrap_resample

from benchmarks.errors import UserError
from results.scoring import translation
from results.scoring.attention import Attention
from results.scoring.translation import (
    Truth,
    compared,
    read,
    score,
    sentence_scores,
    signatures,
    standard_errors,
    write,
)
from results.statistics import draws, standard_error

ROOT = Path(__file__).parents[2]
VOCABULARY = (
    *("Die", "der", "das", "und", "Haus", "Häuser", "größer", "don't", "well-known", "(sic)", "„so“", "«là»", "a/b"),
    *(",", ".", ";", ":", "-", "…", "12.5", "1,000", "3-4", "U.S.", "20%", "$5"),
)
REFERENCES = ("Das ist ein Haus .", "Er geht „nach Hause“.", "", "Die Sonne scheint heute, und es ist warm.")
GOOD = ("Das ist das Haus.", "Er geht nach Hause.", "Nichts", "Die Sonne scheint heute und es ist warm.")
NASTY = {
    # what is in it: (hypothesis, reference)
    "carriage return": ("Das ist\rein kleines Haus", "Das ist ein kleines Haus"),
    "carriage return at the end": ("Das ist ein kleines Haus.\r", "Das ist ein kleines Haus."),
    "line separator": ("Die Sonne\u2028scheint heute warm", "Die Sonne scheint heute warm"),
    "paragraph separator": ("Die Sonne scheint\u2029heute warm", "Die Sonne\u2029scheint heute kalt"),
    "next line": ("Er geht\x85nach Hause und schläft", "Er geht nach Hause und schläft\x85"),
    "vertical tab": ("Er geht\vnach Hause\f und schläft", "Er geht nach Hause und schläft"),
    "file separators": ("Er\x1cgeht\x1dnach\x1eHause", "Er geht nach Hause"),
    "no-break spaces": ("10\u00a0000 Euro sind\u202fviel Geld", "10 000 Euro sind viel Geld"),
    "zero width": ("Haus\u200btür\u2060schloss", "Haustürschloss"),
    "tabs": ("\tzwei\tSysteme sind\tkeine zwei\t", "zwei Systeme sind keine zwei"),
    "empty": ("", "Hier fehlt alles."),
    "empty reference": ("Hier ist zu viel.", ""),
    "both empty": ("", ""),
    "only spaces": ("   ", "Hier fehlt alles."),
    "entities": ("Q&amp;A &quot;fett&quot; &lt;b&gt; &auml; &amp;lt;", 'Q&A "fett" <b> ä &lt;'),
    "skipped": ("<skipped> das <skipped>Haus ist klein", "das Haus ist klein"),
    "quotes": (
        "„Gut“, sagte sie, »ja« \u201aso\u2018 'nun' ``eben''",
        '"Gut", sagte sie, «ja» \u2018so\u2019 "nun" “eben”',
    ),
    "numbers": ("1,000.50 Euro am 3.4.2014, 5-mal 20-30 %.", "1.000,50 Euro am 3. 4. 2014, 5 mal 20\N{EN DASH}30%."),
    "hyphen": ("ein Wort- spiel mit - Strichen -", "ein Wortspiel mit - Strichen -"),
    "other scripts": ("\U0001f600 数の子 e\u0301", "\U0001f600 数の 子 \u00e9"),
    "one long word": ("a" * 5_000, "a" * 4_999),
    "byte order mark within": ("Das \ufeffHaus ist klein", "Das Haus ist klein"),
    "upper case": ("DAS HAUS IST KLEIN", "das Haus ist klein"),
}


@pytest.fixture
def truth():
    return numbered(REFERENCES)


@pytest.fixture
def nasty():
    return [heard for heard, _ in NASTY.values()], numbered([said for _, said in NASTY.values()])


def numbered(references):
    """A truth whose sources say nothing of note."""
    ids = tuple(str(number) for number in range(1, len(references) + 1))
    return Truth(ids, tuple(f"source {each}" for each in ids), tuple(references))


def random_pairs(count, seed=0, longest=40):
    """Hypotheses and references: some unrelated, some empty, most with a few words lost, doubled or moved."""
    generator = np.random.default_rng(seed)
    references, hypotheses = [], []
    for _ in range(count):
        said = list(generator.choice(VOCABULARY, size=generator.integers(longest)))
        heard = [word for word in said for _ in range(generator.choice([0, 1, 2], p=[0.1, 0.85, 0.05]))]
        if generator.random() < 0.1:
            heard = list(generator.choice(VOCABULARY, size=generator.integers(longest)))
        if generator.random() < 0.5:
            heard = heard[len(heard) // 2 :] + heard[: len(heard) // 2]
        references.append(" ".join(said))
        hypotheses.append(" ".join(heard))
    return hypotheses, numbered(references)


def command_line(folder, *options):
    """What sacreBLEU itself makes of the stored files: metric -> its JSON; 17 decimals give back every bit."""
    command = [sys.executable, "-m", "sacrebleu", "ref.txt", "-i", "hyp.txt", "-m", "bleu", "chrf", "-w", "17"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SACREBLEU")}
    done = subprocess.run([*command, *options], cwd=folder, env=environment, capture_output=True, check=True)
    return {{"BLEU": "bleu", "chrF2": "chrf"}[each["name"]]: each for each in json.loads(done.stdout)}


def saved(folder, content, name="hyp.txt"):
    """A file of bytes, or of lines."""
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else "".join(f"{line}\n" for line in content).encode())
    return file


def refusal(call, *arguments):
    """What the user is told."""
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return str(caught.value)


# Against sacreBLEU


def test_scores_and_signatures_are_those_of_the_command_line(tmp_path):
    hypotheses, truth = random_pairs(600)
    assert sum(not text for text in hypotheses) > 10
    assert sum(not text for text in truth.references) > 10
    write(tmp_path, hypotheses, truth)
    ours, theirs = score(read(tmp_path, truth), truth), command_line(tmp_path)
    assert ours == {metric: each["score"] for metric, each in theirs.items()}
    assert signatures() == {metric: each["signature"] for metric, each in theirs.items()}
    assert all(30 < value < 90 for value in ours.values()), "a test set that is neither hopeless nor perfect"


def test_the_signatures_say_what_was_agreed():
    bleu, chrf = (signatures()[metric].rpartition("|version:") for metric in ("bleu", "chrf"))
    assert bleu[0] == "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"
    assert chrf[0] == "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no"
    assert bleu[2] == chrf[2] != ""


def test_nasty_sentences_score_as_for_the_command_line(tmp_path, nasty):
    hypotheses, truth = nasty
    write(tmp_path, hypotheses, truth)
    ours = score(read(tmp_path, truth), truth)
    assert ours == {metric: each["score"] for metric, each in command_line(tmp_path).items()}
    assert ours == score(compared(hypotheses, truth), truth), "what was written is what was decoded"
    assert all(1 < value < 99 for value in ours.values())


@pytest.mark.parametrize("pair", NASTY.values(), ids=NASTY.keys())
def test_a_nasty_sentence_alone_scores_as_for_the_library(pair):
    heard, said = pair
    truth = numbered([said])
    assert score(compared([heard], truth), truth) == {
        "bleu": BLEU().corpus_score([heard], [[said]]).score, "chrf": CHRF().corpus_score([heard], [[said]]).score
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("\r\n".join(GOOD).encode() + b"\r\n", id="CRLF"),
        pytest.param("\n".join(GOOD).encode(), id="no end"),
        pytest.param([f"{line}  \t\u00a0\r" for line in GOOD], id="white space at the end"),
        pytest.param([line.replace(" ", "\r") for line in GOOD], id="carriage returns"),
        pytest.param([line.replace(" ", "\u2028") for line in GOOD], id="line separators"),
    ],
)
def test_harmless_variation_is_scored_alike_here_and_there(tmp_path, truth, content):
    write(tmp_path, GOOD, truth)
    expected = score(read(tmp_path, truth), truth)
    saved(tmp_path, content)
    assert score(read(tmp_path, truth), truth) == expected
    assert {metric: each["score"] for metric, each in command_line(tmp_path).items()} == expected


def test_a_byte_order_mark_falls_away_where_the_command_line_keeps_it(tmp_path, truth):
    write(tmp_path, GOOD, truth)
    expected, content = score(read(tmp_path, truth), truth), (tmp_path / "hyp.txt").read_bytes()
    saved(tmp_path, b"\xef\xbb\xbf" + content)
    found = read(tmp_path, truth)
    assert found.hypotheses == GOOD
    assert score(found, truth) == expected
    theirs = command_line(tmp_path)
    assert all(theirs[metric]["score"] < value for metric, value in expected.items()), "then say so in the docstring"


@pytest.mark.parametrize(("character", "accepted"), [(" ", True), ("\u2028", True), ("\r", False), ("\t", False)])
def test_standard_input_is_read_differently_by_the_command_line(tmp_path, truth, character, accepted):
    # Why the docstring says `-i`.
    write(tmp_path, [*GOOD[:3], GOOD[3].replace(" ", character, 1)], truth)
    command = [sys.executable, "-m", "sacrebleu", "ref.txt"]
    with (tmp_path / "hyp.txt").open() as file:
        done = subprocess.run(command, cwd=tmp_path, stdin=file, capture_output=True, check=False)
    assert (done.returncode == 0) == accepted


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


# Files


def test_what_is_written_is_read_again(tmp_path, nasty):
    hypotheses, truth = nasty
    paths = [tmp_path / name for name in ("hyp.txt", "ref.txt", "src.txt")]
    assert write(tmp_path, hypotheses, truth) == paths
    assert sorted(tmp_path.iterdir()) == paths
    for file, texts in zip(paths, (hypotheses, truth.references, truth.sources), strict=True):
        assert file.read_bytes() == "".join(f"{text}\n" for text in texts).encode()
    assert translation.files(tmp_path) == paths[:1] == translation.files(paths[0])
    for path in (tmp_path, paths[0]):
        found = read(path, truth)
        assert found.hypotheses == tuple(hypotheses)
        assert (found.scored, found.unique) == (len(hypotheses), len(hypotheses))


@pytest.mark.parametrize(
    ("hypothesis", "stored"),
    [
        ("Das\nHaus", "Das Haus"),
        ("\nDas\n\nHaus\n", " Das  Haus "),
        ("Das\r\nHaus", "Das\r Haus"),
        ("Das\0Haus", "Das Haus"),
        ("\n", " "),
    ],
)
def test_a_hypothesis_stays_on_its_line(tmp_path, truth, hypothesis, stored):
    write(tmp_path, ["A", hypothesis, "C", "D"], truth)
    assert (tmp_path / "hyp.txt").read_bytes().count(b"\n") == 4
    assert read(tmp_path, truth).hypotheses == ("A", stored, "C", "D")


@pytest.mark.parametrize("first", ["\ufeffDas Haus", "\ufeff\ufeffDas Haus"])
def test_no_byte_order_mark_is_written(tmp_path, truth, first):
    # The command line would read it as a character, and we as none.
    write(tmp_path, [first, "\ufeffDas", "", ""], truth)
    assert read(tmp_path, truth).hypotheses == ("Das Haus", "Das", "", "")
    assert (tmp_path / "hyp.txt").read_bytes().startswith(b"Das")


def test_empty_hypotheses_at_both_ends_are_kept(tmp_path, truth):
    write(tmp_path, ["", "B", "", ""], truth)
    assert read(tmp_path, truth).hypotheses == ("", "B", "", "")


@pytest.mark.parametrize("hypotheses", [[], GOOD[:3], [*GOOD, "zu viel"], [*GOOD[:3], "\ud800"]], ids=repr)
def test_hypotheses_that_no_file_can_hold_are_not_written(tmp_path, truth, hypotheses):
    with pytest.raises(ValueError, match=r"hypotheses for 4 sentences|surrogates"):
        write(tmp_path, hypotheses, truth)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("sources", "references", "message"),
    [
        (["a", "b\nc"], ["d", "e"], "sentence 2 holds a line break"),
        (["a", "b"], ["d\0", "e"], "sentence 1 holds a line break or a NUL"),
        (["a", "b"], ["\ufeffd", "e"], "byte order mark"),
        (["\ufeffa", "b"], ["d", "e"], "byte order mark"),
        (["a"], ["d", "e"], "zip"),
    ],
)
def test_a_truth_that_no_file_can_hold_is_refused(sources, references, message):
    with pytest.raises(ValueError, match=message):
        Truth(("1", "2"), tuple(sources), tuple(references))


BAD = {
    # what is wrong: (the content, what the message must say: where, what, and what to do)
    "a line too few": (GOOD[:3], ["3 lines, but the test set has 4 sentences", r"one line a sentence, ended by \n"]),
    "a line too many": ([*GOOD, "mehr"], ["5 lines, but the test set has 4 sentences", "in the order of the test set"]),
    "a blank line at the end": ([*GOOD, ""], ["5 lines, but"]),
    "a blank line between": ([GOOD[0], "", *GOOD[1:]], ["5 lines, but"]),
    "an empty last line without its end": (b"A\nB\nC\n", ["3 lines, but", "an empty one where there is no trans"]),
    "empty": (b"", ["0 lines, but the test set has 4"]),
    "another test set": (GOOD * 1_000, ["4,000 lines, but the test set has 4"]),
    "lines that end at CR": ("\r".join(GOOD).encode(), ["1 lines, but", r"ended by \n"]),
    "lines that end at U+2028": ("\u2028".join(GOOD).encode(), ["1 lines, but"]),
    "UTF-16": ("\n".join(GOOD).encode("utf-16"), [", line 1: not UTF-8; save it in UTF-8"]),
    "Latin-1": (b"A\nB\nstra\xdfe\nD\n", [", line 3: not UTF-8; save it in UTF-8"]),
    "NUL": (b"A\nB\n\0\nD\n", [", line 3: holds a NUL byte"]),
}


@pytest.mark.parametrize(("content", "parts"), BAD.values(), ids=BAD.keys())
def test_mistakes_are_named_with_their_place_and_remedy(tmp_path, truth, content, parts):
    file = saved(tmp_path, content)
    for path in (file, tmp_path):
        message = refusal(read, path, truth)
        assert "\n" not in message
        assert len(message) < 500
        for part in (str(file), *parts):
            assert part in message


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("absent.txt", ["absent.txt: No such file"]),
        ("folder", ["folder/hyp.txt: No such file"]),
        ("nested", ["nested/hyp.txt: Is a directory"]),
        ("file/hyp.txt", ["file/hyp.txt: Not a directory"]),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, truth, name, parts):
    (tmp_path / "folder").mkdir()
    (tmp_path / "nested/hyp.txt").mkdir(parents=True)
    (tmp_path / "file").touch()
    message = refusal(read, tmp_path / name, truth)
    for part in (*parts, "name the predictions file or the folder that holds it"):
        assert part in message


# Attention


WEIGHTS = [[0.123456, 0.876544], [0.5, 0.5], [1, 0]]
ATTENDED = {"hypothesis": GOOD[1], "source": ["▁He", "</s>"], "target": ["▁Er", '"', "</s>"], "attention": WEIGHTS}
STORED = {
    "sentence": "2", "source": ["▁He", "</s>"], "target": ["▁Er", '"', "</s>"],
    "attention": [[0.1235, 0.8765], [0.5, 0.5], [1, 0]],
}  # fmt: skip


def with_attention(**changes):
    """Hypotheses of which the second has an attention."""
    return [GOOD[0], ATTENDED | changes, *GOOD[2:]]


def test_an_attention_is_stored_beside_the_hypotheses(tmp_path, truth):
    paths = [tmp_path / name for name in ("hyp.txt", "ref.txt", "src.txt", "attention.json")]
    assert write(tmp_path, with_attention(), truth) == paths
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert json.loads(paths[3].read_text()) == STORED
    assert translation.files(tmp_path) == paths[:1]
    for path in (tmp_path, paths[0]):
        found = read(path, truth)
        assert found.hypotheses == GOOD
        assert found.attention == Attention("2", ("▁He", "</s>"), ("▁Er", '"', "</s>"), found.attention.weights)
        assert found.attention.weights == ((0.1235, 0.8765), (0.5, 0.5), (1, 0))
    assert score(found, truth) == score(compared(GOOD, truth), truth)


def test_an_attention_survives_the_shards_of_a_test_loop(tmp_path, truth):
    write(tmp_path, json.loads(json.dumps(with_attention())), truth)
    assert read(tmp_path, truth).attention.sentence == "2"


def test_of_several_attentions_the_first_is_stored(tmp_path, truth):
    later = ATTENDED | {"hypothesis": "", "target": ["</s>"], "attention": [[0, 1]]}
    write(tmp_path, [GOOD[0], ATTENDED, later, later], truth)
    found = read(tmp_path, truth)
    assert found.hypotheses == (*GOOD[:2], "", "")
    assert (found.attention.sentence, len(found.attention.target)) == ("2", 3)


def test_a_stale_attention_is_removed(tmp_path, truth):
    write(tmp_path, with_attention(), truth)
    assert write(tmp_path, GOOD, truth) == [tmp_path / name for name in ("hyp.txt", "ref.txt", "src.txt")]
    assert not (tmp_path / "attention.json").exists()
    assert read(tmp_path, truth).attention is None


def test_an_attention_that_cannot_be_removed_is_named(tmp_path, truth):
    (tmp_path / "attention.json").mkdir()
    assert "attention.json" in refusal(write, tmp_path, GOOD, truth)


def test_an_attention_belongs_to_hyp_txt_alone(tmp_path, truth):
    write(tmp_path, with_attention(), truth)
    (tmp_path / "hyp.txt").rename(tmp_path / "another.txt")
    assert read(tmp_path / "another.txt", truth).attention is None
    assert compared(GOOD, truth).attention is None


@pytest.mark.parametrize(
    "changes",
    [
        {"attention": WEIGHTS[:2]},
        {"attention": [*WEIGHTS[:2], [1]]},
        {"attention": []},
        {"target": [], "attention": []},
        {"attention": [*WEIGHTS[:2], [1, -0.5]]},
        {"attention": [*WEIGHTS[:2], [1.5, 0]]},
        {"attention": [*WEIGHTS[:2], [math.nan, 1]]},
        {"source": ["\ud800", "</s>"]},
    ],
    ids=repr,
)
def test_no_attention_of_another_form_is_written(tmp_path, truth, changes):
    with pytest.raises(ValueError, match=r"rows of|from 0 to 1|surrogates"):
        write(tmp_path, with_attention(**changes), truth)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"{}", b"\xff", b'{"sentence": "\xff"}', b"null",
        STORED | {"attention": WEIGHTS[:2]}, STORED | {"source": ["a"]},
        STORED | {"target": "▁Er"}, STORED | {"attention": [["1", "0"]] * 3}, STORED | {"attention": [[2, 0]] * 3},
        STORED | {"attention": [[math.nan, 0]] * 3}, STORED | {"sentence": "5"}, STORED | {"sentence": 2},
        STORED | {"source": ["\ud800", "</s>"]},
    ],
    ids=repr,
)  # fmt: skip
def test_a_malformed_attention_is_named_with_its_remedy(tmp_path, truth, content):
    write(tmp_path, GOOD, truth)
    file = saved(tmp_path, content if isinstance(content, bytes) else json.dumps(content).encode(), "attention.json")
    for path in (tmp_path, tmp_path / "hyp.txt"):
        message = refusal(read, path, truth)
        assert str(file) in message
        assert message.endswith("; remove the file.")
        assert "\n" not in message
    (tmp_path / "hyp.txt").rename(tmp_path / "another.txt")
    assert read(tmp_path / "another.txt", truth).attention is None


# References beside the hypotheses


LATER = [*REFERENCES[:1], "Er geht nach Haus.", REFERENCES[2], "Die Sonne."]


@pytest.mark.parametrize(
    ("references", "parts"),
    [
        (LATER, [", line 2: expected DATA's reference 'Er geht „nach Hause“.'; got 'Er geht nach Haus.'"]),
        (REFERENCES[:3], [", line 4: expected DATA's reference 'Die Sonne", "; got the end of the file"]),
        ([*REFERENCES, ""], [", line 5: expected no more lines; got ''"]),
        ([REFERENCES[0].lower(), *REFERENCES[1:]], [", line 1: expected"]),
        ([REFERENCES[0].replace(" ", "\u00a0"), *REFERENCES[1:]], [", line 1: expected"]),
        ([], [", line 1: expected", "; got the end of the file"]),
        (b"\xff", [", line 1: not UTF-8"]),
    ],
    ids=["another", "too few", "too many", "case", "spaces", "empty", "not UTF-8"],
)
def test_references_beside_the_hypotheses_must_be_those_of_the_truth(tmp_path, truth, references, parts):
    hypotheses, file = saved(tmp_path, GOOD), saved(tmp_path, references, "ref.txt")
    for path in (hypotheses, tmp_path):
        message = refusal(read, path, truth)
        assert "\n" not in message
        for part in (str(file), *parts):
            assert part in message
        assert isinstance(references, bytes) or "remove the file if it is stale" in message
    hypotheses.rename(tmp_path / "another.txt")
    assert read(tmp_path / "another.txt", truth).scored == 4, "the references are those of hyp.txt"


@pytest.mark.parametrize(
    "references",
    [
        pytest.param(None, id="none"),
        pytest.param("\r\n".join(REFERENCES).encode() + b"\r\n", id="CRLF"),
        pytest.param(b"\xef\xbb\xbf" + "\n".join(REFERENCES).encode(), id="byte order mark, no end"),
    ],
)
def test_references_may_be_missing_or_saved_by_another_system(tmp_path, truth, references):
    saved(tmp_path, GOOD)
    if references is not None:
        saved(tmp_path, references, "ref.txt")
    assert read(tmp_path, truth).hypotheses == GOOD


def test_importing_the_module_loads_nothing_slow():
    # Every call of `make tables` would wait for it.
    code = "import sys, results.scoring.translation; print(*{'torch', 'numba', 'sacrebleu'} & set(sys.modules))"
    assert not subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout.strip()
