"""What the file system refuses, simulated because permissions do not bind root: each layout names the path."""

import os
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.coco import read_image
from datamodules.layouts import coco, imagenet, imdb, librispeech
from datamodules.layouts.faults import read_faults
from tests.datamodules import imagenet_trees, imdb_trees, test_coco_layout
from tests.datamodules.librispeech_trees import write_tree
from tests.refusals import refusal

DENIED = PermissionError(13, "Permission denied")
ANNOTATIONS = "annotations/instances_val2017.json"


def refusing(monkeypatch, owner, call, name, error=DENIED):
    """Lets a call of the file system fail for paths of that name, which may begin with those of folders above."""
    original = getattr(owner, call)

    def refuse(path, *arguments, **options):
        if Path(path).match(name):
            raise type(error)(*error.args, str(path))
        return original(path, *arguments, **options)

    monkeypatch.setattr(owner, call, refuse)


def test_an_error_that_names_no_path_is_said_of_what_is_read():
    with pytest.raises(UserError, match=r"^x: Input/output error; make it readable, or repair.*\.$"), read_faults("x"):
        raise OSError(5, "Input/output error")
    with pytest.raises(UserError, match=r"^DATA: odd; make it readable"), read_faults():
        raise OSError("odd")
    with pytest.raises(UserError, match=r"^its own$"), read_faults():
        raise UserError("its own")


@pytest.mark.parametrize("error", [DENIED, OSError(5, "Input/output error")], ids=["denied", "broken"])
def test_imagenet(tmp_path, monkeypatch, error):
    imagenet_trees.write_folders(tmp_path)
    refusing(monkeypatch, os, "scandir", "n02084071", error)
    message = refusal(imagenet.open_split, str(tmp_path), "train")
    assert message == f"{tmp_path}/train/n02084071: {error.strerror}; make it readable, or repair the disk."


def test_imagenet_in_a_folder_of_which_only_the_names_may_be_read(tmp_path, monkeypatch):
    imagenet_trees.write_folders(tmp_path)
    refusing(monkeypatch, Path, "is_dir", "train")
    for call in ((imagenet.open_split, str(tmp_path)), (imagenet.present, tmp_path)):
        assert refusal(*call, "train").startswith(f"{tmp_path}/train: Permission denied; make it readable")


def test_librispeech(tmp_path, monkeypatch):
    write_tree(tmp_path, {"test-clean": {"1-2-0000": "A"}})
    refusing(monkeypatch, Path, "iterdir", "test-clean")
    message = refusal(librispeech.open_split, str(tmp_path), "test-clean")
    assert message.startswith(f"{tmp_path}/LibriSpeech/test-clean: Permission denied; make it readable")


@pytest.mark.parametrize(("call", "name"), [("is_dir", "aclImdb"), ("iterdir", "pos"), ("read_bytes", "0_9.txt")])
def test_imdb(tmp_path, monkeypatch, call, name):
    imdb_trees.put(tmp_path, imdb_trees.reviews())
    refusing(monkeypatch, Path, call, name)
    message = refusal(imdb.open_reviews, str(tmp_path), "test")
    assert f"/{name}: Permission denied; make it readable" in message


# COCO


@pytest.fixture
def root(tmp_path):
    """Annotations, and of the first image a file."""
    test_coco_layout.put(tmp_path, test_coco_layout.instances())
    imagenet_trees.put(tmp_path / "val2017/000000000042.jpg", imagenet_trees.encoded(0))
    return tmp_path


@pytest.mark.parametrize(("call", "place"), [("is_dir", "."), ("is_file", ANNOTATIONS), ("read_bytes", ANNOTATIONS)])
def test_the_annotations_of_coco(root, monkeypatch, call, place):
    refusing(monkeypatch, Path, call, (root / place).name)
    message = refusal(coco.open_split, str(root), "val2017")
    assert message.startswith(str(root / place))
    assert "Permission denied" in message


@pytest.mark.parametrize("call", ["is_dir", "iterdir"])
def test_the_images_of_coco(root, monkeypatch, call):
    split = coco.open_split(str(root), "val2017")
    refusing(monkeypatch, Path, call, "val2017")
    assert refusal(split.require_images).startswith(f"{root}/val2017: Permission denied; make it readable")


def test_an_image_of_coco(root, monkeypatch):
    split = coco.open_split(str(root), "val2017")
    assert split.read(0) == imagenet_trees.encoded(0)
    assert refusal(read_image, split, 1).startswith(f"{split.where(1)}: No such file or directory; make it readable")
    refusing(monkeypatch, Path, "open", "000000000042.jpg")
    assert refusal(read_image, split, 0).startswith(f"{split.where(0)}: Permission denied; make it readable")
