"""`make data-librispeech` cut off, offline, interrupted or without room."""

import shutil
import tarfile
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.librispeech import TEXTS, prepare
from tests.datamodules import librispeech_archives
from tests.datamodules.archives import full_disk, names, served
from tests.datamodules.librispeech_archives import (
    FOLDER,
    LETTERS,
    PARTS,
    TARS,
    TRAIN,
    TREE,
    assert_complete,
    place,
    tree,
)

ARCHIVES = librispeech_archives


def test_a_partial_download_is_continued(server, release, tmp_path):
    (tmp_path / f".{TRAIN}.part").write_bytes(TARS["train-clean-100"][:123_456])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, TRAIN) == [("bytes=123456-", len(TARS["train-clean-100"]) - 123_456)]


def test_a_server_without_ranges_sends_it_all_again(server, release, tmp_path):
    server.mode = "whole"
    (tmp_path / f".{TRAIN}.part").write_bytes(TARS["train-clean-100"][:123_456])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, TRAIN) == [("bytes=123456-", len(TARS["train-clean-100"]))]


def test_a_connection_cut_again_and_again(server, release, tmp_path):
    """Each run keeps what came: half of the rest."""
    server.mode = "cut"
    total, have = len(TARS["train-clean-100"]), 0
    for _ in range(3):
        have += (total - have) // 2
        reason = f"the connection ended after {have:,} of {total:,} bytes"
        with pytest.raises(UserError, match=rf"lacks {TRAIN}; http.* cannot be fetched: {reason}"):
            prepare(str(tmp_path), release)
        assert (tmp_path / f".{TRAIN}.part").stat().st_size == have
        assert not (tmp_path / TRAIN).exists()
        assert not (tmp_path / FOLDER).exists()
    server.mode = "range"
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, TRAIN)[-1] == (f"bytes={have}-", total - have)
    assert sum(count for _, count in served(server, TRAIN)) == total
    assert len(served(server, "test-other.tar.gz")) == 1


def test_without_a_network_what_is_missing_is_said_exactly(offline, tmp_path):
    root = tmp_path / "nowhere"
    with pytest.raises(UserError) as caught:
        prepare(str(root), offline)
    for archive in offline.archives.values():
        assert f"{archive.size}  sha256 {archive.digest}  {archive.url}" in str(caught.value)
    for part in ("refused", "kept", f"into {root}", f"`make data-librispeech DATA={root}`"):
        assert part in str(caught.value)


def test_without_a_network_what_is_there_is_unpacked(offline, tmp_path):
    place(tmp_path, {"test-other": TARS["test-other"]})
    with pytest.raises(UserError, match=r"lacks dev-clean\.tar\.gz, train-clean-100\.tar\.gz; ") as caught:
        prepare(str(tmp_path), offline)
    assert offline.archives["test-other"].digest not in str(caught.value)
    assert tree(tmp_path) == {**LETTERS, **PARTS["test-other"]}


@pytest.mark.parametrize("cleaned", [True, False])
@pytest.mark.parametrize("member", range(1, 3 * 5 + 3 + 6 + 3 + 1))
def test_an_interrupted_run_is_continued(offline, tmp_path, monkeypatch, member, cleaned):
    """Stopped at each file in turn, after half of its bytes; or killed, with no time to clean up."""
    place(tmp_path)
    extract, calls = tarfile.TarFile.extract, []

    def stop(tar, info, path, **options):
        calls.append(info.name) if info.isfile() else None
        if len(calls) == member:
            (Path(path) / info.name).parent.mkdir(parents=True, exist_ok=True)
            (Path(path) / info.name).write_bytes(b"half")
            (Path(path) / info.name).with_name("half.flac").write_bytes(b"half")
            raise KeyboardInterrupt
        extract(tar, info, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", stop)
        if not cleaned:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            prepare(str(tmp_path), offline)
    ready = {subset for subset in PARTS if (tmp_path / "LibriSpeech" / subset).exists()}
    assert ready == set(list(PARTS)[: sum(member > last for last in (5 + 3, 5 + 3 + 5 + 6, 3 * 5 + 3 + 6 + 3))])
    proper = {name: data for name, data in tree(tmp_path).items() if "/." not in name}
    assert proper.items() <= TREE.items()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


@pytest.mark.parametrize("move", range(len(TEXTS) + len(PARTS)))
def test_stopped_between_unpacking_and_the_proper_name(offline, tmp_path, monkeypatch, move):
    """Texts and subsets appear whole, by renaming."""
    place(tmp_path)
    rename, calls = Path.rename, []

    def stop(path, target):
        calls.append(target)
        if len(calls) == move + 1:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(str(tmp_path), offline)
    assert len(names(tmp_path / "LibriSpeech")) == move
    assert tree(tmp_path).items() <= TREE.items()
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
def test_the_room_needed_is_a_little_more_than_the_archives(server, release, tmp_path, monkeypatch, source):
    """Exactly enough for 5 % more than the archives (and themselves, where fetched, one by one), then a byte less."""
    if source == "archives":
        place(tmp_path)
        needed = sum(int(1.05 * len(data)) for data in TARS.values())
    else:
        needed = max(len(data) + int(1.05 * len(data)) for data in TARS.values())
    full_disk(monkeypatch, lambda: 2**30 + needed - 1)
    with pytest.raises(UserError, match="are free"):
        prepare(str(tmp_path), release)
    full_disk(monkeypatch, lambda: 2**30 + needed)
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)


def test_what_a_killed_run_left_makes_room_first(offline, tmp_path, monkeypatch):
    place(tmp_path)
    left = tmp_path / "LibriSpeech" / ".train-clean-100.unpacking"
    (left / FOLDER).mkdir(parents=True)
    full_disk(monkeypatch, lambda: 10**6 if left.exists() else 10**12)
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


def test_a_disk_that_fills_up_on_the_way(offline, tmp_path, monkeypatch):
    place(tmp_path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", fail)
        with pytest.raises(UserError, match=r"somewhere: No space left on device.*run this again"):
            prepare(str(tmp_path), offline)
    assert names(tmp_path / "LibriSpeech") == []
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
