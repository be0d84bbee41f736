"""Archives of WMT that are not what they should be: another's, damaged, packed broken, hostile."""

import gzip
import hashlib
import tarfile
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.wmt import prepare
from tests.datamodules import wmt_archives
from tests.datamodules.archives import directory, names, tar_of, typed
from tests.datamodules.wmt_archives import (
    CRAWL,
    EUROPARL,
    NAMES,
    NEWS,
    TARS,
    TEXTS,
    TRAINING,
    assert_complete,
    packed,
    place,
    release_at,
    texts,
)

ARCHIVES = wmt_archives
pytestmark = pytest.mark.usefixtures("sacrebleu_folder")


def test_a_wrong_download_is_removed(server, release, tmp_path):
    server.files[NAMES["newstest2014"]] = bytes(1000)
    found, expected = hashlib.md5(bytes(1000)).hexdigest(), release.archives["newstest2014"].digest
    with pytest.raises(UserError, match=rf"its MD5 is {found}, expected {expected}\. It was removed; run this"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == ["newstest2013.de", "newstest2013.en", NAMES["newstest2013"]]


def test_a_damaged_archive_unpacks_nothing(offline, tmp_path, sacrebleu_folder):
    data = TARS[CRAWL]
    place(tmp_path, TARS | {CRAWL: data[:700] + b"?" + data[701:]})
    before = names(tmp_path)
    with pytest.raises(UserError, match=rf"{NAMES[CRAWL]} .*its SHA-256 is .*, expected .*\. Remove it and run"):
        prepare(str(tmp_path), offline)
    assert names(tmp_path) == before
    assert names(sacrebleu_folder) == []


BROKEN = {
    "cut": (lambda data: data[: len(data) // 2], "Compressed file ended before the end-of-stream marker"),
    "cut at the very end": (lambda data: data[:-6], "Compressed file ended before the end-of-stream marker"),
    "wrong sum": (lambda data: data[:-8] + bytes(4) + data[-4:], "CRC check failed"),
    "garbage": (lambda data: data[:40_000] + b"?" * 20_000 + data[60_000:], "while decompressing|invalid"),
    "no gzip": (gzip.decompress, "Not a gzipped file"),
    "no tar": (lambda _: gzip.compress(b"?" * 5_000), "invalid header"),
    "half a tar": (lambda data: gzip.compress(gzip.decompress(data)[:60_000]), "unexpected end of data"),
    "empty": (lambda _: tar_of([], "w:gz"), f"it holds no training/{EUROPARL}.de"),
    "one side": (lambda _: packed(EUROPARL, without=f"training/{EUROPARL}.en"), f"holds no training/{EUROPARL}.en"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_what_was_packed_broken_is_refused(tmp_path, way):
    """Right checksum, but what was packed was broken already: nothing of it is seen, what went before stays."""
    change, reason = BROKEN[way]
    tars = TARS | {EUROPARL: change(TARS[EUROPARL])}
    place(tmp_path, tars)
    with pytest.raises(
        UserError, match=rf"{NAMES[EUROPARL]} cannot be unpacked: .*({reason}).*\. Download it again from http"
    ):
        prepare(str(tmp_path), release_at(1, tars))
    assert texts(tmp_path) == {name: data for name, data in TEXTS.items() if NEWS in name or "newstest" in name}
    assert names(tmp_path / "train") == [f"{NEWS}.de", f"{NEWS}.en"]


def test_a_test_set_without_a_member_is_refused(tmp_path, sacrebleu_folder):
    missing = "test-full/newstest2014-deen-ref.de.sgm"
    tars = TARS | {"newstest2014": packed("newstest2014", without=missing)}
    place(tmp_path, tars)
    with pytest.raises(UserError, match=rf"{NAMES['newstest2014']} cannot be unpacked: it holds no {missing}\."):
        prepare(str(tmp_path), release_at(1, tars))
    assert sorted(texts(tmp_path)) == ["newstest2013.de", "newstest2013.en"]
    assert texts(sacrebleu_folder / "wmt14") == {}


HOSTILE = {
    "parent": "../escaped.de",
    "absolute": "/tmp/escaped.de",
    "through": "training/../../escaped.de",
    "symbolic": typed(f"training/{EUROPARL}.de", tarfile.SYMTYPE, "/etc/passwd"),
    "hard": typed(f"training/{EUROPARL}.de", tarfile.LNKTYPE, f"training/{EUROPARL}.en"),
    "pipe": typed(f"training/{EUROPARL}.en", tarfile.FIFOTYPE),
    "folder": directory(f"training/{EUROPARL}.en"),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_a_hostile_archive_stays_in_its_folder(tmp_path, way):
    """What is good stands before it in the archive, and is not seen either."""
    root = tmp_path / "a" / "b"
    data = b"../../escaped" if isinstance(HOSTILE[way], str) else b""
    tars = TARS | {EUROPARL: packed(EUROPARL, (HOSTILE[way], data))}
    place(root, tars)
    with pytest.raises(UserError, match=rf"{NAMES[EUROPARL]} holds '.*', which is no plain file.*Download it again"):
        prepare(str(root), release_at(1, tars))
    assert not list(tmp_path.glob("**/*escaped*"))
    assert not Path("/tmp/escaped.de").exists()
    assert names(root / "train") == [f"{NEWS}.de", f"{NEWS}.en"]


def test_links_that_nobody_wants_are_not_written(tmp_path):
    """And names with `./` before them are the same names."""
    members = [(typed("link", tarfile.SYMTYPE, "/etc/passwd"), b""), (directory("./training"), b"")]
    members += [(f"./training/{EUROPARL}.{side}", TRAINING[f"{EUROPARL}.{side}"]) for side in ("de", "en")]
    tars = TARS | {EUROPARL: tar_of(members, "w:gz")}
    place(tmp_path, tars)
    prepare(str(tmp_path), release_at(1, tars))
    assert_complete(tmp_path)
