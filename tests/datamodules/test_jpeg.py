"""Boxes of odd JPEGs, and of what is none, against Pillow's pixels: by region, and by whole images."""

import io

import numpy as np
import pytest
import simplejpeg
import torch
from PIL import Image
from torchvision.transforms import functional as transforms

from benchmarks.errors import UserError
from datamodules.imagenet_examples import random_crop, resized
from datamodules.layouts import jpeg
from datamodules.layouts.jpeg import Encoded


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


@pytest.fixture(params=["region", "whole"])
def decoder(request, monkeypatch):
    if request.param == "whole":
        monkeypatch.setattr(jpeg, "turbojpeg", lambda: None)
    elif jpeg.turbojpeg() is None:
        pytest.skip("no TurboJPEG 3 library here")


def boxes(width, height):
    rng = np.random.default_rng(0)
    middle = [random_crop(width, height, 0.05, rng) for _ in range(60)]
    return [(0, 0, height, width), (0, 0, 1, 1), (height - 1, width - 1, 1, 1), (height // 2, 0, 1, width), *middle]


@pytest.mark.parametrize("form", FORMS)
def test_pixels_are_pillows(form, decoder):
    image = Image.open(io.BytesIO(FORMS[form])).convert("RGB")
    encoded = Encoded(FORMS[form], form)
    assert encoded.size == image.size
    for top, left, height, width in boxes(*image.size):
        pixels = encoded.pixels((top, left, height, width))
        assert np.array_equal(pixels, np.asarray(image)[top : top + height, left : left + width])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("side", [32, 160, 224])
def test_crops_are_the_references_to_one_of_255(form, side):
    image, encoded = Image.open(io.BytesIO(FORMS[form])).convert("RGB"), Encoded(FORMS[form], form)
    for box in boxes(*image.size)[::6]:
        expected = transforms.pil_to_tensor(transforms.resized_crop(image, *box, [side, side]))
        found = resized(encoded.pixels(box), side)[0]
        assert (found.int() - expected.int()).abs().max() <= 1
        assert (found.float() - expected.float()).mean().abs() < 0.05  # no brighter, no darker


def test_only_what_pillow_must_decode_reaches_it(decoder, monkeypatch):
    asked = []
    monkeypatch.setattr(jpeg, "decode", lambda data, where: asked.append(where) or Image.new("RGB", (203, 157)))
    for form, data in FORMS.items():
        encoded = Encoded(data, form)
        encoded.pixels((0, 0, encoded.size[1], encoded.size[0]))
    assert set(asked) == {"CMYK", "PNG", "stray marker"}


@pytest.mark.parametrize("box", [(0, 0, 20, 20), (100, 50, 50, 60)])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_a_file_cut_off_is_named_wherever_the_box_lies(box, share, decoder):
    data = saved(subsampling=2)
    with pytest.raises(UserError, match=r"^here\.JPEG is no readable image"):
        Encoded(data[: int(share * len(data))], "here.JPEG").pixels(box)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"no image at all"])
def test_what_is_no_image_is_named(data):
    with pytest.raises(UserError, match=r"^here\.JPEG is no readable image"):
        Encoded(data, "here.JPEG")


def test_a_library_that_is_too_old_or_broken_is_passed_over(tmp_path, monkeypatch):
    broken = tmp_path / "libturbojpeg.so"
    broken.write_bytes(b"no library")
    older = torch._C.__file__  # it loads, and lacks what version 3 brought
    monkeypatch.setattr(jpeg, "_places", lambda: iter([str(broken), older]))
    assert jpeg.turbojpeg.__wrapped__() is None
