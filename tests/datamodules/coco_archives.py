"""COCO's three archives, small, with what must be unpacked of them."""

import io
import random
import stat
import zipfile

from datamodules.preparation import coco
from datamodules.preparation.downloads import Release
from tests.datamodules.archives import archive_at

prepare, COMMAND = coco.prepare, "data-coco"
NAMES = {"annotations": "annotations_trainval2017.zip", "val2017": "val2017.zip", "train2017": "train2017.zip"}
COUNTS = {"train2017": 3, "val2017": 2}
LINES = [f"{split} is complete, {count} images" for split, count in COUNTS.items()]
HUB = "hf:detection/coco: COCO's images are read from folders only. Set DATA"
STRAYS = ("", *NAMES)
LEFT = ".train2017.unpacking/train2017"

BEFORE = {
    "annotations/instances_train2017.json": b'{"images": [1, 2, 3]}',
    "annotations/instances_val2017.json": b'{"images": [4, 5]}',
    **{f"val2017/{number:012}.jpg": random.Random(number).randbytes(20_000) for number in (4, 5)},
}
TREE = BEFORE | {f"train2017/{number:012}.jpg": random.Random(number).randbytes(100_000) for number in (1, 2, 3)}
OTHERS = {"annotations/captions_val2017.json": b"{}", "annotations/person_keypoints_train2017.json": b"{}"}


def packed(part, *more):
    """The archive of a part, with further members at its end."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        files = [item for item in {**TREE, **OTHERS}.items() if item[0].startswith(f"{part}/")]
        for name, data in [(f"{part}/", b""), *files, *more]:
            archive.writestr(name, data)
    return stream.getvalue()


FILES = {name: packed(part) for part, name in NAMES.items()}
FAULT = "train2017.zip"


def release_at(port, files=FILES):
    """What the server has, or would have."""
    return Release({part: archive_at(port, name, files[name]) for part, name in NAMES.items()}, COUNTS)


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


HOSTILE = {
    "parent": "../escaped.jpg",
    "absolute": "/tmp/escaped.jpg",
    "through": "train2017/../../escaped.jpg",
    "above": "train2017/..",
    "elsewhere": "escaped/escaped.jpg",
    "beside": "escaped.jpg",
    "deeper": "train2017/escaped/escaped.jpg",
    "backslash": "train2017/..\\..\\escaped.jpg",
    "symbolic": link("train2017/escaped.jpg"),
}


def hostile(way):
    """The archive `FAULT` with a member that leads elsewhere."""
    return packed("train2017", (HOSTILE[way], b"../../escaped.jpg"))
