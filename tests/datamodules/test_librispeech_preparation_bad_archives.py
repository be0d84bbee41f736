"""Archives of LibriSpeech that are not what they should be: another's, damaged, packed broken, hostile."""

import gzip
import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.librispeech import TEXTS, prepare
from tests.datamodules import librispeech_archives
from tests.datamodules.archives import directory, names, tar_of, typed
from tests.datamodules.librispeech_archives import (
    FOLDER,
    LETTERS,
    PARTS,
    TARS,
    TRAIN,
    UTTERANCES,
    assert_complete,
    packed,
    place,
    release_at,
    tree,
)

ARCHIVES = librispeech_archives


def test_a_wrong_download_is_removed(server, release, tmp_path):
    server.files[TRAIN] = bytes(1000)
    found, expected = hashlib.sha256(bytes(1000)).hexdigest(), release.archives["train-clean-100"].digest
    with pytest.raises(UserError, match=rf"its SHA-256 is {found}, expected {expected}\. It was removed; run this"):
        prepare(str(tmp_path), release)
    assert [name for name in names(tmp_path) if "train" in name] == []
    server.files[TRAIN] = TARS["train-clean-100"]
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)


@pytest.mark.parametrize("change", [lambda data: data[:-600], lambda data: data[:700] + b"?" + data[701:]])
def test_a_damaged_archive_unpacks_nothing(offline, tmp_path, change):
    damaged = change(TARS["train-clean-100"])
    place(tmp_path, {**TARS, "train-clean-100": damaged})
    before, found = names(tmp_path), hashlib.sha256(damaged).hexdigest()
    expected = offline.archives["train-clean-100"].digest
    with pytest.raises(UserError, match=rf"{TRAIN} .*its SHA-256 is {found}, expected {expected}\. Remove it and run"):
        prepare(str(tmp_path), offline)
    assert names(tmp_path) == before


BROKEN = {
    "cut": (lambda data: data[: len(data) // 2], "Compressed file ended before the end-of-stream marker"),
    "cut at the very end": (lambda data: data[:-6], "Compressed file ended before the end-of-stream marker"),
    "wrong sum": (lambda data: data[:-8] + bytes(4) + data[-4:], "CRC check failed"),
    "garbage": (lambda data: data[:70_000] + b"?" * 70_000 + data[140_000:], "while decompressing"),
    "no gzip": (gzip.decompress, "Not a gzipped file"),
    "no tar": (lambda _: gzip.compress(b"?" * 5_000), "invalid header"),
    "half a tar": (lambda data: gzip.compress(gzip.decompress(data)[:60_000]), "unexpected end of data"),
    "empty": (lambda _: tar_of([], "w:gz"), "it holds no LibriSpeech/train-clean-100"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_what_was_packed_broken_is_refused(tmp_path, way):
    """Right checksum, but what was packed was broken already: nothing of it is seen, what went before stays."""
    change, reason = BROKEN[way]
    tars = {**TARS, "train-clean-100": change(TARS["train-clean-100"])}
    place(tmp_path, tars)
    with pytest.raises(UserError, match=rf"{TRAIN} cannot be unpacked: .*{reason}.*\. Download it again from http"):
        prepare(str(tmp_path), release_at(1, tars))
    assert tree(tmp_path) == {**LETTERS, **PARTS["dev-clean"], **PARTS["test-other"]}
    assert sorted(names(tmp_path / "LibriSpeech")) == sorted(["dev-clean", "test-other", *TEXTS])


HOSTILE = {
    "parent": "../escaped.flac",
    "absolute": "/tmp/escaped.flac",
    "absolute here": f"/{FOLDER}/escaped.flac",
    "through": f"{FOLDER}/../../escaped.flac",
    "through, inside": f"{FOLDER}/19/../escaped.flac",
    "elsewhere": "escaped/escaped.flac",
    "beside": "escaped.flac",
    "top": "LibriSpeech/escaped.flac",
    "other subset": "LibriSpeech/dev-clean/escaped/1/escaped.flac",
    "in its place": FOLDER,
    "folder elsewhere": directory("escaped"),
    "folder through": directory(f"{FOLDER}/../../../escaped"),
    "symbolic": typed(f"{FOLDER}/escaped.flac", tarfile.SYMTYPE, "19"),
    "symbolic text": typed("LibriSpeech/README.TXT", tarfile.SYMTYPE, "/etc/passwd"),
    "hard": typed(f"{FOLDER}/escaped.flac", tarfile.LNKTYPE, f"{FOLDER}/19/198/19-198-0000.flac"),
    "pipe": typed(f"{FOLDER}/escaped.flac", tarfile.FIFOTYPE),
    "device": typed(f"{FOLDER}/escaped.flac", tarfile.CHRTYPE),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_a_hostile_archive_stays_in_its_folder(tmp_path, way):
    """What is good stands before it in the archive, and is not seen either."""
    root = tmp_path / "a" / "b" / "c"
    data = b"../../escaped.flac" if isinstance(HOSTILE[way], str) else b""
    tars = {**TARS, "train-clean-100": packed("train-clean-100", (HOSTILE[way], data))}
    place(root, tars)
    with pytest.raises(UserError, match=rf"{TRAIN} holds '.*', which is no plain file.*Download it again from http"):
        prepare(str(root), release_at(1, tars))
    assert not list(tmp_path.glob("**/*escaped*"))
    assert not Path("/tmp/escaped.flac").exists()
    assert sorted(names(root / "LibriSpeech")) == sorted(["dev-clean", "test-other", *TEXTS])
    assert tree(root) == {**LETTERS, **PARTS["dev-clean"], **PARTS["test-other"]}


def test_modes_and_owners_of_the_archive_do_not_matter(tmp_path):
    """A file that nobody may read and a folder that nobody may enter."""
    file, folder = tarfile.TarInfo(f"{FOLDER}/19/198/19-198-0002.flac"), directory(f"./{FOLDER}/19/199/")
    file.mode, folder.mode, file.uid = 0, 0, 12_345
    tars = {**TARS, "train-clean-100": packed("train-clean-100", (file, b"sound"), (folder, b""))}
    place(tmp_path, tars)
    release = replace(release_at(1, tars), utterances={**UTTERANCES, "train-clean-100": 3})
    with pytest.raises(UserError, match=r"train-clean-100 lacks 1 transcripts, first 19-199\.trans\.txt\. Remove"):
        prepare(str(tmp_path), release)
    assert (tmp_path / file.name).read_bytes() == b"sound"
    assert (tmp_path / file.name).stat().st_mode & 0o600 == 0o600
    assert (tmp_path / FOLDER / "19" / "199").stat().st_mode & 0o700 == 0o700
