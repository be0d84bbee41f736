"""IMDB as a file a review: read in its order and side by side, and every refusal."""

import pickle
import resource
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from datamodules.layouts import imdb_tree
from datamodules.layouts.imdb import check, count, open_reviews, truth
from tests.datamodules.imdb_forms import LABELS, SPLITS, TEST, TRAIN, put, read, shard
from tests.refusals import refusal

pytestmark = pytest.mark.usefixtures("own_cache")


# What is read


@pytest.mark.parametrize("split", SPLITS)
def test_negative_before_positive_ones_each_by_number_and_nothing_is_changed(tmp_path, split):
    found = open_reviews(put(tmp_path), split)
    assert read(found) == list(SPLITS[split].values())
    assert found.ids == tuple(name.partition("/")[2] for name in SPLITS[split])
    assert found.labels.tolist() == LABELS[split]
    assert found.labels.dtype == np.int64
    assert len(found) == len(SPLITS[split]) == count(str(tmp_path), split)
    assert [found.where(i) for i in range(len(found))] == [f"{tmp_path}/aclImdb/{name}.txt" for name in SPLITS[split]]


@pytest.mark.parametrize("top", [".", "IMDB"])
def test_the_tree_itself_may_be_given(tmp_path, top):
    put(tmp_path, top=top)
    root = str(tmp_path / top)
    assert read(open_reviews(root, "test")) == list(TEST.values())
    assert check(root, training=True, full=False) == []


def test_a_byte_order_mark_falls_away_at_the_start_alone(tmp_path):
    root = put(tmp_path / "tree", {"test/neg/0_1": "\ufeffa\ufeff", "test/pos/0_7": b"\xef\xbb\xbf\xef\xbb\xbfb"})
    shard(tmp_path / "hub/test-00000-of-00001.parquet", ["\ufeffa\ufeff", "\ufeff\ufeffb"], [0, 1])
    for each in (root, str(tmp_path / "hub")):
        assert read(open_reviews(each, "test")) == ["a\ufeff", "\ufeffb"]


def test_a_review_outside_is_none(tmp_path):
    found = open_reviews(put(tmp_path), "test")
    for index in (-1, len(TEST)):
        with pytest.raises(IndexError):
            found.text(index)


def test_a_worker_reads_the_same(tmp_path):
    found = open_reviews(put(tmp_path), "test")
    shutil.rmtree(tmp_path / "aclImdb")
    again = pickle.loads(pickle.dumps(found))
    assert read(again) == list(TEST.values())
    assert (again.ids, again.where(3), again.digest) == (found.ids, found.where(3), found.digest)


def test_many_reviews_need_few_file_handles(tmp_path):
    """More files than the process may open, and none of them stays open."""
    names = {f"test/{kind}/{number}_{stars}": "x" for kind, stars in (("neg", 1), ("pos", 9)) for number in range(600)}
    root = put(tmp_path, names)
    open_reviews(root, "test")
    handles, limits = len(list(Path("/proc/self/fd").iterdir())), resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (handles + 40, limits[1]))
    try:
        found = open_reviews(root, "test")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(found) == 1200
    assert len(list(Path("/proc/self/fd").iterdir())) == handles


def test_files_are_read_side_by_side_since_a_disk_may_be_slow(tmp_path, monkeypatch):
    """Each waits until three others are being read; one by one, none would ever be."""
    names = {
        f"test/{kind}/{row}_{stars}": f"{kind} {row}" for kind, stars in (("neg", 1), ("pos", 9)) for row in range(8)
    }
    root, read_bytes, together = put(tmp_path, names), Path.read_bytes, threading.Barrier(4, timeout=20)
    monkeypatch.setattr(imdb_tree, "BLOCK", 4)
    monkeypatch.setattr(Path, "read_bytes", lambda path: together.wait() >= 0 and read_bytes(path))
    assert read(open_reviews(root, "test")) == list(names.values())


# What is refused


