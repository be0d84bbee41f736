"""`make data-coco` cut off, refused by the server, offline, interrupted or without room."""

import shutil
import zipfile

import pytest

from benchmarks.errors import UserError
from datamodules.preparation import downloads
from datamodules.preparation.coco import prepare
from tests.datamodules import coco_archives
from tests.datamodules.archives import full_disk, names, served
from tests.datamodules.coco_archives import TREE, ZIPS, assert_complete, place

ARCHIVES = coco_archives


def test_a_partial_download_is_continued(server, release, tmp_path):
    (tmp_path / ".train2017.zip.part").write_bytes(ZIPS["train"][:123_456])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, "train2017.zip") == [("bytes=123456-", len(ZIPS["train"]) - 123_456)]


def test_a_server_without_ranges_sends_it_all_again(server, release, tmp_path):
    server.mode = "whole"
    (tmp_path / ".train2017.zip.part").write_bytes(ZIPS["train"][:123_456])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, "train2017.zip") == [("bytes=123456-", len(ZIPS["train"]))]


def test_a_download_that_only_lacks_its_name(server, release, tmp_path):
    """Stopped between the last byte and the check."""
    (tmp_path / ".train2017.zip.part").write_bytes(ZIPS["train"])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, "train2017.zip") == []


def test_a_connection_cut_again_and_again(server, release, tmp_path):
    """Each run keeps what came: half of the rest."""
    server.mode = "cut"
    total, have = len(ZIPS["train"]), 0
    for _ in range(3):
        have += (total - have) // 2
        with pytest.raises(UserError, match=f"cannot be fetched: the connection ended after {have:,} of {total:,}"):
            prepare(str(tmp_path), release)
        assert (tmp_path / ".train2017.zip.part").stat().st_size == have
        assert not (tmp_path / "train2017.zip").exists()
        assert not (tmp_path / "train2017").exists()
    server.mode = "range"
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, "train2017.zip")[-1] == (f"bytes={have}-", total - have)
    assert sum(count for _, count in served(server, "train2017.zip")) == total
    assert len(served(server, "val2017.zip")) == 1


@pytest.mark.parametrize(("mode", "reason"), [("reset", "reset by peer"), ("stall", "timed out")])
def test_a_connection_that_fails_otherwise(server, release, tmp_path, monkeypatch, mode, reason):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.5)
    server.mode = mode
    with pytest.raises(UserError, match=rf"lacks train2017\.zip; http.* cannot be fetched: .*{reason}"):
        prepare(str(tmp_path), release)
    kept = (tmp_path / ".train2017.zip.part").stat().st_size
    assert kept <= len(ZIPS["train"]) // 2
    server.mode = "range"
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, "train2017.zip")[-1] == (f"bytes={kept}-" if kept else None, len(ZIPS["train"]) - kept)


def test_a_login_page_does_not_replace_a_partial_download(server, release, tmp_path):
    server.mode = "login"
    (tmp_path / ".train2017.zip.part").write_bytes(ZIPS["train"][:123_456])
    place(tmp_path, {part: ZIPS[part] for part in ("annotations", "val")})
    with pytest.raises(UserError, match="a web page came in its place"):
        prepare(str(tmp_path), release)
    assert (tmp_path / ".train2017.zip.part").read_bytes() == ZIPS["train"][:123_456]


def test_a_file_that_the_server_lacks(server, release, tmp_path):
    del server.files["train2017.zip"]
    with pytest.raises(UserError, match=r"lacks train2017\.zip; .*/zips/train2017\.zip cannot be fetched: .*404"):
        prepare(str(tmp_path), release)
    assert len(list((tmp_path / "val2017").iterdir())) == 2


def test_without_a_network_what_is_missing_is_said_exactly(offline, tmp_path):
    root = tmp_path / "nowhere"
    with pytest.raises(UserError) as caught:
        prepare(str(root), offline)
    for archive in (offline.annotations, offline.val, offline.train):
        for part in (archive.name, archive.size, archive.digest, archive.url):
            assert part in str(caught.value)
    for part in ("refused", "kept", f"into {root}", f"`make data-coco DATA={root}`"):
        assert part in str(caught.value)


def test_without_a_network_what_is_there_is_unpacked(offline, tmp_path):
    place(tmp_path, {"val": ZIPS["val"]})
    with pytest.raises(UserError, match=r"lacks annotations_trainval2017\.zip, train2017\.zip; ") as caught:
        prepare(str(tmp_path), offline)
    assert offline.val.digest not in str(caught.value)
    assert len(list((tmp_path / "val2017").iterdir())) == 2


@pytest.mark.parametrize("member", range(1, 2 + 2 + 3 + 1))
def test_an_interrupted_run_is_continued(offline, tmp_path, monkeypatch, member):
    """Stopped at each file in turn (2 of annotations, 2 of val, 3 of train), after half of its bytes."""
    place(tmp_path)
    copy, calls = shutil.copyfileobj, []

    def stop(source, target, *rest):
        calls.append(target)
        if len(calls) == member:
            target.write(b"half")
            raise KeyboardInterrupt
        copy(source, target, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(str(tmp_path), offline)
    assert (tmp_path / "val2017").exists() == (member > 4)
    assert not (tmp_path / "train2017").exists()
    proper = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.glob("[!.]*/*")}
    assert proper.items() <= TREE.items()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


@pytest.mark.parametrize("source", ["archives", "network"])
def test_a_full_disk_is_said_before_anything_is_written(server, release, tmp_path, monkeypatch, source):
    if source == "archives":
        place(tmp_path)
    before = names(tmp_path)
    full_disk(monkeypatch)
    with pytest.raises(UserError, match=r"unpacking into .* needs 1\.1 GB, but 0\.0 GB are free"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == before


@pytest.mark.parametrize("source", ["archives", "network"])
def test_what_a_killed_run_left_makes_room_first(server, release, tmp_path, monkeypatch, source):
    if source == "archives":
        place(tmp_path)
    left = tmp_path / ".train2017.unpacking"
    (left / "train2017").mkdir(parents=True)
    full_disk(monkeypatch, lambda: 10**6 if left.exists() else 10**12)
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)


def test_a_disk_that_fills_up_on_the_way(offline, tmp_path, monkeypatch):
    place(tmp_path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extract", fail)
        with pytest.raises(UserError, match=r"somewhere: No space left on device.*run this again"):
            prepare(str(tmp_path), offline)
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
