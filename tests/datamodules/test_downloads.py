"""Archives fetched over HTTP: cut off, refused, damaged or in the folder already."""

import random
import shutil
from types import SimpleNamespace

import pytest

from benchmarks.errors import UserError
from datamodules.preparation import downloads
from datamodules.preparation.downloads import Release, obtain
from tests.datamodules.archives import archive_at, names, put, served

SMALL, LARGE = "small.zip", "large.zip"
FILES = {SMALL: random.Random(1).randbytes(20_000), LARGE: random.Random(2).randbytes(300_000)}
PART = f".{LARGE}.part"
TOTAL = len(FILES[LARGE])


@pytest.fixture
def archives():
    def release_at(port):
        return Release({name.partition(".")[0]: archive_at(port, name, data) for name, data in FILES.items()}, {})

    return SimpleNamespace(FILES=FILES, FAULT=LARGE, release_at=release_at)


def fill(root, release):
    """Makes the parts that are not there; one is as its archive."""
    todo = {part: archive for part, archive in release.archives.items() if not (root / part).exists()}
    obtain(root, todo, "data-x", lambda root, part, archive: shutil.copy(root / archive.name, root / part))


def assert_filled(root):
    assert names(root) == ["large", LARGE, "small", SMALL]
    assert (root / "large").read_bytes() == FILES[LARGE]


@pytest.mark.parametrize(("mode", "sent"), [("range", TOTAL - 123_456), ("whole", TOTAL)])
def test_a_partial_download_is_continued_where_the_server_can(server, release, tmp_path, mode, sent):
    server.mode = mode
    (tmp_path / PART).write_bytes(FILES[LARGE][:123_456])
    fill(tmp_path, release)
    assert_filled(tmp_path)
    assert served(server, LARGE) == [("bytes=123456-", sent)]


def test_a_download_that_only_lacks_its_name(server, release, tmp_path):
    """Stopped between the last byte and the check."""
    (tmp_path / PART).write_bytes(FILES[LARGE])
    fill(tmp_path, release)
    assert_filled(tmp_path)
    assert served(server, LARGE) == []


def test_a_connection_cut_again_and_again(server, release, tmp_path):
    """Each run keeps what came: half of the rest."""
    server.mode, have = "cut", 0
    for _ in range(3):
        have += (TOTAL - have) // 2
        reason = f"the connection ended after {have:,} of {TOTAL:,} bytes"
        with pytest.raises(UserError, match=rf"lacks {LARGE}; http.* cannot be fetched: {reason}"):
            fill(tmp_path, release)
        assert names(tmp_path) == [PART, "small", SMALL]
        assert (tmp_path / PART).stat().st_size == have
    server.mode = "range"
    fill(tmp_path, release)
    assert_filled(tmp_path)
    assert served(server, LARGE)[-1] == (f"bytes={have}-", TOTAL - have)
    assert sum(count for _, count in served(server, LARGE)) == TOTAL
    assert len(served(server, SMALL)) == 1


@pytest.mark.parametrize(("mode", "reason"), [("reset", "reset by peer"), ("stall", "timed out")])
def test_a_connection_that_fails_otherwise(server, release, tmp_path, monkeypatch, mode, reason):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.5)
    server.mode = mode
    with pytest.raises(UserError, match=rf"lacks {LARGE}; http.* cannot be fetched: .*{reason}"):
        fill(tmp_path, release)
    kept = (tmp_path / PART).stat().st_size
    assert kept <= TOTAL // 2
    server.mode = "range"
    fill(tmp_path, release)
    assert_filled(tmp_path)
    assert served(server, LARGE)[-1] == (f"bytes={kept}-" if kept else None, TOTAL - kept)


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        pytest.param("login", "a web page came in its place", id="a login page"),
        pytest.param("shifted", "the server sent another part than the one from byte 123,456 on", id="another part"),
    ],
)
def test_what_was_not_asked_for_does_not_become_part_of_a_download(server, release, tmp_path, mode, message):
    server.mode = mode
    put(tmp_path, {SMALL: FILES[SMALL], PART: FILES[LARGE][:123_456]})
    with pytest.raises(UserError, match=message):
        fill(tmp_path, release)
    assert (tmp_path / PART).read_bytes() == FILES[LARGE][:123_456]


def test_a_file_that_the_server_lacks(server, release, tmp_path):
    del server.files[LARGE]
    with pytest.raises(UserError, match=rf"lacks {LARGE}; .*/{LARGE} cannot be fetched: .*404"):
        fill(tmp_path, release)
    assert names(tmp_path) == ["small", SMALL]


def test_without_a_network_what_is_there_is_unpacked(offline, tmp_path):
    put(tmp_path, {LARGE: FILES[LARGE]})
    with pytest.raises(UserError, match=rf"lacks {SMALL}; ") as caught:
        fill(tmp_path, offline)
    assert offline.archives["small"].digest in str(caught.value)
    assert offline.archives["large"].digest not in str(caught.value)
    assert names(tmp_path) == ["large", LARGE]


def test_a_wrong_download_is_removed(server, release, tmp_path):
    server.files[LARGE] = bytes(1000)
    found, expected = (archive_at(0, LARGE, data).digest for data in (bytes(1000), FILES[LARGE]))
    with pytest.raises(UserError, match=rf"its MD5 is {found}, expected {expected}\. It was removed; run this"):
        fill(tmp_path, release)
    assert names(tmp_path) == ["small", SMALL]
    server.files[LARGE] = FILES[LARGE]
    fill(tmp_path, release)
    assert_filled(tmp_path)


@pytest.mark.parametrize("change", [lambda data: data[:-600], lambda data: data[:700] + b"?" + data[701:]])
def test_a_damaged_archive_unpacks_nothing(offline, tmp_path, change):
    damaged = change(FILES[LARGE])
    put(tmp_path, FILES | {LARGE: damaged})
    found, expected = (archive_at(0, LARGE, data).digest for data in (damaged, FILES[LARGE]))
    with pytest.raises(UserError, match=rf"{LARGE} .*its MD5 is {found}, expected {expected}\. Remove it and run"):
        fill(tmp_path, offline)
    assert names(tmp_path) == [LARGE, SMALL]


def test_a_connection_cut_where_no_length_was_told(server, release, tmp_path):
    """What came may be whole or not, which only the checksum can tell."""
    server.mode = "unsized"
    for have in (TOTAL // 2, TOTAL - TOTAL // 4):
        with pytest.raises(UserError, match="the server did not say its length, and what came is a part of it"):
            fill(tmp_path, release)
        assert (tmp_path / PART).stat().st_size == have
    server.mode = "range"
    fill(tmp_path, release)
    assert_filled(tmp_path)
