"""What scoring asks of IMDB, what the look before a run says, and what is done to texts."""

import shutil

import numpy as np
import pytest

from datamodules.layouts import imdb
from datamodules.layouts.imdb import check, open_reviews, overlap, plain, truth
from results.scoring import classification
from tests.datamodules.imdb_forms import ALL, SPLITS, TEST, TRAIN, UNSUPERVISED, hub_tree, put
from tests.refusals import refusal

pytestmark = pytest.mark.usefixtures("own_cache")


# What scoring asks for


def test_predictions_are_held_against_labels_by_id_and_no_text_is_read(tmp_path):
    put(tmp_path, {**dict.fromkeys(TEST, b"\xff"), **TRAIN})
    found = truth(str(tmp_path), "test")
    assert found.ids == ("neg/0_1", "neg/2_4", "neg/10_3", "pos/1_7", "pos/9_10", "pos/10_8")
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.num_classes == 2
    rows = [{"classes": [label, 1 - label], "scores": [0.75, 0.25]} for label in (0, 1, 0, 1, 1, 1)]
    classification.write(tmp_path, rows, found)
    assert classification.score(classification.read(tmp_path, found), found) == {"accuracy": 100 * 5 / 6}


def test_what_has_no_labels_is_no_truth(tmp_path):
    assert "'unsupervised' has no labels to score against" in refusal(truth, put(tmp_path), "unsupervised")


def test_the_digest_is_of_every_text_and_label_in_their_order(tmp_path):
    trees = [
        {"test/neg/0_1": "ab", "test/neg/1_1": "c", "test/pos/0_9": "d"},
        {"test/neg/0_1": "a", "test/neg/1_1": "bc", "test/pos/0_9": "d"},
        {"test/neg/0_1": "c", "test/neg/1_1": "ab", "test/pos/0_9": "d"},
        {"test/neg/0_1": "ab", "test/pos/1_9": "c", "test/pos/2_9": "d"},
        {"test/neg/0_1": "ab", "test/neg/1_1": "c", "test/pos/0_9": "D"},
    ]
    digests = [open_reviews(put(tmp_path / str(i), tree), "test").digest for i, tree in enumerate(trees)]
    assert len(set(digests)) == len(trees)
    renumbered = {"test/neg/5_3": "ab", "test/neg/7_2": "c", "test/pos/3_10": "d"}
    assert open_reviews(put(tmp_path / "same", renumbered), "test").digest == digests[0]
    assert all(len(digest) == 64 for digest in digests)


# The look before a run


def test_only_training_needs_training_reviews(tmp_path):
    root = put(tmp_path, TEST)
    assert check(root, training=False, full=False) == []
    assert f"{root} has no train (it holds aclImdb)" in refusal(check, root, True, False)
    put(tmp_path, TRAIN)
    assert "has no unsup" in refusal(check, root, True, False)
    put(tmp_path, UNSUPERVISED)
    assert check(root, training=True, full=False) == []
    shutil.rmtree(tmp_path / "aclImdb/test")
    assert "has no test" in refusal(check, root, True, False)


def test_the_look_finds_faults_in_what_is_needed_alone(tmp_path):
    root = put(tmp_path, {**ALL, "train/unsup/7_7": "x"})
    assert check(root, training=False, full=True)
    assert "7_7.txt has the rating 7" in refusal(check, root, True, False)


@pytest.mark.parametrize("form", ["tree", "parquet"])
def test_another_number_of_reviews_is_noted_before_a_full_run(tmp_path, form, monkeypatch):
    root = put(tmp_path) if form == "tree" else str(tmp_path)
    if form == "parquet":
        hub_tree(tmp_path)
    test = "test is not whole (6 reviews, officially 25,000): unofficial, its verdict `not comparable`"
    assert check(root, training=False, full=True) == [test]
    assert check(root, training=True, full=True) == [
        "train is not whole (3 reviews, officially 25,000): unofficial",
        test,
        "unsupervised is not whole (3 reviews, officially 50,000): unofficial",
    ]
    assert check(root, training=True, full=False) == []
    for split, reviews in SPLITS.items():
        monkeypatch.setitem(imdb.OFFICIAL, split, len(reviews))
    assert check(root, training=True, full=True) == []


# Texts


def test_break_tags_become_spaces_and_nothing_else_changes():
    assert plain("Bad.<br /><br />Very  bad.\n") == "Bad.  Very  bad.\n"
    assert plain("a<br/>b<br>c<BR />d") == "a b c d"
    unchanged = "a < br /> <b>bold</b> <bra> &lt;br /&gt; \r\n &amp;  "
    assert plain(unchanged) == unchanged


def test_what_stands_in_the_test_set_is_found_but_for_white_space_and_case():
    test = ["A  fine\tfilm.", "So\nso", "STRASSE"]
    texts = ["a fine film.", "another", "A fine film", " so so\r\n", "stra\xdfe", "a fine film.", "afine film."]
    found = overlap(iter(texts), iter(test))
    assert found.tolist() == [0, 3, 4, 5]
    assert found.dtype == np.int64
    assert overlap([], test).tolist() == overlap(texts, []).tolist() == []
