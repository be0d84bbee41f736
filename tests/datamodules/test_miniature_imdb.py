"""The miniature IMDB: the same bytes every time, nothing leaks unplanned, and counting words is not enough."""

import re
import time
from collections import Counter

import numpy as np
import pytest

from datamodules.baselines.imdb import baselines
from datamodules.layouts import imdb as layout
from datamodules.miniature import imdb as miniature
from datamodules.miniature.imdb_grammar import Critic
from datamodules.miniature.imdb_lexicon import OUTCOMES, STANCES, VALUED
from tests.datamodules.archives import digests

SPLITS = {"train": "train", "test": "test", "unsup": "unsupervised"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("imdb")
    start = time.process_time()
    miniature.write(root)
    assert time.process_time() - start < 10
    return root


@pytest.fixture(scope="module")
def texts(tree):
    """Split -> its reviews as they were written."""
    found = {name: layout.open_reviews(str(tree), split) for name, split in SPLITS.items()}
    return {name: [reviews.text(index) for index in range(len(reviews))] for name, reviews in found.items()}


def normal(text):
    return " ".join(text.split()).casefold()


def words(text):
    return re.findall(r"\w+", layout.plain(text).casefold())


def test_writes_the_same_bytes_again(tree, tmp_path):
    miniature.write(tmp_path)
    assert digests(tmp_path) == digests(tree)


def test_counts_are_those_promised_and_half_of_the_labels_are_positive(tree, texts):
    assert {name: len(found) for name, found in texts.items()} == miniature.COUNTS
    for split in ("train", "test"):
        labels = layout.open_reviews(str(tree), split).labels
        assert labels.tolist() == sorted(labels.tolist())
        assert labels.mean() == 0.5


def test_every_rating_of_a_class_occurs_and_no_other(tree):
    for folder, ratings in (("train/neg", {1, 2, 3, 4}), ("test/pos", {7, 8, 9, 10}), ("train/unsup", {0})):
        paths = (tree / "aclImdb" / folder).iterdir()
        assert {int(path.stem.partition("_")[2]) for path in paths} == ratings


def test_files_that_are_no_reviews_lie_beside_the_classes(tree):
    assert all((tree / "aclImdb" / name).is_file() for name in miniature.BESIDE)


def test_reviews_have_20_to_120_words_but_for_a_very_long_one(texts):
    lengths = sorted(len(layout.plain(text).split()) for found in texts.values() for text in found)
    assert lengths[0] >= 20
    assert lengths[-2] <= 120
    assert max(len(layout.plain(text).split()) for text in texts["train"]) == lengths[-1] > 1500


def test_no_test_review_is_elsewhere_but_those_planted(texts):
    assert layout.overlap(texts["train"], texts["test"]).size == 0
    planted = layout.overlap(texts["unsup"], texts["test"])
    assert len(planted) == miniature.PLANTED
    assert sum(texts["unsup"][place] in texts["test"] for place in planted) == miniature.PLANTED - 2
    assert len(set(map(normal, texts["test"]))) == miniature.COUNTS["test"]
    assert len(set(map(normal, texts["unsup"]))) == miniature.COUNTS["unsup"]
    assert not set(texts["train"]) & set(texts["unsup"])


def test_some_reviews_stand_twice_in_training_in_one_class(tree, texts):
    labels = layout.open_reviews(str(tree), "train").labels
    twice = {text for text, count in Counter(texts["train"]).items() if count == 2}
    places = [place for place, text in enumerate(texts["train"]) if text in twice]
    assert len(twice) == 2 * miniature.TWICE
    assert labels[places].sum() == len(places) / 2


@pytest.mark.parametrize("mark", ["<br /><br />", '"', "\u201c", "\u201d", "\u2014", "é", "&amp;"])
@pytest.mark.parametrize("split", [*SPLITS])
def test_each_split_has_what_real_reviews_have(texts, split, mark):
    assert sum(mark in text for text in texts[split]) >= 10


# What is read right only by how words are put together, with the share of training that has it at least.
PHENOMENA = {
    "negation": r"There is not|Never once|Nobody who|Not a single|I would not say|None of us|far from|there was none",
    "contrast": r"This is not the|What (should|could|might) have been|and not the|and got|I came for|had said that",
    "irony": r"if you like|for those who love|I am the king of Spain",
    "concession": r"Granted,|Although|for all its|but on the whole",
    "comparison": r"every bit its equal|its very opposite|, but not |[Ww]here .* is ",
    "verdict": r"The (former|latter) is|Of the two",
}


@pytest.mark.parametrize("name", [*PHENOMENA])
def test_each_phenomenon_is_in_praise_and_in_blame(texts, name):
    half = miniature.COUNTS["train"] // 2
    for split in (texts["train"][:half], texts["train"][half:]):
        assert sum(bool(re.search(PHENOMENA[name], text)) for text in split) > 0.08 * half


def test_every_review_has_words_of_praise_and_of_blame(texts):
    for found in texts.values():
        for kind in (1, -1):
            known = {word for kinds in VALUED.values() for word in kinds[kind]}
            assert all(known & {*words(text)} for text in found)


def test_outcomes_are_commoner_in_unlabelled_reviews(texts):
    told = re.compile("|".join(re.escape(way) for _, kinds in OUTCOMES for way in kinds[1] + kinds[-1] if " " in way))
    rates = {name: np.mean([bool(told.search(text)) for text in found]) for name, found in texts.items()}
    assert rates["unsup"] > 3 * max(rates["train"], rates["test"])
    assert min(rates.values()) > 0


class Numbered(Critic):
    """Takes the first word of each list, so that what a sentence says can be told by hand."""

    def _adjective(self, kind):
        return VALUED["word"][kind][0]


@pytest.mark.parametrize("kind", [*STANCES])
def test_sentences_swap_their_kinds_with_the_verdict(kind):
    critic = Numbered(np.random.Generator(np.random.PCG64(1)))
    swapped = {"superb": "dull", "dull": "superb"}
    for pattern in STANCES[kind]:
        if "{adjective" in pattern and "{noun" not in pattern and "{verb" not in pattern:
            praise, blame = (re.findall("superb|dull", critic._said(pattern, verdict)) for verdict in (1, -1))
            assert [swapped[word] for word in praise] == blame


def test_a_bag_of_words_learns_something_but_not_much(tree):
    labels = layout.truth(str(tree), "test").labels
    guesses = [row["classes"][0] for row in baselines(str(tree), "test")["bag_of_words"]]
    assert 0.65 < np.mean(guesses == labels) < 0.8
