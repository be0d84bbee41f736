"""ImageNet's three archives, small, with what must be unpacked of them."""

import hashlib
import io
import shutil
import tarfile
from dataclasses import replace

import pytest

from datamodules.layouts import imagenet
from datamodules.layouts.imagenet import open_split
from datamodules.preparation.imagenet import RELEASE
from tests.datamodules.archives import names, tar_of
from tests.datamodules.imagenet_trees import TRAIN, VAL, VAL_LABELS, WNIDS, write_devkit

COUNTS = {"train": len(TRAIN), "val": len(VAL), "classes": len(WNIDS)}


def class_tar(wnid):
    return tar_of((f"{name[10:]}.JPEG", data) for name, data in TRAIN.items() if name.startswith(wnid))


def devkit_tar(root):
    write_devkit(root / "kit")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.add(root / "kit" / imagenet.DEVKIT, imagenet.DEVKIT)
    shutil.rmtree(root / "kit")
    return stream.getvalue()


def place(root, release, part, data):
    """Puts an archive into `root`; the release expects just these bytes."""
    archive = replace(release.archives[part], digest=hashlib.md5(data).hexdigest())
    (root / archive.name).write_bytes(data)
    return replace(release, archives={**release.archives, part: archive})


@pytest.fixture
def archives(tmp_path):
    """The folder with all three, and their release."""
    release = replace(RELEASE, counts=COUNTS)
    release = place(tmp_path, release, "devkit", devkit_tar(tmp_path))
    release = place(tmp_path, release, "val", tar_of((f"{name}.JPEG", data) for name, data in VAL.items()))
    release = place(tmp_path, release, "train", tar_of((f"{wnid}.tar", class_tar(wnid)) for wnid in WNIDS))
    return tmp_path, release


def assert_complete(root):
    train, val = open_split(str(root), "train"), open_split(str(root), "val")
    assert [train.read(index) for index in range(len(train))] == list(TRAIN.values())
    assert [val.read(index) for index in range(len(val))] == list(VAL.values())
    assert val.labels.tolist() == list(VAL_LABELS)
    assert [name for name in names(root) if name.startswith(".")] == []
