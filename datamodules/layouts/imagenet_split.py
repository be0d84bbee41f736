"""One opened split of ImageNet, whatever its form on disk, and the checks that every form shares."""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from io import BytesIO
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from benchmarks.errors import UserError

SUFFIXES = (".JPEG", ".jpeg", ".jpg", ".JPG", ".png")

JPEG_MAGIC, JPEG_SCAN, JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
PNG_MAGIC, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
# The end marker nearly always is among the last bytes; junk after it moves it further up in a few files.
TAILS = (4096, 65536)
FILES_A_JOB = 500


class Source(Protocol):
    """Where the bytes of a split lie."""

    def open(self, identity: str, index: int) -> BinaryIO:
        """The encoded image as a readable, seekable stream; OSError where there is none."""

    def where(self, identity: str, index: int) -> str:
        """The place to name in a message."""


@dataclass(frozen=True, eq=False)
class Files:
    """Image files at `<folder>/<id><suffix>`; `suffixes` holds each file's index into SUFFIXES, uint8 [n]."""

    folder: str
    suffixes: NDArray[np.uint8]

    def where(self, identity: str, index: int) -> str:
        """The file's path."""
        return f"{self.folder}/{identity}{SUFFIXES[self.suffixes[index]]}"

    def open(self, identity: str, index: int) -> BinaryIO:
        """The file, opened."""
        return open(self.where(identity, index), "rb")  # noqa: PTH123 (a Path a file costs more than the read)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a `datasets.Dataset` whose column `image` is undecoded: a memory map, pickled as its file names."""

    origin: str
    split: str
    dataset: Any

    def where(self, identity: str, index: int) -> str:
        """The Parquet folder or hub name and the row."""
        return f"{self.origin}, row {index} of {self.split} ({identity})"

    def open(self, identity: str, index: int) -> BinaryIO:
        """The row's bytes."""
        encoded = self.dataset[index]["image"]["bytes"]
        if encoded is None:
            raise FileNotFoundError("the row stores a path but no image bytes")
        return BytesIO(encoded)


@dataclass(frozen=True, eq=False)
class Split:
    """The images of one split, in the order of their ids.

    `packed` holds the ids as bytes, [n]: 1.28M Python strings would be copied by every data loader worker that counts
    a reference to one, a single block is not. `labels` are int64 [n], indices into `classes`.
    """

    name: str
    packed: NDArray[np.bytes_]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    source: Source

    def __len__(self) -> int:
        return len(self.labels)

    def __getstate__(self) -> dict[str, Any]:
        """All but the unpacked ids, which a worker derives if it asks for them."""
        return {key: value for key, value in self.__dict__.items() if key != "ids"}

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The path of each image below the split, without its suffix."""
        return tuple(os.fsdecode(identity) for identity in self.packed.tolist())

    def identity(self, index: int) -> str:
        """The id of one image, without unpacking the others."""
        return os.fsdecode(self.packed[index])

    def where(self, index: int) -> str:
        """The file, or the Parquet row, of one image: for messages."""
        return self.source.where(self.identity(index), index)

    def open(self, index: int) -> BinaryIO:
        """One encoded image as a seekable stream; raises OSError."""
        return self.source.open(self.identity(index), index)

    def read(self, index: int) -> bytes:
        """The encoded image, byte for byte as stored; raises UserError where it can't be read."""
        try:
            with self.open(index) as stream:
                return stream.read()
        except OSError as error:
            raise UserError(f"{self.where(index)} cannot be read: {error.strerror or error}") from error


def pack(ids: Sequence[str]) -> NDArray[np.bytes_]:
    """Ids as one block of bytes, in the file system's encoding."""
    return np.array([os.fsencode(identity) for identity in ids], dtype=np.bytes_)


def check_classes(train: Split, val: Split) -> None:
    """Raises UserError, with the first differences, unless both splits number the same classes in the same way."""
    if train.classes == val.classes:
        return
    lines = [f"the classes of train ({len(train.classes)}) and val ({len(val.classes)}) differ, so labels would too:"]
    for name, here, there in (("train", train, val), ("val", val, train)):
        only = sorted(set(here.classes) - set(there.classes))
        if only:
            lines.append(f"  only in {name}: {', '.join(only[:5])}{', ...' if len(only) > 5 else ''}")
    if len(lines) == 1:
        lines.append("  the same names in another order")
    lines.append(f"Look at {train.where(0)} and {val.where(0)}; both splits must come from the same release.")
    raise UserError("\n".join(lines))


def verify(split: Split, workers: int) -> None:
    """Looks at both ends of every file, so that a broken download is found before hours are spent.

    A few kilobytes a file are read: the magic bytes of JPEG or PNG, whatever the suffix says, and the end marker.

    Args:
        split: what to check.
        workers: threads that read at once.

    Raises:
        UserError: naming the first broken file, in the order of the ids, and how many there are.
    """
    starts = range(0, len(split), FILES_A_JOB)
    broken: list[tuple[int, str]] = []
    bar = tqdm(total=len(split), desc=f"checking {split.name}", unit="file", disable=not sys.stderr.isatty())
    with ThreadPoolExecutor(max(1, workers)) as pool, bar:
        for start, found in zip(starts, pool.map(partial(_broken, split), starts), strict=True):
            broken += found
            bar.update(min(FILES_A_JOB, len(split) - start))
    if broken:
        index, reason = broken[0]
        raise UserError(
            f"{split.where(index)} {reason}; {len(broken)} of {len(split)} images of {split.name} are broken like "
            "this. Fetch or unpack them again."
        )


def _broken(split: Split, start: int) -> list[tuple[int, str]]:
    """(index, what is wrong) for each broken file among the FILES_A_JOB from `start`."""
    found = []
    for index in range(start, min(start + FILES_A_JOB, len(split))):
        try:
            with split.open(index) as stream:
                reason = _fault(stream)
        except OSError as error:
            reason = f"cannot be read ({error.strerror or error})"
        if reason:
            found.append((index, reason))
    return found


def _fault(stream: BinaryIO) -> str | None:
    """What is wrong with an encoded image, or None."""
    head = stream.read(len(PNG_MAGIC))
    if not head:
        return "is empty"
    if head.startswith(JPEG_MAGIC):
        return None if _ends(stream, JPEG_END, JPEG_SCAN) else "is a truncated JPEG"
    if head == PNG_MAGIC:
        return None if _ends(stream, PNG_END, PNG_MAGIC) else "is a truncated PNG"
    return f"is neither JPEG nor PNG (it begins with {head.hex(' ')})"


def _ends(stream: BinaryIO, end: bytes, begin: bytes) -> bool:
    """Whether the image's end marker follows what it ends.

    A truncated JPEG may still hold the end marker of its EXIF thumbnail, ahead of its own scan; and junk after a
    sound image may look like a scan. Only where the markers leave that open is the image decoded.
    """
    size = stream.seek(0, os.SEEK_END)
    for length in TAILS:
        stream.seek(max(0, size - length))
        tail = stream.read()
        if end in tail:
            return tail.rfind(end) > tail.rfind(begin) or _decodes(stream)
    return False


def _decodes(stream: BinaryIO) -> bool:
    """Whether Pillow decodes the image to its last row."""
    stream.seek(0)
    try:
        with Image.open(stream) as image:
            image.load()
    except (OSError, SyntaxError):
        return False
    return True