FAULTS = {
    # what is wrong: (files that are put, those that are taken away, the split, what the message must say)
    "no split": ({}, "test", "test", ["has no test (it holds aclImdb)", "IMDB is expected in one of these forms"]),
    "no class": ({}, "test/pos", "test", ["aclImdb/test/pos is missing"]),
    "no other class": ({}, "train/neg", "train", ["aclImdb/train/neg is missing"]),
    "no unlabelled": ({}, "train/unsup", "unsupervised", ["has no unsupervised (it holds aclImdb)"]),
    "empty class": ({"test/pos/.keep": ""}, "test/pos/*.txt", "test", ["aclImdb/test/pos holds no review"]),
    "empty file": ({"test/pos/3_8.txt": ""}, "", "test", ["test/pos/3_8.txt is empty"]),
    "blank file": ({"test/neg/3_1.txt": " \r\n\t\N{NO-BREAK SPACE}"}, "", "test", ["test/neg/3_1.txt is empty"]),
    "mark alone": ({"test/neg/3_1.txt": "\ufeff\n"}, "", "test", ["test/neg/3_1.txt is empty"]),
    "no rating": ({"test/pos/3.txt": "a"}, "", "test", ["test/pos/3.txt is no review", "<number>_<rating>.txt"]),
    "other suffix": ({"test/pos/3_8.csv": "a"}, "", "test", ["test/pos/3_8.csv is no review"]),
    "more": ({"test/pos/3_8.txt.gz": "a"}, "", "test", ["test/pos/3_8.txt.gz is no review"]),
    "a copy": ({"test/pos/3_8 (1).txt": "a"}, "", "test", ["test/pos/3_8 (1).txt is no review"]),
    "a digit of another script": ({"test/pos/\u0663_8.txt": "a"}, "", "test", ["is no review"]),
    "a folder": ({"test/pos/old/3_8.txt": "a"}, "", "test", ["test/pos/old is no review"]),
    "a folder named so": ({"test/pos/3_8.txt/x": "a"}, "", "test", ["test/pos/3_8.txt: Is a directory"]),
    "too good": ({"test/neg/3_5.txt": "a"}, "", "test", ["3_5.txt has the rating 5, but those of neg are 1 to 4."]),
    "too bad": ({"train/pos/3_6.txt": "a"}, "", "train", ["3_6.txt has the rating 6, but those of pos are 7 to 10."]),
    "nothing": ({"test/neg/3_0.txt": "a"}, "", "test", ["rating 0, but those of neg are 1 to 4"]),
    "eleven": ({"test/pos/3_11.txt": "a"}, "", "test", ["rating 11, but those of pos are 7 to 10"]),
    "rated": ({"train/unsup/4_1.txt": "a"}, "", "unsupervised", ["rating 1, but those of unsup are 0."]),
    "twice": ({"test/pos/9_9.txt": "a"}, "", "test", ["test/pos: 9_10.txt and 9_9.txt have one number"]),
    "twice, padded": ({"test/pos/009_9.txt": "a"}, "", "test", ["test/pos: 009_9.txt and 9_10.txt have one number"]),
}


@pytest.mark.parametrize(("put_there", "gone", "split", "parts"), FAULTS.values(), ids=FAULTS.keys())
def test_a_tree_with_a_fault_is_refused_and_the_others_splits_are_not(tmp_path, put_there, gone, split, parts):
    root = put(tmp_path)
    for path in tmp_path.glob(f"aclImdb/{gone}") if gone else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, text in put_there.items():
        (tmp_path / "aclImdb" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "aclImdb" / name).write_text(text, newline="")
    message = refusal(open_reviews, root, split)
    for part in (root, *parts):
        assert part in message
    for other in SPLITS.keys() - {split}:
        assert read(open_reviews(root, other)) == list(SPLITS[other].values())


@pytest.mark.parametrize(
    ("text", "byte"),
    [
        (b"Gr\xf6\xdfe", "2 (0xf6)"), (b"\xc3", "0 (0xc3)"), (b"a\x80", "1 (0x80)"), (b"\xc0\x80", "0 (0xc0)"),
        (b"ab\xed\xa0\x80", "2 (0xed)"), (b"\xff\xfea\0", "0 (0xff)"), (b"\xef\xbb\xbfa\xe2\x82", "4 (0xe2)"),
    ],
    ids=["latin-1", "cut", "rest", "overlong", "surrogate", "UTF-16", "two of three"],
)  # fmt: skip
def test_text_must_be_utf8_and_the_byte_is_named(tmp_path, text, byte):
    root = put(tmp_path, {**TEST, "test/pos/5_8": text})
    message = refusal(open_reviews, root, "test")
    assert f"{tmp_path}/aclImdb/test/pos/5_8.txt: byte {byte} is not UTF-8. Save it in UTF-8" in message
    assert count(root, "test") == len(TEST) + 1, "only what is read is looked at"


def test_one_split_lies_in_one_form_and_others_may_lie_in_another(tmp_path):
    root = put(tmp_path, {**TRAIN, **TEST})
    shard(tmp_path / "unsupervised-00000-of-00001.parquet", ["x"], [-1])
    assert read(open_reviews(root, "unsupervised")) == ["x"]
    assert check(root, training=True, full=False) == []
    shard(tmp_path / "data/test-00000-of-00001.parquet", ["x"], [1])
    message = refusal(open_reviews, root, "test")
    assert (
        f"{root} holds test twice: in {root}/aclImdb and as {root}/data/test-00000-of-00001.parquet. Leave" in message
    )


def test_a_root_that_holds_no_reviews(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed/aclImdb_v1.tar.gz").touch()
    faults = {
        "nowhere": f"{tmp_path}/nowhere: No such file or directory. Set DATA to the folder",
        "file": f"{tmp_path}/file: Not a directory. Set DATA to the folder",
        "empty": f"{tmp_path}/empty has no test (it holds nothing).",
        "packed": f"Its archive is there: `make data-imdb DATA={tmp_path}/packed` unpacks it.",
        "x" * 300: f"{'x' * 300}/aclImdb: File name too long",
    }
    for name, part in faults.items():
        for call in ((open_reviews, "test"), (truth, "test"), (check, False, True)):
            assert part in refusal(call[0], str(tmp_path / name), *call[1:])


@pytest.mark.parametrize("split", ["unsup", "val", "test/pos", ""])
def test_only_known_splits_have_a_name(tmp_path, split):
    for root in (put(tmp_path), "hf:stanfordnlp/imdb"):
        for call in (open_reviews, truth, count):
            assert f"there is no split '{split}' of IMDB. Known: train, test, unsupervised." in refusal(
                call, root, split
            )
