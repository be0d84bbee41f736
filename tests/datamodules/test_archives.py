"""A `.tar.gz` that is unpacked: broken in every way though its checksum is right, with odd modes, and with a bar."""

import gzip
import io
import random
import tarfile

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.archives import extract
from tests.datamodules.archives import directory, put, tar_of, unpacked

TREE = {f"top/{number}.flac": random.Random(number).randbytes(100_000) for number in range(2)}


def packed(*more):
    return tar_of([(directory("top"), b""), *TREE.items(), *more], "w:gz")


def unpack(root, data):
    """Unpacks an archive into `root`, that its folder be there."""
    put(root, {"a.tar.gz": data})
    extract(root / "a.tar.gz", "http://x/a.tar.gz", root, lambda member: member.isfile() or member.isdir(), ["top"])


BROKEN = {
    "cut": (lambda data: data[: len(data) // 2], "Compressed file ended before the end-of-stream marker"),
    "cut at the very end": (lambda data: data[:-6], "Compressed file ended before the end-of-stream marker"),
    "wrong sum": (lambda data: data[:-8] + bytes(4) + data[-4:], "CRC check failed"),
    "garbage": (lambda data: data[:70_000] + b"?" * 70_000 + data[140_000:], "while decompressing"),
    "no gzip": (gzip.decompress, "Not a gzipped file"),
    "no tar": (lambda _: gzip.compress(b"?" * 5_000), "invalid header"),
    "half a tar": (lambda data: gzip.compress(gzip.decompress(data)[:60_000]), "unexpected end of data"),
    "empty": (lambda _: tar_of([], "w:gz"), "it holds no top"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_what_was_packed_broken_is_refused(tmp_path, way):
    change, reason = BROKEN[way]
    with pytest.raises(UserError, match=rf"a\.tar\.gz cannot be unpacked: .*{reason}.*\. Download it again from http"):
        unpack(tmp_path, change(packed()))


def test_modes_and_owners_of_the_archive_do_not_matter(tmp_path):
    """A file that nobody may read and a folder that nobody may enter."""
    file, folder = tarfile.TarInfo("top/notes"), directory("./top/closed/")
    file.mode, folder.mode, file.uid = 0, 0, 12_345
    unpack(tmp_path, packed((file, b"x"), (folder, b"")))
    assert unpacked(tmp_path) == TREE | {"top/notes": b"x"}
    assert (tmp_path / "top/notes").stat().st_mode & 0o600 == 0o600
    assert (tmp_path / "top/closed").stat().st_mode & 0o700 == 0o700


def test_the_bar_counts_compressed_bytes(tmp_path, monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    unpack(tmp_path, packed())
    last = screen.getvalue().rpartition("unpacking a.tar.gz:")[2]
    assert last.startswith(" 100%")
    assert "200k/200k" in last
