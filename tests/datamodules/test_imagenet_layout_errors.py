"""Every mistake in an ImageNet tree that the reader knows, and what its message says."""

import os
import shutil

import datasets
import pytest

from benchmarks.errors import UserError
from datamodules.layouts import imagenet
from datamodules.layouts.imagenet import open_split
from tests.datamodules.imagenet_trees import put, write_flat, write_folders, write_parquet

pytestmark = pytest.mark.usefixtures("own_cache")


def after(write, change):
    """Builds a root that is sound but for one change."""
    return lambda root: (write(root), change(root))


def columns(**values):
    def build(root):
        datasets.Dataset.from_dict(values).to_parquet(root / "validation-00000-of-00001.parquet")

    return build


def nested(root):
    (root / "val").mkdir()
    (root / "t").rename(root / "val/val")


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


ERRORS = {
    "missing": (lambda root: root.rmdir(), ["does not exist", "Set DATA", "train/<wnid>/*.JPEG"]),
    "a file": (lambda root: (root.rmdir(), put(root)), ["is a file, not a folder", "Set DATA"]),
    "empty": (lambda root: None, ["is empty", "train/<wnid>/*.JPEG", "validation-*.parquet", "hf:<name>"]),
    "only strays": (lambda root: put(root / ".DS_Store"), ["is empty"]),
    "no form": (lambda root: put(root / "photos/a.jpg"), ["no ImageNet in any known form", "photos", imagenet.DEVKIT]),
    "packed": (lambda root: put(root / "ILSVRC2012_img_val.tar"), ["still packed", "make data-imagenet DATA="]),
    "packed classes": (lambda root: put(root / "val/n01440764.tar"), ["still packed", "a folder of its name"]),
    "split missing": (after(write_folders, lambda root: shutil.rmtree(root / "val")), ["holds train but no val"]),
    "no val shard": (
        after(write_parquet, lambda root: (root / "validation-00000-of-00001.parquet").unlink()),
        ["holds train but no val"],
    ),
    "empty class": (
        after(write_folders, lambda root: (root / "val/n02084070").mkdir()),
        ["val/n02084070 holds no images"],
    ),
    "empty split": (lambda root: (root / "val").mkdir(), ["val holds no images", "<wnid>"]),
    "half sorted": (
        after(write_folders, lambda root: put(root / "val/b.JPEG")),
        ["loose images (b) too", "half sorted"],
    ),
    "twins": (
        after(write_folders, lambda root: (put(root / "val/n02084071/a.JPEG"), put(root / "val/n02084071/a.png"))),
        ["val/n02084071 holds a.JPEG and a.png", "Remove one"],
    ),
    "flat twins": (
        after(write_flat, lambda root: put(root / "val/ILSVRC2012_val_00000002.png")),
        ["two images of one id"],
    ),
    "no devkit": (
        after(write_flat, lambda root: shutil.rmtree(root / imagenet.DEVKIT)),
        ["is flat", "ILSVRC2012_devkit_t12.tar.gz", "make data-imagenet"],
    ),
    "truth too short": (
        after(write_flat, lambda root: put(root / imagenet.DEVKIT / imagenet.TRUTH, b"1\n2\n3\n")),
        ["has 3 lines", "has 5 images", "labels would shift"],
    ),
    "one doubled, one missing": (
        after(
            write_flat,
            lambda root: (root / "val/ILSVRC2012_val_00000004.JPEG").rename(
                root / "val/ILSVRC2012_val_00000002 (1).JPEG"
            ),
        ),
        ["ILSVRC2012_val_00000002 (1).JPEG stands where image 3 should", "one is missing, another too many"],
    ),
    "a level too deep": (
        after(write_folders, lambda root: ((root / "val").rename(root / "t"), nested(root))),
        ["val/val holds folders and no images", "a level too deep", "Move what is in it up"],
    ),
    "no UTF-8": (
        after(write_folders, lambda root: put(root / "val/n02084071" / os.fsdecode(b"caf\xe9.JPEG"))),
        ["val has an image whose name is no UTF-8", r"caf\udce9", "Rename it"],
    ),
    "a label without end": (
        columns(image=[{"bytes": b"x", "path": "a.JPEG"}], label=[6_000_000_000]),
        ["val has a label 6000000000, which is no class"],
    ),
    "truth unknown": (
        after(write_flat, lambda root: put(root / imagenet.DEVKIT / imagenet.TRUTH, b"1\n2\n3\n1\n4\n")),
        ["is damaged", "KeyError(4)", "unpack"],
    ),
    "no meta.mat": (
        after(write_flat, lambda root: (root / imagenet.DEVKIT / imagenet.META).unlink()),
        ["meta.mat cannot be read (No such file", "unpack"],
    ),
    "half a meta.mat": (
        after(write_flat, lambda root: cut(root / imagenet.DEVKIT / imagenet.META)),
        ["is damaged", "meta.mat"],
    ),
    "empty meta.mat": (
        after(write_flat, lambda root: put(root / imagenet.DEVKIT / imagenet.META)),
        ["is damaged", "meta.mat"],
    ),
    "no label": (columns(image=[{"bytes": b"", "path": ""}], text=["a"]), ["no column label", "image, text"]),
    "no column": (columns(a=[1]), ["no column image and no column label", "it has a"]),
    "image a number": (columns(image=[1], label=[1]), ["not image (bytes, path) and label"]),
    "label a text": (columns(image=[{"bytes": b"a", "path": ""}], label=["a"]), ["not image (bytes, path) and label"]),
    "no labels": (columns(image=[{"bytes": b"a", "path": ""}], label=[-1]), ["has no labels (label -1)"]),
    "half a shard": (
        after(write_parquet, lambda root: cut(root / "validation-00000-of-00001.parquet")),
        ["Parquet shards of val", "cannot be read", "Fetch them again"],
    ),
    "shard missing": (
        after(
            write_parquet,
            lambda root: shutil.move(
                root / "validation-00000-of-00001.parquet", root / "validation-00000-of-00003.parquet"
            ),
        ),
        ["1 Parquet shards of val", "there are 3"],
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_where_and_what_to_do(tmp_path, case):
    build, expected = ERRORS[case]
    root = tmp_path / "imagenet"
    root.mkdir()
    build(root)
    with pytest.raises(UserError) as caught:
        open_split(str(root), "val")
    message = str(caught.value)
    assert [part for part in [str(root), *expected] if part not in message] == [], message


def test_a_hub_that_gives_nothing(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"DATA=hf:nobody/nothing: .*validation(?s:.*)network.*gated"):
        open_split("hf:nobody/nothing", "val")


def test_a_hub_data_set_without_the_columns(tmp_path):
    columns(a=[1])(tmp_path)
    with pytest.raises(UserError, match=r"hf:.* has no column image and no column label \(it has a\)"):
        open_split(f"hf:{tmp_path}", "val")
