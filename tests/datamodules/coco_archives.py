"""COCO's three archives, small, with what must be unpacked of them."""

import hashlib
import io
import random
import zipfile

from datamodules.preparation.coco import Release
from datamodules.preparation.downloads import Archive
from tests.datamodules.archives import names

TREE = {
    "annotations/instances_train2017.json": b'{"images": [1, 2, 3]}',
    "annotations/instances_val2017.json": b'{"images": [4, 5]}',
    **{f"val2017/{number:012}.jpg": random.Random(number).randbytes(20_000) for number in (4, 5)},
    **{f"train2017/{number:012}.jpg": random.Random(number).randbytes(100_000) for number in (1, 2, 3)},
}
OTHERS = {"annotations/captions_val2017.json": b"{}", "annotations/person_keypoints_train2017.json": b"{}"}
NAMES = {"annotations": "annotations_trainval2017.zip", "val": "val2017.zip", "train": "train2017.zip"}


def zip_of(members):
    """A zip of (name or ZipInfo, bytes)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, data in members:
            packed.writestr(name, data)
    return stream.getvalue()


def folder_zip(name):
    files = [item for item in {**TREE, **OTHERS}.items() if item[0].startswith(f"{name}/")]
    return zip_of([(f"{name}/", b""), *files])


ZIPS = {part: folder_zip(name.removesuffix(".zip").removesuffix("_trainval2017")) for part, name in NAMES.items()}
FILES = {NAMES[part]: data for part, data in ZIPS.items()}
FAULT = "train2017.zip"


def release_at(port, zips=ZIPS):
    """What the server has, or would have."""
    url = f"http://127.0.0.1:{port}/zips/"
    archives = {
        part: Archive(NAMES[part], url + NAMES[part], "md5", hashlib.md5(data).hexdigest(), f"{len(data)} B")
        for part, data in zips.items()
    }
    return Release(**archives, num_val=2, num_train=3)


def place(root, zips=ZIPS):
    """Puts the archives into `root`, as a user does."""
    root.mkdir(exist_ok=True)
    for part, data in zips.items():
        (root / NAMES[part]).write_bytes(data)


def assert_complete(root):
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob("*/*")}
    assert found == TREE
    assert [name for name in names(root) if name.startswith(".")] == []
