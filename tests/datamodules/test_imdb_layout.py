"""IMDB's reviews as people have them: each form written for real and read back, and every refusal."""

import pickle
import resource
import shutil
import threading
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from benchmarks.errors import UserError
from datamodules.layouts import imdb, imdb_tree
from datamodules.layouts.imdb import check, count, open_reviews, overlap, plain, truth
from results.scoring import classification

# Path below aclImdb, and text; in the order that is due, which is neither that of names nor that of writing.
TEST = {
    "test/neg/0_1": "Bad.<br /><br />Very bad.",
    "test/neg/2_4": "dull\r\nand\rlong\n",
    "test/neg/10_3": "Gr\N{LATIN SMALL LETTER O WITH DIAERESIS}\xdfer \N{LINE SEPARATOR}\x85 &amp; \U0001f600",
    "test/pos/1_7": " \tgood \N{NO-BREAK SPACE}",
    "test/pos/9_10": "good",
    "test/pos/10_8": "good",
}
TRAIN = {"train/neg/0_2": "poor", "train/neg/1_3": "weak", "train/pos/0_9": "strong"}
UNSUPERVISED = {"train/unsup/0_0": "one", "train/unsup/3_0": "three", "train/unsup/20_0": "twenty"}
ALL = {**TRAIN, **UNSUPERVISED, **TEST}
SPLITS = {"train": TRAIN, "test": TEST, "unsupervised": UNSUPERVISED}
LABELS = {"train": [0, 0, 1], "test": [0, 0, 0, 1, 1, 1], "unsupervised": [-1, -1, -1]}
FEATURES = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["neg", "pos"]))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def put(root, reviews=ALL, top="aclImdb"):
    """The archive's tree, the last file first, and what else lies in it."""
    for name, text in reversed(reviews.items()):
        file = root / top / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    for other in ("README", "imdb.vocab", "test/urls_pos.txt", "test/neg/.DS_Store", "test/pos/._9_10.txt"):
        if (root / top / other).parent.is_dir():
            (root / top / other).write_bytes(b"\xff")
    return str(root)


def shard(file, texts, labels, features=FEATURES):
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = {"text": list(texts), "label": list(labels)}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(file)


def hub_tree(folder, root=None):
    """As the hub has it, from a tree that is read here, or of all reviews."""
    for split, reviews in SPLITS.items():
        texts, labels = list(reviews.values()), LABELS[split]
        if root:
            found = open_reviews(root, split)
            texts, labels = read(found), found.labels.tolist()
        shard(folder / f"{split}-00000-of-00001.parquet", texts, labels)


def read(reviews):
    return [reviews.text(index) for index in range(len(reviews))]


def refusal(call, *arguments):
    """What the user is told."""
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return str(caught.value)


# A file a review


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


# Parquet, in a folder and from the hub


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


# What is refused of files


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
    note = "unsupervised is not there, so nothing that learns from unlabelled reviews can be trained"
    assert check(root, training=True, full=False) == [note]
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
