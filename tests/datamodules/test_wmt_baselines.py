"""Translations without a network: model 1 against its textbook example and against an EM of three loops."""

from collections import defaultdict

import numpy as np
import pytest

from benchmarks.errors import UserError
from datamodules.baselines import wmt
from datamodules.baselines.wmt import baselines
from tests.datamodules.wmt_forms import put_pairs

# Koehn, "Statistical Machine Translation" (2010), section 4.2: no pair alone tells which word is which.
HOUSES = [("das Haus", "the house"), ("das Buch", "the book"), ("ein Buch", "a book")]


def write(root, training, test, name="newstest2014"):
    """German and English of both."""
    for text, pairs in (("train", training), (name, test)):
        put_pairs(root, text, pairs)
    return str(root)


def by_word(root, direction="de-en", name="newstest2014"):
    return baselines(root, f"{name}.{direction}")["word_by_word"]


def by_hand(pairs):
    """The same EM, link by link, with chances in a dictionary."""
    chances = defaultdict(lambda: 1.0)
    for _ in range(wmt.ROUNDS):
        counts, totals = defaultdict(float), defaultdict(float)
        for source, target in pairs:
            for word in target:
                whole = sum(chances[other, word] for other in source)
                for other in source:
                    counts[other, word] += chances[other, word] / whole
                    totals[other] += chances[other, word] / whole
        chances = defaultdict(float, {link: count / totals[link[0]] for link, count in counts.items()})
    return chances


@pytest.mark.parametrize(
    ("direction", "expected"), [("de-en", ["a house", "the book"]), ("en-de", ["ein Haus", "das Buch"])]
)
def test_the_textbooks_dictionary_is_learnt_in_both_directions(tmp_path, direction, expected):
    root = write(tmp_path, HOUSES, [("ein Haus", "a house"), ("das Buch", "the book")])
    assert by_word(root, direction) == expected


def test_the_source_itself_is_the_other_baseline(tmp_path):
    root = write(tmp_path, HOUSES, [("Ein  Haus , \u2028oder", "a\thouse"), ("", "")])
    assert baselines(root, "newstest2014.de-en")["copy"] == ["Ein  Haus , \u2028oder", ""]
    assert baselines(root, "newstest2014.en-de")["copy"] == ["a\thouse", ""]
    assert list(baselines(root, "newstest2014.en-de")) == ["copy", "word_by_word"]


def test_unknown_words_are_copied(tmp_path):
    root = write(tmp_path, HOUSES, [("ein Schloss das Haus", "-"), ("Das haus", "-"), ("", "-")])
    assert by_word(root) == ["a Schloss the house", "Das haus", ""]


def test_words_and_marks_are_apart_for_the_model_and_together_in_the_text(tmp_path):
    root = write(tmp_path, HOUSES, [("das Buch, [ein Haus] (das Haus)... „das Haus“ 1.5 x-y isn\u2019t!", "-")])
    assert by_word(root) == ["the book, [a house] (the house)... „ the house “ 1.5 x-y isn\u2019t!"]


def test_each_round_is_that_of_the_textbook(monkeypatch):
    generator = np.random.default_rng(0)
    pairs = [
        [[f"{side}{word}" for word in generator.integers(12, size=generator.integers(1, 7))] for side in "sz"]
        for _ in range(60)
    ]
    assert any(len(set(source)) < len(source) for source, _ in pairs), "a word twice in a sentence counts twice"
    for rounds in (1, 2, 5, 20):
        monkeypatch.setattr(wmt, "ROUNDS", rounds)
        chances = by_hand(pairs)
        found = wmt.learn(*(wmt._side([pair[side] for pair in pairs]) for side in (0, 1)))
        assert len(found) == 12
        for source, target in found.items():
            best = max(chance for (word, _), chance in chances.items() if word == source)
            assert chances[source, target] == pytest.approx(best, rel=1e-9)


def test_pairs_that_are_empty_or_long_teach_nothing(tmp_path):
    longest, longer = (" ".join(["w"] * count) for count in (wmt.LONGEST, wmt.LONGEST + 1))
    training = [
        *HOUSES, ("leer", ""), ("", "empty"), (longer, "w"), ("u", longer),
        (longest.replace("w", "x"), "y"), ("z", longest),
    ]  # fmt: skip
    root = write(tmp_path, training, [("leer w u x z", "-")])
    assert by_word(root) == ["leer w u y w"]


def test_of_a_large_corpus_an_evenly_spaced_sample_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(wmt, "HEARD", 4)
    root = write(tmp_path, [(f"w{number}", f"v{number}") for number in range(10)], [("w0 w1 w2 w3 w4 w5 w6 w7", "-")])
    assert by_word(root) == ["v0 w1 v2 w3 w4 v5 w6 v7"]


def test_the_dictionary_of_a_direction_is_learnt_once(tmp_path):
    root = write(tmp_path, HOUSES, [("das Haus", "the house")])
    write(tmp_path, HOUSES, [("ein Buch", "a book")], "newstest2015")
    assert by_word(root) == ["the house"]
    for side in ("de", "en"):
        (tmp_path / f"train.{side}").unlink()
    assert by_word(root, name="newstest2015") == ["a book"]
    with pytest.raises(UserError, match="has no train"):
        by_word(root, "en-de")


def test_a_split_without_a_direction_is_refused(tmp_path):
    root = write(tmp_path, HOUSES, [("das Haus", "the house")])
    with pytest.raises(UserError, match="names no direction"):
        baselines(root, "newstest2014")
