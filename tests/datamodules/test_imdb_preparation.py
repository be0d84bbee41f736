"""`make data-imdb`: what it fetches and unpacks, what it leaves alone, and what it counts."""

import io
import shutil

import datasets
import pytest

from benchmarks.errors import UserError
from datamodules.layouts.imdb import OFFICIAL
from datamodules.preparation.imdb import Release, prepare
from tests.datamodules import imdb_archives
from tests.datamodules.imdb_archives import COUNTS, NAME, TAR, assert_complete, place

ARCHIVES = imdb_archives
LINES = [f"{split} is complete, {count} reviews" for split, count in COUNTS.items()]


def test_official_facts():
    release = Release()
    archive = release.archive
    assert release.reviews == OFFICIAL == {"train": 25_000, "test": 25_000, "unsupervised": 50_000}
    assert archive.url == "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
    assert (archive.name, archive.algorithm, archive.size, archive.growth) == (NAME, "md5", "84 MB", 6.0)
    assert archive.digest == "7c2ac02c03563afcf9b574c7e56c153a"


def test_a_new_folder_is_filled_from_the_network(server, release, tmp_path, capsys):
    root = tmp_path / "new" / "imdb"
    prepare(str(root), release)
    assert_complete(root)
    assert server.log == [(NAME, None, len(TAR))]
    out, err = capsys.readouterr()
    assert "".join(f"{root}: {line}\n" for line in LINES) in out
    assert f"{NAME} may be deleted" in out
    assert not err  # no bars where nobody watches


def test_the_archive_in_place_needs_no_network_and_may_go(offline, tmp_path, capsys):
    prepare(place(tmp_path), offline)
    assert_complete(tmp_path)
    assert (tmp_path / NAME).read_bytes() == TAR
    (tmp_path / NAME).unlink()
    capsys.readouterr()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    assert capsys.readouterr().out == "".join(f"{tmp_path}: {line}\n" for line in LINES)


def test_the_tree_itself_is_only_counted(offline, tmp_path, capsys):
    prepare(place(tmp_path), offline)
    capsys.readouterr()
    prepare(str(tmp_path / "aclImdb"), offline)
    assert_complete(tmp_path)
    assert capsys.readouterr().out == "".join(f"{tmp_path}/aclImdb: {line}\n" for line in LINES)


def shards(root, splits, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", root.parent / "cache")
    for split in splits:
        labels = [-1] * 3 if split == "unsupervised" else [0, 0, 1, 1]
        rows = datasets.Dataset.from_dict({"text": ["x"] * len(labels), "label": labels})
        rows.to_parquet(root / f"plain_text/{split}-00000-of-00001.parquet")


def test_parquet_is_only_counted_and_stays_the_only_form(offline, tmp_path, monkeypatch, capsys):
    root = tmp_path / "hub"
    place(root)
    shards(root, ["test", "train"], monkeypatch)
    with pytest.raises(UserError, match=rf"(?s){root} has no unsupervised .*Remove the Parquet shards and run `make"):
        prepare(str(root), offline)
    shards(root, COUNTS, monkeypatch)
    capsys.readouterr()
    prepare(str(root), offline)
    assert "".join(f"{root}: {line}\n" for line in LINES) in capsys.readouterr().out
    assert not (root / "aclImdb").exists()


def test_wrong_counts_are_refused_and_mended(offline, tmp_path):
    root = place(tmp_path)
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
    assert_complete(tmp_path)
    with pytest.raises(UserError, match="train has 4 reviews; the release has 25,000"):
        prepare(root)


def test_the_bar_counts_compressed_bytes(offline, tmp_path, monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    prepare(place(tmp_path), offline)
    assert screen.getvalue().rpartition("unpacking aclImdb_v1.tar.gz:")[2].startswith(" 100%")


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_stray_file_in_the_way_is_said_before_anything_is_fetched(server, release, tmp_path, kind):
    stray = tmp_path / "aclImdb"
    stray.touch() if kind == "file" else stray.symlink_to("nowhere")
    with pytest.raises(UserError, match=r"aclImdb is a file or a broken link, not a folder\. Move it away"):
        prepare(str(tmp_path), release)
    assert server.log == []


def test_what_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=f"{tmp_path}/file is a file or a broken link"):
        prepare(str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"hf:stanfordnlp/imdb is read from the hub, unprepared\. Set DATA to"):
        prepare("hf:stanfordnlp/imdb")
    with pytest.raises(UserError, match="File name too long"):
        prepare(str(tmp_path / ("x" * 300)))
