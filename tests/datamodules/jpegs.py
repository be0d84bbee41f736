"""JPEGs of every kind, and what is none, with boxes in them."""

import io

import numpy as np
import simplejpeg
from PIL import Image

from datamodules.imagenet_examples import random_crop


def picture(width, height, channels=3):
    """Waves and noise, so that every block has colours and edges of its own."""
    rng = np.random.default_rng(width * 1000 + height)
    y, x = np.mgrid[:height, :width]
    waves = [
        128 + 90 * np.sin(x / (3 + 2 * c) + y / (5 - c) + c) + rng.normal(0, 12, (height, width))
        for c in range(channels)
    ]
    return np.stack(waves, -1).clip(0, 255).astype(np.uint8)


def saved(mode="RGB", size=(203, 157), form="JPEG", **options):
    pixels = picture(*size, len(mode))
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode).save(file, form, **options)
    return file.getvalue()


def turned():
    """An EXIF orientation of 6 asks viewers to turn it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(exif=exif)


def subsampled(colours):
    return simplejpeg.encode_jpeg(picture(203, 157), 90, colorsubsampling=colours)


def with_a_stray_marker():
    """Libjpeg warns of it, and goes on."""
    data = saved(subsampling=2)
    return data[:5000] + b"\xff\xd3" + data[5000:]


FORMS = {
    **{colours: subsampled(colours) for colours in ("444", "422", "420", "440", "411")},
    "grey": saved("L"),
    "progressive": saved(progressive=True, subsampling=2),
    "restart markers": saved(restart_marker_blocks=3, subsampling=2),
    "RGB inside": saved(keep_rgb=True),
    "turned by EXIF": turned(),
    "CMYK": saved("CMYK"),
    "PNG": saved(form="PNG"),
    "junk behind": saved() + b"\x00\x11junk" * 40,
    "stray marker": with_a_stray_marker(),
    "one pixel": saved(size=(1, 1)),
    "a column": saved(size=(1, 90)),
    "a row": saved(size=(90, 1), subsampling=1),
    "whole units": saved(size=(96, 64), subsampling=2),
}  # fmt: skip


def boxes(width, height):
    rng = np.random.default_rng(0)
    middle = [random_crop(width, height, 0.05, rng) for _ in range(60)]
    return [(0, 0, height, width), (0, 0, 1, 1), (height - 1, width - 1, 1, 1), (height // 2, 0, 1, width), *middle]
