"""`make data-imdb` cut off, offline, interrupted or without room."""

import shutil
import tarfile
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.imdb import prepare
from tests.datamodules import imdb_archives
from tests.datamodules.archives import full_disk, names, served
from tests.datamodules.imdb_archives import NAME, TAR, TREE, assert_complete, place

ARCHIVES = imdb_archives


def test_a_partial_download_is_continued(server, release, tmp_path):
    (tmp_path / f".{NAME}.part").write_bytes(TAR[:12_345])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, NAME) == [("bytes=12345-", len(TAR) - 12_345)]


def test_a_connection_cut_and_mended(server, release, tmp_path):
    server.mode = "cut"
    reason = f"the connection ended after {len(TAR) // 2:,} of {len(TAR):,} bytes"
    with pytest.raises(UserError, match=rf"lacks {NAME}; http.* cannot be fetched: {reason}"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == [f".{NAME}.part"]
    server.mode = "range"
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert sum(count for _, count in served(server, NAME)) == len(TAR)


def test_without_a_network_what_is_missing_is_said_exactly(offline, tmp_path):
    root, archive = tmp_path / "nowhere", offline.archive
    with pytest.raises(UserError) as caught:
        prepare(str(root), offline)
    for part in (f"{archive.size}  md5 {archive.digest}  {archive.url}", "refused", f"`make data-imdb DATA={root}`"):
        assert part in str(caught.value)


@pytest.mark.parametrize("cleaned", [True, False])
@pytest.mark.parametrize("member", [1, 7, len(TREE)])
def test_an_interrupted_run_is_started_again(offline, tmp_path, monkeypatch, member, cleaned):
    """Stopped within a file; or killed, with no time to clean up."""
    root, calls, extract = place(tmp_path), [], tarfile.TarFile.extract

    def stop(tar, info, path, **options):
        calls.append(info.name) if info.isfile() else None
        if len(calls) == member:
            (Path(path) / "aclImdb/train/pos").mkdir(parents=True, exist_ok=True)
            (Path(path) / "aclImdb/train/pos/99_9.txt").write_bytes(b"half")
            raise KeyboardInterrupt
        extract(tar, info, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", stop)
        if not cleaned:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            prepare(root, offline)
    assert names(tmp_path) == ([NAME] if cleaned else [".aclImdb.unpacking", NAME])
    prepare(root, offline)
    assert_complete(tmp_path)


@pytest.mark.parametrize("source", ["archive", "network"])
def test_the_room_needed_is_six_times_the_archive(server, release, tmp_path, monkeypatch, source):
    """Exactly enough, and the archive itself where it is fetched; then a byte less, before anything is written."""
    if source == "archive":
        place(tmp_path)
    needed = 6 * len(TAR) + (0 if source == "archive" else len(TAR))
    before = names(tmp_path)
    full_disk(monkeypatch, lambda: 2**30 + needed - 1)
    with pytest.raises(UserError, match=r"unpacking into .* needs 1\.1 GB, but 1\.1 GB are free"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == before
    full_disk(monkeypatch, lambda: 2**30 + needed)
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)


def test_what_a_killed_run_left_makes_room_first(offline, tmp_path, monkeypatch):
    left = tmp_path / ".aclImdb.unpacking"
    (left / "aclImdb/test").mkdir(parents=True)
    full_disk(monkeypatch, lambda: 10**6 if left.exists() else 10**12)
    prepare(place(tmp_path), offline)
    assert_complete(tmp_path)


def test_a_disk_that_fills_up_on_the_way(offline, tmp_path, monkeypatch):
    root = place(tmp_path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", fail)
        with pytest.raises(UserError, match=r"somewhere: No space left on device.*run this again"):
            prepare(root, offline)
    assert names(tmp_path) == [NAME]
    prepare(root, offline)
    assert_complete(tmp_path)
