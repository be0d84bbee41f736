"""Boxes of odd JPEGs, and of what is none, against Pillow's pixels: by region, and by whole images."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.errors import UserError
from datamodules.layouts import jpeg
from datamodules.layouts.jpeg import Encoded
from tests.datamodules.jpegs import FORMS, boxes, saved


@pytest.fixture(params=["region", "whole"])
def decoder(request, monkeypatch):
    if request.param == "whole":
        monkeypatch.setattr(jpeg, "turbojpeg", lambda: None)
    elif jpeg.turbojpeg() is None:
        pytest.skip("no TurboJPEG 3 library here")


@pytest.mark.parametrize("form", FORMS)
def test_pixels_are_pillows(form, decoder):
    image = Image.open(io.BytesIO(FORMS[form])).convert("RGB")
    encoded = Encoded(FORMS[form], form)
    assert encoded.size == image.size
    for top, left, height, width in boxes(*image.size):
        pixels = encoded.pixels((top, left, height, width))
        assert np.array_equal(pixels, np.asarray(image)[top : top + height, left : left + width])


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
