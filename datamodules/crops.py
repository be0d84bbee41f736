"""Crops of images, scaled and mirrored: in one pass of C++ compiled here, or by libraries, with the same pixels.

The C++ reads the JPEGs that nearly all are (`native/baseline.hpp`), and only as far as the box goes. What it refuses is
left to the libraries of `layouts/jpeg.py` and to torch, which take 1.7 times as long. Either way pixels are Pillow's,
scaled by torch's antialiased bilinear filter, which is within 1 of 255 of Pillow's.
"""

import os
import shutil
from ctypes import CDLL, c_char_p, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks.errors import UserError
from benchmarks.native import library
from datamodules.layouts import jpeg
from datamodules.layouts.jpeg import Box, Encoded

SOURCE = Path(__file__).parent / "native/crop.cpp"


def draw(encoded: Encoded, box: Box, mirrored: bool, image: Tensor) -> None:
    """Writes a box, scaled to the size of `image`, into it: uint8 [1, 3, h, w] in channels_last.

    Raises:
        UserError: the file is broken.
    """
    if not _drawn(encoded, box, mirrored, image):
        scaled = resized(encoded.pixels(box), image.shape[-2:])
        image.copy_(scaled.flip(-1) if mirrored else scaled)


def _drawn(encoded: Encoded, box: Box, mirrored: bool, image: Tensor) -> bool:
    """Draws a crop by the C++ and says whether it did: not where there is none, or where it refuses the file."""
    native = compiled()
    if native is None or encoded.colours not in {"YCbCr", "Gray"} or not encoded.ends:
        return False
    assert image.is_contiguous(memory_format=torch.channels_last)
    code = native.crop(encoded.data, len(encoded.data), *box, *image.shape[-2:], mirrored, image.data_ptr())
    return bool(code == 0)


@cache
def compiled() -> CDLL | None:
    """The C++, which takes a second; None where it cannot be built."""
    try:
        return build()
    except UserError:
        return None


def build() -> CDLL:
    """Compiles and loads the C++.

    Raises:
        UserError: there is no C++ compiler, or it fails, as for a processor without AVX2, or the system refuses what
            it made.
    """
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "clang++")), None)
    if compiler is None:
        raise UserError("there is no C++ compiler; `apt install g++` on Debian and Ubuntu, or name one in CXX.")
    native = library(compiler, SOURCE, ["-fwrapv"])
    try:
        native.crop.argtypes = [c_char_p, c_int64, *[c_int] * 7, c_void_p]
    except AttributeError:
        raise UserError(
            f"{compiler} makes something else of {SOURCE.name}. Name another C++ compiler in CXX."
        ) from None
    return native


def decoder() -> str:
    """What decodes here, to tell a user."""
    if compiled() is not None:
        return "C++ compiled for this processor"
    turbojpeg = jpeg.turbojpeg()
    return "simplejpeg" if turbojpeg is None else Path(turbojpeg._name).name


def resized(pixels: np.ndarray, size: tuple[int, ...]) -> Tensor:
    """RGB [h, w, 3] as uint8 [1, 3, *size], by the antialiased bilinear filter of PIL and torchvision."""
    source = torch.from_numpy(np.ascontiguousarray(pixels)).unsqueeze(0).permute(0, 3, 1, 2)
    return interpolate(source, size, mode="bilinear", antialias=True)
