"""Crops by the C++ that is compiled here and by libraries: the same pixels, of every file."""

import io
import os
import resource
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from torch.nn.functional import interpolate
from torchvision.transforms import functional as transforms

from benchmarks import native as native_library
from benchmarks.errors import UserError
from datamodules import crops
from datamodules.layouts.jpeg import Encoded
from tests.datamodules.jpegs import FORMS, boxes, saved

READ = {"444", "422", "420", "grey", "restart markers", "turned by EXIF", "junk behind", "a row", "whole units"}
"""Forms that the C++ reads itself."""

needs_native = pytest.mark.skipif(crops.compiled() is None, reason="no C++ compiler, or no AVX2")


def drawn(data, box, size, mirrored=False, by=crops.draw):
    """A crop [h, w, 3], and what `by` returned."""
    image = torch.full((1, 3, *size), 7, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    returned = by(Encoded(data, "here.JPEG"), box, mirrored, image)
    return image[0].permute(1, 2, 0).numpy(), returned


def native(data, box, size, mirrored=False):
    """By the C++ alone; None where it refuses."""
    image, read = drawn(data, box, size, mirrored, crops._drawn)
    return image if read else None


def by_libraries(data, box, size, mirrored):
    """Pillow's pixels, scaled by torch."""
    top, left, height, width = box
    pixels = np.array(Image.open(io.BytesIO(data)).convert("RGB"))[top : top + height, left : left + width]
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous(memory_format=torch.channels_last)
    scaled = interpolate(image, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    return scaled[:, ::-1] if mirrored else scaled


@pytest.fixture(params=["native", "libraries"])
def way(request, monkeypatch):
    if request.param == "libraries":
        monkeypatch.setattr(crops, "compiled", lambda: None)
    elif crops.compiled() is None:
        pytest.skip("no C++ compiler, or no AVX2")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("side", [32, 160, 224])
def test_crops_are_the_references_to_one_of_255(form, side, way):
    image = Image.open(io.BytesIO(FORMS[form])).convert("RGB")
    for box in boxes(*image.size)[::6]:
        expected = np.asarray(transforms.resized_crop(image, *box, [side, side])).astype(int)
        found, _ = drawn(FORMS[form], box, (side, side))
        assert np.abs(found - expected).max() <= 1
        assert abs((found - expected).mean()) < 0.05  # no brighter, no darker


@needs_native
@pytest.mark.parametrize("form", sorted(READ))
def test_the_native_crop_is_the_libraries_bit_for_bit(form):
    data = FORMS[form]
    for number, box in enumerate(boxes(*Image.open(io.BytesIO(data)).size)):
        for size in (box[2:], (224, 224), (33, 70), (1, 1)):
            found = native(data, box, size, mirrored=number % 2 == 1)
            assert np.array_equal(found, by_libraries(data, box, size, number % 2 == 1))


@needs_native
def test_only_the_usual_is_read():
    whole = {form: (0, 0, *Encoded(data, form).size[::-1]) for form, data in FORMS.items()}
    assert {form for form, data in FORMS.items() if native(data, whole[form], (8, 8)) is not None} == READ


@needs_native
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [1, 30, 75, 95, 100])
@pytest.mark.parametrize("optimize", [False, True])
def test_any_quality_and_codes(subsampling, quality, optimize, monkeypatch):
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 1 << 20)  # Pillow's own guess is too small for small images
    options = {"subsampling": subsampling, "quality": quality, "optimize": optimize}
    for width, height in ((9, 1), (16, 16), (17, 33), (203, 157)):
        data = saved(size=(width, height), **options)
        box = (0, 0, height, width)
        assert np.array_equal(native(data, box, (height, width)), by_libraries(data, box, (height, width), False))


@needs_native
def test_the_hardest_contrast_is_libjpegs():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(2, size=(64, 64, 3), dtype=np.uint8) * 255)
    for quality in (1, 50, 100):
        file = io.BytesIO()
        noise.save(file, "JPEG", quality=quality, subsampling=2)
        box = (0, 0, 64, 64)
        assert np.array_equal(
            native(file.getvalue(), box, (64, 64)), by_libraries(file.getvalue(), box, (64, 64), False)
        )


