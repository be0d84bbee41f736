"""Reviews as subwords: every one in its place, learnt from what may be learnt from, one folder for all processes."""

import multiprocessing
import os
import pickle
import time

import datasets
import pytest

from benchmarks.errors import UserError
from datamodules import columns
from datamodules import tokenised_reviews as module
from datamodules.layouts.imdb import open_reviews, plain
from datamodules.layouts.imdb_reviews import by_text
from datamodules.subwords import BEGIN, END, MASK, PAD, UNKNOWN, Subwords
from datamodules.tokenised_reviews import tokenised
from tests.datamodules.archives import digests
from tests.datamodules.imdb_trees import as_parquet, planted, put, reviews

SIZE = 340
FORK = multiprocessing.get_context("fork")
TEXTS = planted(reviews()) | {"test/pos/0_9": "zyxwv " * 40, "train/unsup/0_0": "ZYXWV " * 40}
SPLITS = ("train", "unsupervised", "test")


def opened(root):
    return [by_text(open_reviews(str(root), split)) for split in SPLITS]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return put(tmp_path_factory.mktemp("imdb"), TEXTS)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "ROOT", tmp_path / "root")
    return tmp_path / "root"


def read(found):
    """The ids of all reviews."""
    return [found.reviews.text(place).tolist() for place in range(len(found))]


def test_every_review_is_there_in_its_place(root, tree, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 7)  # many blocks, the last one not full
    train, unsupervised, test = opened(tree)
    found = tokenised(train, unsupervised, test, SIZE)
    texts = [split.text(place) for split in (train, unsupervised) for place in range(len(split))]
    assert len(found) == len(texts) == 160
    assert read(found) == [found.subwords.encode(plain(text)) for text in texts]
    assert found.reviews.lengths.tolist() == list(map(len, read(found)))
    assert len(found.subwords.pieces) == SIZE


def test_reviews_in_the_test_set_are_found_and_no_subword_is_learnt_from_them(root, tree):
    train, unsupervised, test = opened(tree)
    found, names = tokenised(train, unsupervised, test, SIZE), (*train.ids, *unsupervised.ids)
    assert sorted(names[place] for place in found.in_test) == ["neg/3_2", "unsup/0_0", "unsup/7_0", "unsup/9_0"]
    assert not any("z" in piece or "Z" in piece for piece in found.subwords.pieces), "written as bytes"


def test_one_folder_for_the_same_reviews(root, tree, tmp_path, monkeypatch):
    made, write = [], module._write
    monkeypatch.setattr(module, "_write", lambda draft, *rest: made.append(draft.name) or write(draft, *rest))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    plain_files = tokenised(*opened(tree), SIZE)
    rows = tokenised(*opened(as_parquet(tree, tmp_path / "shards")), SIZE)
    assert len(made) == 1, "in another form they are no others"
    assert (rows.folder, rows.digest) == (plain_files.folder, plain_files.digest)
    tokenised(*opened(tree), SIZE + 1)
    for number, name in enumerate(("train/pos/9_9", "train/unsup/9_0", "test/neg/9_2")):
        tokenised(*opened(put(tmp_path / str(number), TEXTS | {name: "another plot"})), SIZE)
    assert len(set(made)) == len(made) == 5


def test_processes_that_begin_at_once_make_one_whole_folder(root, tree, monkeypatch):
    barrier, makers, readers = FORK.Barrier(3), FORK.Queue(), FORK.Queue()
    splits, write = opened(tree), module._write

    def slowly(draft, *rest):
        makers.put(os.getpid())
        time.sleep(0.2)
        write(draft, *rest)
        time.sleep(0.2)

    def make():
        barrier.wait()
        readers.put(read(tokenised(*splits, SIZE)))

    monkeypatch.setattr(module, "_write", slowly)
    processes = [FORK.Process(target=make, daemon=True) for _ in range(3)]
    for process in processes:
        process.start()
    answers = [readers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert makers.get(timeout=1) in {process.pid for process in processes}
    assert makers.empty()
    assert answers == [read(tokenised(*splits, SIZE))] * 3


def test_a_second_making_gives_the_same_bytes(root, tree, tmp_path, monkeypatch):
    tokenised(*opened(tree), SIZE)
    monkeypatch.setattr(columns, "ROOT", tmp_path / "again")
    tokenised(*opened(tree), SIZE)
    assert digests(root) == digests(tmp_path / "again")


def test_it_is_pickled_by_its_folder(root, tree):
    found = tokenised(*opened(tree), SIZE)
    assert len(found.reviews.lengths) == 160
    dumped = pickle.dumps(found)
    assert len(dumped) < 1_000
    assert read(pickle.loads(dumped)) == read(found)


def test_too_few_reviews_are_refused_and_nothing_is_left(root, tree):
    with pytest.raises(UserError, match=r"gives no 9000 subwords .*lower data.init_args.subwords"):
        tokenised(*opened(tree), 9_000)
    assert all(path.endswith(".lock") for path in digests(root))


# The vocabulary


def test_a_vocabulary_begins_with_its_symbols_and_no_text_gives_them():
    subwords = Subwords.for_reviews(reviews().values(), SIZE)
    assert [PAD, UNKNOWN, BEGIN, END, MASK] == [0, 1, 2, 3, 4]
    assert subwords.pieces[:5] == ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
    for text in ("<mask>", "a <mask> film", "</s><mask><pad>", "日本 <unk>", "a\r\nb\tc &amp; 😀"):
        ids = subwords.encode(text)
        assert min(ids) > MASK
        assert subwords.decode(ids) == text


def test_a_long_review_is_learnt_from():
    """SentencePiece passes over what has more than 4,192 bytes, unless it is told not to."""
    long = "quizzical " * 2_000
    assert len(long) == 20_000
    assert "▁quizzical" in Subwords.for_reviews([*reviews().values(), long], SIZE).pieces
