"""BLEU and chrF against sacreBLEU's command line and library, on sentences of every kind."""

import subprocess
import sys

import pytest
from sacrebleu.metrics import BLEU, CHRF

from results.scoring.translation import compared, read, score, signatures, write
from tests.results.translations import GOOD, NASTY, REFERENCES, command_line, numbered, random_pairs, saved


@pytest.fixture
def truth():
    return numbered(REFERENCES)


@pytest.fixture
def nasty():
    return [heard for heard, _ in NASTY.values()], numbered([said for _, said in NASTY.values()])


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
