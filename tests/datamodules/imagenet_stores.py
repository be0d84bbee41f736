"""The small ImageNet packed into Arrow files by `make data-imagenet PACK=`."""

import pytest

from datamodules.layouts.imagenet import open_split
from datamodules.preparation.imagenet_pack import pack
from tests.datamodules.archives import names
from tests.datamodules.imagenet_trees import write_folders

SMALL = 2200  # bytes: two of the trees' images, so that a train of six takes three files
TRAIN_FILES = [f"train-0000{number}-of-00003.arrow" for number in range(3)]
VAL_FILES = [f"val-0000{number}-of-00003.arrow" for number in range(3)]


@pytest.fixture
def tree(tmp_path):
    write_folders(tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def store(tree, tmp_path):
    pack(str(tree), str(tmp_path / "store"), SMALL)
    return tmp_path / "store"


def found_in(store):
    """All that lies in a store, hidden files too, but its lock."""
    return [name for name in names(store) if name != ".lock"]


def content(root, name):
    """All that a split says of its images, but where they lie."""
    split = open_split(str(root), name)
    return split.ids, split.labels.tolist(), split.classes, [split.read(index) for index in range(len(split))]


def assert_same(store, source):
    for name in ("train", "val"):
        assert content(store, name) == content(source, name)
