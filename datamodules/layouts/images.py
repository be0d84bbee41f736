"""Image files, whatever data set they belong to: decoded, and checked without decoding."""

import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import BinaryIO, Protocol

from PIL import Image

from benchmarks.errors import UserError
from datamodules.progress import bar

JPEG_MAGIC, JPEG_SCAN, JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
PNG_MAGIC, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
# The end marker nearly always is among the last bytes; junk after it moves it further up in a few files.
TAILS = (4096, 65536)
FILES_A_JOB = 500


class Split(Protocol):
    """Encoded images, by position."""

    @property
    def name(self) -> str:
        """The name of the split."""

    @property
    def paths(self) -> Sequence[str]:
        """The files that hold its images; none where these lie in memory."""

    def __len__(self) -> int: ...

    def open(self, index: int) -> BinaryIO:
        """The encoded image as a readable, seekable stream; OSError where there is none."""

    def where(self, index: int) -> str:
        """The place to name in a message."""


def decode(data: bytes, where: str) -> Image.Image:
    """RGB pixels of an image file; the EXIF orientation is not applied, as in every reference number.

    Raises:
        UserError: the bytes are no whole image.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(Possibly corrupt|Corrupt) EXIF data", UserWarning)
            return Image.open(io.BytesIO(data)).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{where} is no readable image ({error}). Replace it by an intact copy.") from None


def verify(split: Split, workers: int) -> None:
    """Looks at both ends of every file, so that a broken download is found before hours are spent.

    A few kilobytes an image are read: the magic bytes of JPEG or PNG, whatever the suffix says, and the end marker.
    From Arrow the disk may give all nevertheless, since the kernel reads ahead where a file is mapped.

    Args:
        split: what to check.
        workers: threads that read at once.

    Raises:
        UserError: naming the first broken file, in the order of the ids, and how many there are.
    """
    starts = range(0, len(split), FILES_A_JOB)
    broken: list[tuple[int, str]] = []
    with ThreadPoolExecutor(max(1, workers)) as pool, bar(len(split), f"checking {split.name}", "file") as shown:
        for start, found in zip(starts, pool.map(partial(_broken, split), starts), strict=True):
            broken += found
            shown.update(min(FILES_A_JOB, len(split) - start))
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
