"""Archives of IMDB that are not what they should be: another's, damaged, packed broken, hostile."""

import gzip
import hashlib
import tarfile
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.imdb import prepare
from tests.datamodules import imdb_archives
from tests.datamodules.archives import directory, names, tar_of, typed
from tests.datamodules.imdb_archives import NAME, TAR, packed, place, release_at

ARCHIVES = imdb_archives


def test_a_wrong_download_is_removed(server, release, tmp_path):
    server.files[NAME] = bytes(1000)
    found, expected = hashlib.md5(bytes(1000)).hexdigest(), release.archive.digest
    with pytest.raises(UserError, match=rf"its MD5 is {found}, expected {expected}\. It was removed; run this"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == []


@pytest.mark.parametrize("change", [lambda data: data[:-600], lambda data: data[:700] + b"?" + data[701:]])
def test_a_damaged_archive_unpacks_nothing(offline, tmp_path, change):
    root, found = place(tmp_path, change(TAR)), hashlib.md5(change(TAR)).hexdigest()
    with pytest.raises(UserError, match=rf"{NAME} .*its MD5 is {found}, expected .*\. Remove it and run this again"):
        prepare(root, offline)
    assert names(tmp_path) == [NAME]


BROKEN = {
    "cut": (lambda data: data[: len(data) // 2], "Compressed file ended before the end-of-stream marker"),
    "cut at the very end": (lambda data: data[:-6], "Compressed file ended before the end-of-stream marker"),
    "wrong sum": (lambda data: data[:-8] + bytes(4) + data[-4:], "CRC check failed"),
    "no gzip": (gzip.decompress, "Not a gzipped file"),
    "no tar": (lambda _: gzip.compress(b"?" * 5_000), "invalid header"),
    "half a tar": (lambda data: gzip.compress(gzip.decompress(data)[:60_000]), "unexpected end of data"),
    "empty": (lambda _: tar_of([], "w:gz"), "it holds no aclImdb"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_what_was_packed_broken_is_refused(tmp_path, way):
    """Right checksum, but what was packed was broken already: nothing of it is seen."""
    change, reason = BROKEN[way]
    root = place(tmp_path, change(TAR))
    with pytest.raises(UserError, match=rf"{NAME} cannot be unpacked: .*{reason}.*\. Download it again from http"):
        prepare(root, release_at(1, change(TAR)))
    assert names(tmp_path) == [NAME]


HOSTILE = {
    "parent": "../escaped.txt",
    "absolute": "/tmp/escaped.txt",
    "absolute here": "/aclImdb/escaped.txt",
    "through": "aclImdb/../../escaped.txt",
    "through, inside": "aclImdb/test/../escaped.txt",
    "elsewhere": "escaped/escaped.txt",
    "beside": "escaped.txt",
    "in its place": "aclImdb",
    "folder elsewhere": directory("escaped"),
    "folder through": directory("aclImdb/../escaped"),
    "symbolic": typed("aclImdb/test/escaped", tarfile.SYMTYPE, "pos"),
    "hard": typed("aclImdb/test/pos/escaped_9.txt", tarfile.LNKTYPE, "aclImdb/test/pos/0_10.txt"),
    "pipe": typed("aclImdb/escaped", tarfile.FIFOTYPE),
    "device": typed("aclImdb/escaped", tarfile.CHRTYPE),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_a_hostile_archive_stays_in_its_folder(tmp_path, way):
    """What is good stands before it in the archive, and is not seen either."""
    root = tmp_path / "a" / "b"
    tar = packed((HOSTILE[way], b"../../escaped" if isinstance(HOSTILE[way], str) else b""))
    with pytest.raises(UserError, match=rf"{NAME} holds '.*', which is no plain file.*Download it again from http"):
        prepare(place(root, tar), release_at(1, tar))
    assert not list(tmp_path.glob("**/*escaped*"))
    assert not Path("/tmp/escaped.txt").exists()
    assert names(root) == [NAME]


def test_modes_and_owners_of_the_archive_do_not_matter(tmp_path):
    """A file that nobody may read and a folder that nobody may enter."""
    file, folder = tarfile.TarInfo("./aclImdb/train/notes"), directory("aclImdb/train/closed")
    file.mode, folder.mode, file.uid = 0, 0, 12_345
    tar = packed((file, b"x"), (folder, b""))
    prepare(place(tmp_path, tar), release_at(1, tar))
    assert (tmp_path / "aclImdb/train/notes").stat().st_mode & 0o600 == 0o600
    assert (tmp_path / "aclImdb/train/closed").stat().st_mode & 0o700 == 0o700
