"""Boxes of encoded images, decoded as fast as libraries can: all pixels are Pillow's, whichever library decodes them.

A TurboJPEG 3 library computes no pixels but the box's, and reads on no further than its last row; simplejpeg, which is
installed with this suite, decodes the image.
What they refuse or warn of (CMYK, PNG, junk between the markers, a file that is cut off) is left to Pillow.
"""

import ctypes
import sys
from collections.abc import Iterator
from ctypes.util import find_library
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from datamodules.layouts.images import JPEG_END, TAILS, decode

Box = tuple[int, int, int, int]  # top, left, height, width

MCU_WIDTH = {"444": 8, "422": 16, "420": 16, "Gray": 8, "440": 8, "411": 32}
"""Columns that a JPEG's smallest unit covers, by its chroma subsampling: a region begins at a multiple of it."""

DECOMPRESS, RGB = 1, 0  # TJINIT_DECOMPRESS, TJPF_RGB
REACH = 2  # pixels beyond the box that smooth upsampling of colours looks at


class Region(ctypes.Structure):
    """`tjregion` of turbojpeg.h."""

    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_int), ("w", ctypes.c_int), ("h", ctypes.c_int))


class Encoded:
    """An encoded image.

    Args:
        data: the file.
        where: its place, to name in a message.

    Attributes:
        size: width and height.

    Raises:
        UserError: the bytes are no whole image, as far as can be told from what is decoded.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where = data, where
        try:
            height, width, self.colours, self.subsampling = simplejpeg.decode_jpeg_header(data)
            self.size = (int(width), int(height))
        except (ValueError, IndexError, KeyError):  # no JPEG, nothing at all, subsampling that simplejpeg does not know
            self.colours, self.size = "", decode(data, where).size

    @property
    def ends(self) -> bool:
        """Whether a JPEG's end is there."""
        return JPEG_END in self.data[-TAILS[0] :]

    def pixels(self, box: Box) -> NDArray[np.uint8]:
        """RGB [height, width, 3] of a box."""
        top, left, height, width = box
        try:
            return self._decoded(box)
        except ValueError:
            return np.array(decode(self.data, self.where))[top : top + height, left : left + width]

    def _decoded(self, box: Box) -> NDArray[np.uint8]:
        """The pixels by the faster libraries; raises ValueError where it is Pillow's turn."""
        if self.colours in {"", "CMYK", "YCCK"} or not self.ends:
            raise ValueError("not for these")
        library = turbojpeg()
        if library is not None and self.subsampling in MCU_WIDTH:
            return self._region(library, box)
        top, left, height, width = box
        image: NDArray[np.uint8] = simplejpeg.decode_jpeg(self.data)
        return image[top : top + height, left : left + width]

    def _region(self, library: ctypes.CDLL, box: Box) -> NDArray[np.uint8]:
        """The box, cut from the region around it that begins where it may and shows the decoder all that it needs."""
        (top, left, height, width), unit = box, MCU_WIDTH[self.subsampling]
        y, x = max(0, top - REACH), max(0, left - REACH) // unit * unit
        bottom, right = min(self.size[1], top + height + REACH), min(self.size[0], left + width + REACH)
        pixels = np.empty((bottom - y, right - x, 3), np.uint8)
        handle = ctypes.c_void_p(library.tj3Init(DECOMPRESS))
        try:
            if (
                library.tj3DecompressHeader(handle, self.data, len(self.data))
                or library.tj3SetCroppingRegion(handle, Region(x, y, right - x, bottom - y))
                or library.tj3Decompress8(handle, self.data, len(self.data), pixels.ctypes.data, 0, RGB)
            ):
                raise ValueError("refused, or warned of")
        finally:
            library.tj3Destroy(handle)
        return pixels[top - y : top - y + height, left - x : left - x + width]


@cache
def turbojpeg() -> ctypes.CDLL | None:
    """The TurboJPEG library of version 3 that is found first: the system's, the environment's, or the package's."""
    for place in _places():
        try:
            library = ctypes.CDLL(place)
            library.tj3SetCroppingRegion.argtypes = [ctypes.c_void_p, Region]
        except (OSError, AttributeError):  # not loadable, or older
            continue
        library.tj3Init.restype = ctypes.c_void_p
        library.tj3DecompressHeader.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        library.tj3Decompress8.argtypes = [
            ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int, ctypes.c_int,
        ]  # fmt: skip
        library.tj3Destroy.argtypes = [ctypes.c_void_p]
        return library
    return None


def _places() -> Iterator[str]:
    name = find_library("turbojpeg")
    if name:
        yield name
    yield from (str(path) for path in sorted(Path(sys.prefix, "lib").glob("libturbojpeg.*")))
    try:
        files = distribution("turbojpeg").files or []
    except PackageNotFoundError:
        return
    yield from (str(file.locate()) for file in files if file.name.startswith("libturbojpeg"))