@needs_native
@pytest.mark.parametrize("factor", [1, 40, 255])
def test_what_overflows_in_libjpeg_is_left_to_it(factor):
    data = bytearray(saved(quality=100, subsampling=2))
    table = data.index(b"\xff\xdb\x00\x43") + 5
    data[table : table + 64] = bytes([factor]) * 64
    found = native(bytes(data), (0, 0, 157, 203), (157, 203))
    assert (found is None) == (factor > 1)


@needs_native
def test_of_broken_files_nothing_is_read_that_pillow_reads_otherwise():
    rng = np.random.default_rng(0)
    sound, read = [FORMS[form] for form in sorted(READ)], 0
    for number in range(3000):
        data = bytearray(sound[number % len(sound)])
        for place in rng.integers(150, len(data), rng.integers(1, 4)):
            data[place] = rng.integers(256)
        try:
            size = Encoded(bytes(data), "here.JPEG").size[::-1]
        except UserError:
            continue
        found = native(bytes(data), (0, 0, *size), size) if max(size) < 1000 else None
        if found is not None:
            read += 1
            assert np.array_equal(found, by_libraries(bytes(data), (0, 0, *size), size, False))
    assert read > 300


def patched(data, after, offset, value):
    """A file with some bytes changed, `offset` behind where `after` is found first."""
    place = data.index(after) + offset
    return data[:place] + value + data[place + len(value) :]


ODD = {
    "restart markers out of turn": patched(FORMS["restart markers"], b"\xff\xd3", 0, b"\xff\xd5"),
    "restart markers, all the first": FORMS["restart markers"].replace(b"\xff\xd3", b"\xff\xd0"),
    "tables behind the codes": FORMS["420"][:-2] + b"\xff\xc4\x00\x05\x00\xff\xff" + b"\xff\xd9",
    "a frame behind the codes": FORMS["420"][:-2] + b"\xff\xc0\x00\x04\x00\x00" + b"\xff\xd9",
    "a beginning behind the codes": FORMS["420"][:-2] + b"\xff\xd8" + b"\xff\xd9",
    "extended": patched(FORMS["420"], b"\xff\xc0", 0, b"\xff\xc1"),
    "12 bits": patched(FORMS["420"], b"\xff\xc0", 4, b"\x0c"),
    "chrominance twice as fine": patched(FORMS["420"], b"\xff\xc0", 14, b"\x22"),
    "a scan of another component": patched(FORMS["420"], b"\xff\xda", 5, b"\x07"),
    "a scan from the second coefficient on": patched(FORMS["420"], b"\xff\xda", 11, b"\x01"),
    "a scan of ten coefficients": patched(FORMS["420"], b"\xff\xda", 12, b"\x0a"),
    "a scan of lower bits": patched(FORMS["420"], b"\xff\xda", 13, b"\x01"),
    "a code of ones": patched(FORMS["420"], b"\xff\xc4", 5, bytes([0, 0, 4, 8, 0, 0, 0, 0, 0])),
    "no Huffman tables": FORMS["420"].replace(b"\xff\xc4", b"\xff\xec"),
    "no quantization": FORMS["420"].replace(b"\xff\xdb", b"\xff\xec"),
}


