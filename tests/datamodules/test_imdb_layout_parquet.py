"""IMDB as Parquet, in a folder and from the hub: the same reviews as the tree's, and every refusal."""

import datasets
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from datamodules.layouts.imdb import check, count, open_reviews, truth
from tests.datamodules.imdb_forms import LABELS, SPLITS, hub_tree, put, read, shard
from tests.refusals import refusal

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("folder", [".", "data", "plain_text", "hub"])
def test_parquet_written_from_the_tree_gives_the_same(tmp_path, folder):
    tree = put(tmp_path / "tree")
    hub_tree(tmp_path / ("plain_text" if folder == "hub" else folder), tree)
    root = f"hf:{tmp_path}" if folder == "hub" else str(tmp_path)
    for split, reviews in SPLITS.items():
        found = open_reviews(root, split)
        assert read(found) == list(reviews.values())
        assert found.labels.tolist() == LABELS[split]
        assert found.labels.dtype == np.int64
        assert found.ids == tuple(f"{split}-{row}" for row in range(len(reviews)))
        assert found.where(2) == f"{root}, row 2 of {split}"
        assert found.digest == open_reviews(tree, split).digest
        assert count(root, split) == len(reviews)
    assert check(root, training=True, full=False) == []


def test_parquet_keeps_the_order_of_its_rows_over_its_shards(tmp_path):
    shard(tmp_path / "test-00000-of-00002.parquet", ["c", "a"], [1, 0])
    shard(tmp_path / "test-00001-of-00002.parquet", ["b"], [1])
    found = open_reviews(str(tmp_path), "test")
    assert (read(found), found.labels.tolist()) == (["c", "a", "b"], [1, 0, 1])
    (tmp_path / "test-00000-of-00002.parquet").unlink()
    message = refusal(open_reviews, str(tmp_path), "test")
    assert f"{tmp_path} has 1 Parquet shards of test, but test-00001-of-00002.parquet says there are 2" in message


@pytest.mark.parametrize("kind", [pa.int64(), pa.int8(), pa.uint8()])
def test_labels_may_be_numbers_of_any_size_without_names(tmp_path, kind):
    table = pa.table(
        {"label": pa.array([1, 0], kind), "text": pa.array(["a", "b"], pa.large_string()), "stars": [1, 2]}
    )
    parquet.write_table(table, tmp_path / "test.parquet")
    assert open_reviews(str(tmp_path), "test").labels.tolist() == [1, 0]


def test_only_the_split_asked_for_is_fetched(tmp_path):
    hub_tree(tmp_path / "plain_text")
    (tmp_path / "plain_text/unsupervised-00000-of-00001.parquet").write_bytes(
        b"were this fetched, it would be an error"
    )
    splits = "".join(f"  - split: {split}\n    path: plain_text/{split}-*\n" for split in SPLITS)
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n- config_name: plain_text\n  data_files:\n{splits}---\n")
    assert truth(f"hf:{tmp_path}", "test").labels.tolist() == LABELS["test"]
    assert "hub gave no **/unsupervised-*.parquet" in refusal(open_reviews, f"hf:{tmp_path}", "unsupervised")


def test_a_hub_that_gives_nothing(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    for call in (
        (open_reviews, "hf:no/imdb", "test"),
        (truth, "hf:no/imdb", "test"),
        (check, "hf:no/imdb", True, True),
    ):
        message = refusal(*call)
        assert "DATA=hf:no/imdb: the hub gave no **/t" in message
        assert "Check name and network. hf:stanfordnlp/imdb has this form." in message


def table(text=("a", "b"), label=(0, 1), **more):
    return pa.table({"text": pa.array(text), "label": pa.array(label), **more})


LATIN1 = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 4], np.int32)), pa.py_buffer(b"abc\xe4"))
NAMED = {"label": datasets.ClassLabel(names=["pos", "neg"]), "text": datasets.Value("string")}
BAD = {
    # what is wrong: (the table, the split, what the message must say)
    "no text": (pa.table({"review": ["a"], "label": [0]}), "test", ["has no column text (it has review, label)"]),
    "no columns": (pa.table({"review": ["a"]}), "test", ["has no column text and no column label"]),
    "text in numbers": (table(text=[1, 2]), "test", ["text is int64 and label is int64. IMDB as Parquet"]),
    "labels in words": (table(label=["neg", "pos"]), "test", ["text is string and label is string."]),
    "labels in fractions": (table(label=[0.0, 1.0]), "test", ["label is double"]),
    "another label": (table(label=[0, 2]), "test", ["row 1 of test: label is 2, expected 0 or 1"]),
    "stars": (table(text=["a"] * 3, label=[0, 1, 10]), "train", ["row 2 of train: label is 10, expected 0 or 1"]),
    "unlabelled": (table(label=[-1, -1]), "test", ["row 0 of test: label is -1, expected 0 or 1"]),
    "labelled": (table(label=[-1, 1]), "unsupervised", ["row 1 of unsupervised: label is 1, expected -1"]),
    "missing text": (table(text=["a", None]), "test", ["row 1 of test: no text."]),
    "missing label": (table(label=[0, None]), "test", ["row 1 of test: no label."]),
    "empty text": (table(text=["a", " \n"]), "test", ["row 1 of test is empty"]),
    "no negative": (table(label=[1, 1]), "test", [": test has 2 rows, none with label 0"]),
    "no positive": (table(label=[0, 0]), "train", [": train has 2 rows, none with label 1"]),
    "no rows": (pa.table({"text": pa.array([], pa.string()), "label": pa.array([], pa.int64())}), "unsupervised", []),
    "latin-1": (table(text=LATIN1), "test", ["row 1 of test: byte 2 (0xe4) is not UTF-8"]),
}


@pytest.mark.parametrize("form", ["folder", "hub"])
@pytest.mark.parametrize(("rows", "split", "parts"), BAD.values(), ids=BAD.keys())
def test_parquet_without_reviews_and_labels_is_refused(tmp_path, rows, split, parts, form):
    (tmp_path / "data").mkdir()
    parquet.write_table(rows, tmp_path / f"data/{split}-00000-of-00001.parquet")
    root = f"hf:{tmp_path}" if form == "hub" else str(tmp_path)
    message = refusal(open_reviews, root, split)
    for part in (root, *parts):
        assert part in message


def test_classes_in_another_order_are_refused(tmp_path):
    shard(tmp_path / "test-00000-of-00001.parquet", ["a", "b"], [0, 1], datasets.Features(NAMED))
    assert f"{tmp_path}: test: the classes of label are pos, neg, not neg and" in refusal(truth, str(tmp_path), "test")


def test_half_a_shard_and_shards_in_two_folders_are_refused(tmp_path):
    hub_tree(tmp_path)
    file = tmp_path / "test-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:-50])
    assert f"Parquet shards of test in {tmp_path} cannot be read" in refusal(truth, str(tmp_path), "test")
    hub_tree(tmp_path / "plain_text")
    message = refusal(truth, str(tmp_path), "test")
    assert f"Parquet shards of test lie in {tmp_path} and in {tmp_path / 'plain_text'}." in message
