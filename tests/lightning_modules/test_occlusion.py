"""Leaving words out, by hand."""

import pytest

from datamodules.subwords import Subwords
from lightning_modules.occlusion import GROUP, word_changes

WEIGHTS = {"good": 0.25, "bad": -0.5, "the": 0.0}


def score(texts):
    """The sum of the words' weights, and a half."""
    return [0.5 + sum(WEIGHTS.get(word, 0.0) for word in text.split()) for text in texts]


def test_changes_by_hand():
    """Without a word that speaks for the score, this falls by the word's weight."""
    found = word_changes(score, "the good bad good")
    assert found == [("the", 0.0), ("good", 0.25), ("bad", -0.5), ("good", 0.25)]


def test_words_that_work_together():
    """Of 'not bad' either word alone says what both together do not."""
    found = word_changes(lambda texts: [1.0 if "not bad" in text else 0.25 for text in texts], "it is not bad")
    assert found == [("it", 0.0), ("is", 0.0), ("not", 0.75), ("bad", 0.75)]


def test_the_rest_stays_as_it_was_written():
    asked = []
    text = " A film,\n<br />  with\ttabs "
    found = word_changes(lambda texts: asked.extend(texts) or [0.0] * len(texts), text)
    assert [word for word, _ in found] == text.split()
    assert asked == [
        text, " film,\n<br />  with\ttabs ", " A <br />  with\ttabs ", " A film,\n/>  with\ttabs ",
        " A film,\n<br with\ttabs ", " A film,\n<br />  tabs ", " A film,\n<br />  with\t",
    ]  # fmt: skip


def test_the_space_before_a_last_word_is_no_subword():
    """It stays when the last word goes, and must not change the score."""
    subwords = Subwords.for_translation(["a good film", "a bad film"] * 9, 290)
    assert subwords.encode("a good ") == subwords.encode("a good")


@pytest.mark.parametrize("count", [0, 1, GROUP - 1, GROUP, GROUP + 1, 3 * GROUP + 5])
def test_texts_are_scored_in_groups(count):
    sizes = []
    words = [f"{place}" for place in range(count)]

    def summed(texts):
        sizes.append(len(texts))
        return [sum(map(int, text.split())) for text in texts]

    assert word_changes(summed, " ".join(words)) == [(word, int(word)) for word in words]
    assert max(sizes) <= GROUP
    assert len(sizes) == 1 + -(-count // GROUP)


def test_a_text_without_words():
    assert word_changes(score, "") == word_changes(score, " \n ") == []
