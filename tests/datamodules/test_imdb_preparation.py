"""`make data-imdb`: what it expects, counts and leaves alone, and how it starts again once it was interrupted."""

import shutil
import tarfile
from pathlib import Path

import datasets
import pytest

from benchmarks.errors import UserError
from datamodules.layouts.imdb import OFFICIAL, open_reviews
from datamodules.preparation.imdb import RELEASE, prepare
from tests.datamodules import imdb_archives
from tests.datamodules.archives import assert_complete, names, put
from tests.datamodules.imdb_archives import COUNTS, FAULT, FILES, LINES, REVIEWS, TREE

ARCHIVES = imdb_archives


def test_official_facts():
    assert RELEASE.counts == OFFICIAL == {"train": 25_000, "test": 25_000, "unsupervised": 50_000}
    (archive,) = RELEASE.archives.values()
    assert archive.url == "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
    assert (archive.name, archive.algorithm, archive.size, archive.growth) == (FAULT, "md5", "84 MB", 6.0)
    assert archive.digest == "7c2ac02c03563afcf9b574c7e56c153a"


def test_the_tree_itself_is_only_counted(offline, tmp_path, capsys):
    prepare(put(tmp_path, FILES), offline)
    capsys.readouterr()
    prepare(str(tmp_path / "aclImdb"), offline)
    assert_complete(tmp_path, TREE)
    assert capsys.readouterr().out == "".join(f"{tmp_path}/aclImdb: {line}\n" for line in LINES)
    found = open_reviews(str(tmp_path), "test")
    assert [found.text(i).encode() for i in range(4)] == [TREE[name] for name in REVIEWS[:4]]


def shards(root, splits, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", root.parent / "cache")
    for split in splits:
        labels = [-1] * 3 if split == "unsupervised" else [0, 0, 1, 1]
        rows = datasets.Dataset.from_dict({"text": ["x"] * len(labels), "label": labels})
        rows.to_parquet(root / f"plain_text/{split}-00000-of-00001.parquet")


def test_parquet_is_only_counted_and_stays_the_only_form(offline, tmp_path, monkeypatch, capsys):
    root = tmp_path / "hub"
    put(root, FILES)
    shards(root, ["test", "train"], monkeypatch)
    with pytest.raises(UserError, match=rf"(?s){root} has no unsupervised .*Remove the Parquet shards and run `make"):
        prepare(str(root), offline)
    shards(root, COUNTS, monkeypatch)
    capsys.readouterr()
    prepare(str(root), offline)
    assert "".join(f"{root}: {line}\n" for line in LINES) in capsys.readouterr().out
    assert not (root / "aclImdb").exists()


def test_wrong_counts_are_refused_and_mended(offline, tmp_path):
    root = put(tmp_path, FILES)
    prepare(root, offline)
    (tmp_path / "aclImdb/test/pos/1_10.txt").unlink()
    remedy = rf"Remove {root}/aclImdb and run `make data-imdb DATA={root}` again: its archive is unpacked, or fetched"
    with pytest.raises(UserError, match=rf"{root}: test has 3 reviews; the release has 4\. {remedy}"):
        prepare(root, offline)
    (tmp_path / "aclImdb/test/pos/0_10.txt").unlink()
    with pytest.raises(UserError, match=rf"(?s)test/pos holds no review.*{remedy}"):
        prepare(root, offline)
    shutil.rmtree(tmp_path / "aclImdb/train/unsup")  # as Keras's recipes do
    with pytest.raises(UserError, match=remedy):
        prepare(root, offline)
    shutil.rmtree(tmp_path / "aclImdb")
    prepare(root, offline)
    assert_complete(tmp_path, TREE)
    with pytest.raises(UserError, match="train has 4 reviews; the release has 25,000"):
        prepare(root)


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(UserError, match="File name too long"):
        prepare(str(tmp_path / ("x" * 300)))


@pytest.mark.parametrize("cleaned", [True, False])
@pytest.mark.parametrize("member", [1, 7, len(TREE)])
def test_an_interrupted_run_is_started_again(offline, tmp_path, monkeypatch, member, cleaned):
    """Stopped within a file; or killed, with no time to clean up."""
    root, calls, extract = put(tmp_path, FILES), [], tarfile.TarFile.extract

    def stop(tar, info, path, **options):
        calls.append(info.name) if info.isfile() else None
        if len(calls) == member:
            put(Path(path), {"aclImdb/train/pos/99_9.txt": b"half"})
            raise KeyboardInterrupt
        extract(tar, info, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", stop)
        if not cleaned:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            prepare(root, offline)
    assert names(tmp_path) == ([FAULT] if cleaned else [".aclImdb.unpacking", FAULT])
    prepare(root, offline)
    assert_complete(tmp_path, TREE)
