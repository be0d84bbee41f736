"""What IMDB's datamodule refuses, and what identifies its data."""

import json
import shutil

import pytest

from benchmarks.errors import UserError
from datamodules import columns
from tests.datamodules import imdb_batches
from tests.datamodules.imdb_batches import BOTH, MASKED, SIZE, TEXTS, data
from tests.datamodules.imdb_trees import put

pytestmark = pytest.mark.usefixtures("own_place")
tree = imdb_batches.tree


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"longest": 1}, "longest is 1"), ({"held_out": 0.0}, "held_out is 0"), ({"held_out": 1.0}, "held_out is 1")],
)
def test_nonsense_is_refused_before_any_file_is_looked_at(changes, message):
    with pytest.raises(ValueError, match=message):
        data("/nowhere", **changes)


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("train/unsup", "has no unsupervised"),
        ("train/pos", "train/pos is missing"),
        ("test/neg", "test/neg is missing"),
    ],
)
@BOTH
def test_what_is_missing_is_named(copied, folder, message, changes):
    shutil.rmtree(copied / "aclImdb" / folder)
    with pytest.raises(UserError, match=message):
        data(copied, **changes).setup("fit")


def test_where_nothing_is_left_to_train_on_it_says_so(tree):
    with pytest.raises(UserError, match=r"no review is left .*: 1 stand in the test set, 89 are held out"):
        data(tree, held_out=0.999).setup("fit")


def test_only_the_test_set_is_needed_to_test(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "ROOT", tmp_path / "nowhere")
    shutil.rmtree(copied / "aclImdb" / "train")
    datamodule = data(copied)
    datamodule.verify(training=False)
    assert {**datamodule.fingerprint, "test texts digest": ""} == {"test": 22, "test texts digest": ""}
    assert datamodule.left_out == ()
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(UserError, match="has no train"):
        data(copied).verify(training=True)


def fingerprint(root, **changes):
    datamodule = data(root, **changes)
    datamodule.setup("fit")
    assert datamodule.state_dict() == datamodule.fingerprint
    assert json.loads(json.dumps(datamodule.fingerprint)) == datamodule.fingerprint
    return datamodule.fingerprint


def test_fingerprint_says_what_there_is(tree):
    found = fingerprint(tree)
    digest, tested = found.pop("reviews"), found.pop("test texts digest")
    counts = {"test": 22, "train": 79, "unsupervised": 0, "left out": 1, "held out": 9, "held out twice": 1}
    assert found == counts
    masked = fingerprint(tree, **MASKED)
    nothing = {"held out": 0, "held out twice": 0, "reviews": digest, "test texts digest": tested}
    assert masked == {"test": 22, "train": 89, "unsupervised": 68, "left out": 3} | nothing
    assert fingerprint(tree, subwords=SIZE + 1)["reviews"] != digest
    assert data(tree).signature == {"classes": 2, "outside_text": "none"}


@pytest.mark.parametrize("changed", ["train/pos/9_9", "train/unsup/20_0", "test/pos/5_9"])
def test_fingerprint_changes_with_a_review(tree, tmp_path, changed):
    assert fingerprint(put(tmp_path, TEXTS | {changed: "another plot"})) != fingerprint(tree)
