"""Writes the miniature ImageNet: twenty classes of drawn shapes, in ILSVRC's class folders and with its known traps.

A picture shows one shape of `imagenet_shapes`, somewhere, at some size and angle, partly hidden, in colours drawn alike
for every class, over a gradient with noise, among small blobs. So its class is in the outline: measured, a linear model
on 8x8 thumbnails has at most 12 % top-1 and 32 % top-5 (chance is 5 and 25), a residual network of seven convolutions,
trained for 25 seconds on two cores at 64 pixels, 90 and 99.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from benchmarks.arrays import Floats
from datamodules.miniature.imagenet_shapes import SHAPES
from datamodules.progress import progress

CLASSES = tuple(f"n{90000001 + label}" for label in range(len(SHAPES)))
PER_CLASS = {"train": 60, "val": 20}
STREAMS = {"train": 2012, "val": 1409}  # one PCG64 stream a split, class and index
ORIENTATION = 0x0112  # the EXIF tag; 6 asks a viewer for a quarter turn
JUNK = b"not a part of the picture " * 200

Pixels = NDArray[np.uint8]


def identity(split: str, label: int, index: int) -> str:
    """The id of one image: train is numbered within a class, val over the whole split, as in ILSVRC."""
    if split == "train":
        return f"{CLASSES[label]}/{CLASSES[label]}_{index + 1}"
    return f"{CLASSES[label]}/ILSVRC2012_val_{index * len(CLASSES) + label + 1:08d}"


def _places(label: int) -> tuple[str, str]:
    return identity("train", label, 7), identity("val", label, 3)


# What the real files are known for (Pillow reads them all): CMYK and PNG under the suffix .JPEG, grey, rotated by EXIF
# (never to be applied: reference numbers don't), progressive, with a colour profile, tiny, elongated, junk at the end.
TRAPS: dict[str, tuple[str, ...]] = {
    "cmyk": _places(0),
    "png": _places(1),
    "grey": _places(2),
    "exif": _places(3),
    "progressive": _places(4),
    "icc": _places(5),
    "tiny": _places(6),
    "elongated": _places(7),
    "trailing": _places(8),
}
SIZES = {"tiny": (9, 7), "elongated": (400, 12)}  # width, height in pixels


def write(root: Path) -> None:
    """Writes `train/<wnid>/*.JPEG` and `val/<wnid>/*.JPEG` below `root`, the same bytes on every call.

    1,200 and 400 images, about 7 MB, some six seconds. A caller that wants all or nothing passes a temporary folder.
    """
    trap_of = {place: trap for trap, places in TRAPS.items() for place in places}
    jobs = list(_jobs())
    for split, label, index in progress(jobs, len(jobs), "writing ImageNet's miniature", "image"):
        name = identity(split, label, index)
        path = root / split / f"{name}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.Generator(np.random.PCG64([STREAMS[split], label, index]))
        path.write_bytes(_encode(rng, label, trap_of.get(name)))


def _jobs() -> Iterator[tuple[str, int, int]]:
    for split, count in PER_CLASS.items():
        for label in range(len(CLASSES)):
            for index in range(count):
                yield split, label, index


def _encode(rng: np.random.Generator, label: int, trap: str | None) -> bytes:
    """One image as ILSVRC would hold it."""
    width, height = SIZES[trap] if trap in SIZES else _size(rng)
    image = Image.fromarray(_picture(rng, label, width, height))
    options: dict[str, Any] = {"format": "JPEG", "quality": 85}
    if trap in {"cmyk", "grey"}:
        image = image.convert({"cmyk": "CMYK", "grey": "L"}[trap])
    elif trap == "png":
        options = {"format": "PNG"}
    elif trap == "exif":
        options["exif"] = Image.Exif()
        options["exif"][ORIENTATION] = 6
    elif trap == "progressive":
        options["progressive"] = True
    elif trap == "icc":
        options["icc_profile"] = _profile()
    stream = BytesIO()
    image.save(stream, **options)
    return stream.getvalue() + (JUNK if trap == "trailing" else b"")


def _profile() -> bytes:
    """The sRGB colour profile, without the time of its making in bytes 24 to 35."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + bytes(12) + profile[36:]


def _size(rng: np.random.Generator) -> tuple[int, int]:
    side, aspect = rng.uniform(95, 140), np.exp(rng.uniform(-0.25, 0.35))
    return round(side * aspect**0.5), round(side / aspect**0.5)


def _picture(rng: np.random.Generator, label: int, width: int, height: int) -> Pixels:
    """Pixels uint8 [height, width, 3] of one example of a class."""
    short = min(width, height)
    radius = short * rng.uniform(0.26, 0.4)
    reach = 0.8 * (0.5 * short - radius)
    centre = width / 2 + rng.uniform(-reach, reach), height / 2 + rng.uniform(-reach, reach)
    canvas, ink = _background(rng, width, height)
    for _ in range(rng.integers(3, 7)):
        _blob(rng, canvas)
    shape = _shape(label, (height, width), centre, radius, rng.uniform(-0.35, 0.35))
    shape *= _hidden(rng, (height, width), centre, radius)
    canvas += shape[:, :, None] * (ink - canvas)
    canvas += rng.normal(0, rng.uniform(3, 12), canvas.shape)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _background(rng: np.random.Generator, width: int, height: int) -> tuple[Floats, Floats]:
    """A cloudy gradient, [height, width, 3] on 0..255, and an ink, [3], that stands out against its mean."""
    paper, ink = rng.uniform(0, 255, (2, 3))
    while np.linalg.norm(paper - ink) < 130:
        paper, ink = rng.uniform(0, 255, (2, 3))
    clouds = np.clip(paper + rng.normal(0, 24, (4, 4, 3)), 0, 255).astype(np.uint8)
    smooth = Image.fromarray(clouds).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float64), ink


def _blob(rng: np.random.Generator, canvas: Floats) -> None:
    """Paints a small round distractor in place."""
    height, width = canvas.shape[:2]
    down, across = rng.uniform(0, height), rng.uniform(0, width)
    radius, colour = min(width, height) * rng.uniform(0.02, 0.06), rng.uniform(0, 255, 3)
    y, x = np.ogrid[:height, :width]
    canvas[np.hypot(x - across, y - down) < radius] = colour


def _shape(label: int, size: tuple[int, int], centre: tuple[float, float], radius: float, angle: float) -> Floats:
    """How much of each pixel the turned shape covers, [height, width] on 0..1, from two by two samples a pixel."""
    height, width = size
    y, x = np.ogrid[: 2 * height, : 2 * width]
    across, down = ((x + 0.5) / 2 - centre[0]) / radius, ((y + 0.5) / 2 - centre[1]) / radius
    turned = np.cos(angle) * across + np.sin(angle) * down, np.cos(angle) * down - np.sin(angle) * across
    inside = SHAPES[label](*turned)
    covered: Floats = inside.reshape(height, 2, width, 2).mean(axis=(1, 3))
    return covered


def _hidden(rng: np.random.Generator, size: tuple[int, int], centre: tuple[float, float], radius: float) -> Floats:
    """0 where something passes in front of the shape, 1 elsewhere, [height, width]: a band at any angle."""
    y, x = np.ogrid[: size[0], : size[1]]
    angle, offset, breadth = rng.uniform(0, np.pi), rng.uniform(-0.9, 0.9), rng.uniform(0.05, 0.15)
    along = (np.cos(angle) * (x - centre[0]) + np.sin(angle) * (y - centre[1])) / radius
    seen: Floats = (np.abs(along - offset) > breadth).astype(np.float64)
    return seen
