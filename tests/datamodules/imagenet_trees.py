"""Writes a few images as ImageNet, in each form that it has on disk, for the tests of its readers."""

import shutil
from io import BytesIO
from pathlib import Path

import datasets
import numpy as np
import scipy.io
from PIL import Image

from datamodules.layouts import imagenet

WNIDS = ("n01440764", "n02084071", "n07583066")
DEVKIT_ORDER = ("n02084071", "n07583066", "n01440764")  # ILSVRC's ids 1, 2, 3 do not follow the wnids
VAL_LABELS = (2, 0, 1, 1, 0)


def encoded(seed, form="JPEG"):
    stream = BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, format=form)
    return stream.getvalue()


TRAIN = {
    f"{wnid}/{wnid}_{number}": encoded(10 * label + number) for label, wnid in enumerate(WNIDS) for number in (2, 7)
}
VAL = {f"ILSVRC2012_val_{number + 1:08d}": encoded(100 + number) for number in range(len(VAL_LABELS))}


def put(path, data=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_folders(root):
    for name, data in TRAIN.items():
        put(root / f"train/{name}.JPEG", data)
    for (name, data), label in zip(VAL.items(), VAL_LABELS, strict=True):
        put(root / f"val/{WNIDS[label]}/{name}.JPEG", data)


def write_devkit(root, truth=VAL_LABELS):
    """The development kit: ids, a `meta.mat` with an inner synset above the classes, and the ground truth."""
    fields = (
        "ILSVRC2012_ID",
        "WNID",
        "words",
        "gloss",
        "num_children",
        "children",
        "wordnet_height",
        "num_train_images",
    )
    synsets = np.zeros((len(WNIDS) + 1, 1), dtype=[(field, object) for field in fields])
    for row, wnid in enumerate(DEVKIT_ORDER):
        synsets[row, 0] = (row + 1, wnid, "tench, Tinca tinca", "a fish", 0, np.zeros((1, 0)), 0, 1300)
    synsets[-1, 0] = (len(WNIDS) + 1, "n00001740", "entity", "all", 2, np.array([[1, 2]]), 9, 0)
    (root / imagenet.DEVKIT / "data").mkdir(parents=True)
    scipy.io.savemat(root / imagenet.DEVKIT / imagenet.META, {"synsets": synsets})
    lines = "".join(f"{DEVKIT_ORDER.index(WNIDS[label]) + 1}\n" for label in truth)
    (root / imagenet.DEVKIT / imagenet.TRUTH).write_text(lines)


def write_flat(root):
    write_folders(root)
    shutil.rmtree(root / "val")
    for name, data in VAL.items():
        put(root / f"val/{name}.JPEG", data)
    write_devkit(root)


def write_parquet(root, names=WNIDS, paths=True, classes=None, suffix=""):
    """Two train shards and one of validation; `names` in the order of the labels, which may be called `classes`.

    A `suffix` of the paths is formatted with the wnid.
    """
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=list(classes or names)))
    train = [(Path(name).name, data, names.index(name[:9])) for name, data in TRAIN.items()]
    val = [(name, VAL[name], names.index(WNIDS[label])) for name, label in zip(VAL, VAL_LABELS, strict=True)]
    shards = {"train-00000-of-00002": train[:4], "train-00001-of-00002": train[4:], "validation-00000-of-00001": val}
    for shard, rows in shards.items():
        images = [
            {"bytes": data, "path": f"{name}{suffix.format(names[label])}.JPEG" if paths else None}
            for name, data, label in rows
        ]
        table = datasets.Dataset.from_dict({"image": images, "label": [row[2] for row in rows]}, features=features)
        root.mkdir(parents=True, exist_ok=True)
        table.to_parquet(root / f"{shard}.parquet")
