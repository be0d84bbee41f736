"""The images on which ImageNet's input is measured: a user's, or photographs that are made up."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from benchmarks.errors import UserError
from datamodules.layouts.imagenet import open_split
from datamodules.layouts.images import decode

WIDTH, HEIGHT, QUALITY = 500, 375, 87
STORED, STORED_QUALITY = 256, 90


def photographs(count: int) -> Iterator[bytes]:
    """JPEGs of 500 x 375 pixels and some 94 kB: amplitudes fall as 1 / f^1.1, colours vary less than brightness."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None])
    frequency[0, 0] = 1
    for _ in range(count):
        noise = rng.normal(size=(2, 3, *frequency.shape))
        planes = np.fft.irfft2((noise[0] + 1j * noise[1]) / frequency**1.1, s=(HEIGHT, WIDTH))
        light, red, blue = planes / planes.std(axis=(1, 2), keepdims=True)
        colours = np.stack([light + 0.3 * red, light - 0.15 * (red + blue), light + 0.3 * blue], axis=-1)
        yield encoded(Image.fromarray((128 + 50 * colours).clip(0, 255).astype(np.uint8)), QUALITY)


def encoded(image: Image.Image, quality: int) -> bytes:
    """An image as the bytes of a JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def stored(data: bytes, where: str) -> bytes:
    """An image made small: other data, which are read faster.

    Raises:
        UserError: the image is broken.
    """
    image = decode(data, where)
    scale = STORED / min(image.size)
    return encoded(image.resize((round(image.width * scale), round(image.height * scale))), STORED_QUALITY)


def sample(data: str | None, count: int) -> dict[str, bytes]:
    """Place -> encoded image: of the training set of `data`, at equal distances, or made up.

    Raises:
        UserError: `data` is no ImageNet.
    """
    if data is None:
        return {f"photograph {number}": made for number, made in enumerate(photographs(count))}
    if not data:
        raise UserError("DATA is empty. Give the folder of ImageNet, or leave DATA out.")
    split = open_split(data, "train")
    places = np.unique(np.linspace(0, len(split) - 1, count).astype(int)).tolist()
    return {split.where(place): split.read(place) for place in places}