@needs_native
@pytest.mark.parametrize("oddity", ODD)
def test_what_is_odd_is_left_to_libjpeg(oddity):
    box = (0, 0, 157, 203)
    assert native(FORMS["420"], box, (8, 8)) is not None  # whose tables must not stay
    image = torch.zeros(1, 3, 8, 8, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    assert crops.compiled().crop(ODD[oddity], len(ODD[oddity]), *box, 8, 8, 0, image.data_ptr()) == 1


@needs_native
def test_an_image_larger_than_its_codes_can_fill_takes_no_memory():
    data = patched(saved(size=(64, 64)), b"\xff\xc0", 5, b"\x75\x30\x75\x30")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert crops.compiled().crop(data, len(data), 0, 0, 30000, 30000, 8, 8, 0, None) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


@needs_native
def test_codes_that_only_differ_in_length_are_not_those_of_the_file_before():
    box = (0, 0, 157, 203)
    other = patched(FORMS["420"], b"\xff\xc4", 5, bytes([0, 1, 4, 2, 1, 1, 1, 1, 1]))
    before, found = native(FORMS["420"], box, (157, 203)), native(other, box, (157, 203))
    assert found is None or not np.array_equal(found, before)


@needs_native
@pytest.mark.parametrize(
    "box", [(-1, 0, 5, 5), (0, -1, 5, 5), (0, 0, 158, 5), (0, 199, 5, 5), (0, 0, 0, 5), (9, 9, 5, 0)]
)
def test_a_box_outside_is_refused(box):
    assert native(FORMS["420"], box, (8, 8)) is None


@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_a_file_cut_off_is_named(share, way):
    data = saved(subsampling=2)
    with pytest.raises(UserError, match=r"^here\.JPEG is no readable image"):
        drawn(data[: int(share * len(data))], (0, 0, 20, 20), (8, 8))


@pytest.mark.parametrize("compiler", ["/nowhere/c++", "false", "true", 'g++ "', "cat"])
def test_without_a_compiler_that_works_libraries_draw(compiler, monkeypatch):
    monkeypatch.setenv("CXX", compiler)
    assert crops.compiled.__wrapped__() is None


KNOWS_NO_NATIVE = """case "$*" in *-march=native*) echo "error: what is '-march=native'?" >&2; exit 1; esac"""


@pytest.mark.parametrize(
    ("does", "patience", "works"),
    [
        ("""printf '\\374' >&2; exec g++ "$@" """, 120, True),
        (f"""{KNOWS_NO_NATIVE}; exec g++ "$@" -march=x86-64-v3""", 120, True),
        ("sleep 1000", 2, False),
    ],
)
def test_a_compiler_may_say_anything_and_has_two_minutes(does, patience, works, monkeypatch, tmp_path):
    if crops.compiled() is None:
        pytest.skip("no C++ compiler, or no AVX2")
    wrapper = tmp_path / "c++"
    wrapper.write_text(f"#!/bin/sh\n{does}\n")
    wrapper.chmod(0o755)
    monkeypatch.setenv("CXX", f"{wrapper} -m64")
    monkeypatch.setattr(native_library, "PATIENCE", patience)
    began = time.monotonic()
    assert (crops.compiled.__wrapped__() is not None) == works
    assert time.monotonic() - began < 60


def test_without_any_compiler_libraries_draw(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert crops.compiled.__wrapped__() is None


def long_codes():
    """A file that ends where a unit begins, whose bits, were they all 0, would be half a kilobyte long."""
    data = FORMS["420"]
    tables = [(0x00, 11), (0x10, 10), (0x01, 11), (0x11, 10)]
    codes = [b"\xff\xc4\x00\x14" + bytes([which, 1, *[0] * 15, symbol]) for which, symbol in tables]
    scan = data.index(b"\xff\xda")
    return data[: data.index(b"\xff\xc4")] + b"".join(codes) + data[scan : scan + 14] + b"\x00\xff\xd9"


@needs_native
@pytest.mark.slow
def test_broken_files_touch_no_memory_that_is_not_theirs(tmp_path):
    """Address and undefined behaviour sanitizers watch a hundred thousand changed files."""
    source, program = Path(__file__).parent / "crop_fuzz.cpp", tmp_path / "fuzz"
    watched = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    compiler = os.environ.get("CXX", "g++")
    command = [
        compiler,
        "-std=c++17",
        "-O1",
        "-g",
        "-march=native",
        "-fwrapv",
        *watched,
        str(source),
        "-o",
        str(program),
    ]
    subprocess.run(command, check=True)
    for form, data in FORMS.items():
        (tmp_path / f"{form}.jpg").write_bytes(data)
    (tmp_path / "long codes.jpg").write_bytes(long_codes())
    files = [str(file) for file in sorted(tmp_path.glob("*.jpg"))]
    done = subprocess.run([program, "6000", *files], check=True, capture_output=True, text=True)
    assert int(done.stdout) > 5000
