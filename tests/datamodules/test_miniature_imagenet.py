"""The miniature ImageNet: the same bytes every time, the traps it claims, and no shortcut for a linear model."""

import hashlib
import time
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from datamodules.layouts.imagenet import open_split
from datamodules.layouts.imagenet_split import require_two_splits
from datamodules.layouts.images import verify
from datamodules.miniature import imagenet as miniature
from tests.datamodules.archives import digests


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("miniature")
    start = time.process_time()
    miniature.write(root)
    assert time.process_time() - start < 15
    return root


@pytest.fixture(scope="module")
def splits(tree):
    return {name: open_split(str(tree), name) for name in ("train", "val")}


def trapped(splits, trap):
    """The encoded images of a trap, one a split."""
    found = [
        split.read(split.ids.index(name))
        for split in splits.values()
        for name in split.ids
        if name in miniature.TRAPS[trap]
    ]
    assert len(found) == 2
    return found


def test_two_writes_are_the_same_bytes(tree, tmp_path):
    miniature.write(tmp_path)
    assert digests(tmp_path) == digests(tree)


def test_counts_names_and_size(tree, splits):
    train, val = splits["train"], splits["val"]
    assert (len(train), len(val)) == (1200, 400)
    assert train.classes == tuple(f"n900000{number:02d}" for number in range(1, 21))
    assert np.bincount(train.labels).tolist() == [60] * 20
    assert np.bincount(val.labels).tolist() == [20] * 20
    require_two_splits(train, val)
    assert (tree / "train/n90000001/n90000001_17.JPEG").is_file()
    # Number 17 of the validation split is in class 17: the classes take turns, as they do in no order in ILSVRC.
    assert (tree / "val/n90000017/ILSVRC2012_val_00000017.JPEG").is_file()
    assert 4e6 < sum(path.stat().st_size for path in tree.rglob("*.JPEG")) < 8e6


def test_every_image_is_whole_and_its_own(splits):
    hashes = set()
    for split in splits.values():
        verify(split, workers=2)
        hashes |= {hashlib.sha256(split.read(index)).digest() for index in range(len(split))}
    assert len(hashes) == 1600


@pytest.mark.parametrize(
    ("trap", "holds"),
    [
        ("cmyk", lambda image, _: (image.format, image.mode) == ("JPEG", "CMYK")),
        ("png", lambda image, data: image.format == "PNG" and data.startswith(b"\x89PNG")),
        ("grey", lambda image, _: image.mode == "L"),
        ("exif", lambda image, _: image.getexif()[0x0112] == 6),
        ("progressive", lambda image, data: image.info["progressive"] and b"\xff\xc2" in data),
        (
            "icc",
            lambda image, _: (
                ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"])).profile.xcolor_space == "RGB "
            ),
        ),
        ("tiny", lambda image, _: image.size == (9, 7)),
        ("elongated", lambda image, _: image.size == (400, 12)),
        ("trailing", lambda _, data: len(data) - data.rfind(b"\xff\xd9") > 4096),
    ],
)
def test_traps_are_what_they_claim(splits, trap, holds):
    for data in trapped(splits, trap):
        image = Image.open(BytesIO(data))
        assert holds(image, data)
        assert np.asarray(image.convert("RGB")).shape[2] == 3


def test_only_the_traps_are_odd(splits):
    odd = {name for names in miniature.TRAPS.values() for name in names}
    for split in splits.values():
        for index, name in enumerate(split.ids):
            if name not in odd:
                image = Image.open(BytesIO(split.read(index)))
                assert (image.format, image.mode, len(image.getexif())) == ("JPEG", "RGB", 0), name


def thumbnails(split, side):
    """Standardised box thumbnails, [n, side * side * 3]."""
    images = (Image.open(BytesIO(split.read(index))).convert("RGB") for index in range(len(split)))
    return np.array([np.asarray(image.resize((side, side), Image.Resampling.BOX)).ravel() for image in images]) / 255


@pytest.mark.parametrize(("side", "top1", "top5"), [(1, 0.12, 0.40), (8, 0.15, 0.40)])
def test_a_linear_model_on_thumbnails_learns_little(splits, side, top1, top5):
    """Mean colour (1x1) and thumbnails: chance is 0.05 and 0.25."""
    train, val = splits["train"], splits["val"]
    scaler = StandardScaler().fit(inputs := thumbnails(train, side))
    model = LogisticRegression(C=0.01, max_iter=300).fit(scaler.transform(inputs), train.labels)
    best = np.argsort(-model.predict_proba(scaler.transform(thumbnails(val, side))), axis=1)
    hits = best == val.labels[:, None]
    assert hits[:, 0].mean() <= top1
    assert hits[:, :5].any(axis=1).mean() <= top5
