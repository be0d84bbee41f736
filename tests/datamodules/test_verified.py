"""Files are looked at once, by whatever command or seed, until one has changed."""

import os
import shutil

import pytest

from benchmarks.errors import UserError
from datamodules.verified import verify_once
from tests.conftest import short
from tests.datamodules import imagenet_stores
from tests.datamodules.imagenet_stores import SMALL, pack
from tests.datamodules.imagenet_trees import write_flat, write_folders, write_parquet
from tests.datamodules.test_coco import data as coco_data
from tests.datamodules.test_imagenet import data
from tests.datamodules.test_librispeech import data as librispeech_data

pytestmark = pytest.mark.usefixtures("own_cache")
tree = imagenet_stores.tree
SAID = "checked before, and unchanged (data/verified): {}\n"


class Look:
    """Counts how often it was asked for, and is as told."""

    def __init__(self):
        self.count, self.fault = 0, None

    def __call__(self):
        self.count += 1
        if self.fault:
            raise UserError(self.fault)


@pytest.fixture
def files(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(name.encode() * 9)
    return sorted(tmp_path.iterdir())


def swap(path):
    """Other bytes, as many of them, and the time of the old ones."""
    times = path.stat()
    path.write_bytes(b"x" * 9)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES = {
    "none": lambda path: None,
    "gone": lambda path: path.unlink(),
    "cut": lambda path: os.truncate(path, 8),
    "as long and as old": swap,
    "touched": lambda path: os.utime(path, (1, 1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_looked_at_again(files, change, capsys):
    look, parts = Look(), {"train": files[:2], "val": files[2:]}
    for _ in range(2):
        verify_once(parts, look)
    assert (look.count, capsys.readouterr().out) == (1, SAID.format("train, val"))
    CHANGES[change](files[1])
    verify_once(parts, look)
    assert (look.count, capsys.readouterr().out) == ((1, SAID.format("train, val")) if change == "none" else (2, ""))


def test_other_files_were_not_looked_at(files):
    look = Look()
    verify_once({"train": files[:2]}, look)
    others = ({"train": files}, {"train": files[1:]}, {"val": files[:2]}, {"train": files[:2], "val": files[2:]})
    for number, parts in enumerate(others, 2):
        verify_once(parts, look)
        assert look.count == number
    verify_once({"train": files[:2]}, look)
    assert look.count == 5


def test_what_is_broken_or_in_no_file_is_always_looked_at(files):
    look = Look()
    look.fault = "b is broken"
    for _ in range(2):
        with pytest.raises(UserError, match="b is broken"):
            verify_once({"train": files}, look)
    look.fault = None
    for _ in range(2):
        verify_once({"train": [], "val": files}, look)
    assert look.count == 4


FORMS = {
    "folders": lambda root, _: write_folders(root),
    "flat": lambda root, _: write_flat(root),
    "parquet": lambda root, _: write_parquet(root),
    "packed": lambda root, tree: pack(str(tree), str(root), SMALL),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_imagenet_is_looked_at_once(tmp_path, tree, form, capsys):
    FORMS[form](tmp_path / "data", tree)
    data(tmp_path / "data").verify(training=True)
    capsys.readouterr()
    data(tmp_path / "data").verify(training=True)
    assert capsys.readouterr().out == SAID.format("train, val")


def test_other_data_are_looked_at_once_too(coco_tree, librispeech_tree, capsys):
    for _ in range(2):
        capsys.readouterr()
        coco_data(coco_tree).verify(training=True)
        librispeech_data(librispeech_tree).verify(training=True)
    names = ("train2017, val2017", "train-clean-100, dev-clean, test-clean, test-other")
    assert capsys.readouterr().out == "".join(map(SAID.format, names))


def test_the_next_seed_relies_on_the_first_until_a_file_changes(workshop, small_tree, tmp_path):
    tree = shutil.copytree(small_tree, tmp_path / "imagenet")

    def run(seed):
        args = short(**{"trainer.max_epochs": 1})
        return workshop.call("run", "imagenet", "--profile=mini", f"--data={tree}", f"--seeds={seed}", args)

    code, out, err = run(0)
    assert (code, "checked before" in out) == (0, False), err
    code, out, err = run(1)
    assert code == 0, err
    assert SAID.format("train, val") in out
    path = sorted((tree / "train").glob("*/*"))[7]
    path.write_bytes(path.read_bytes()[:-40])
    code, out, err = run(2)
    assert (code, "checked before" in out) == (2, False)
    assert f"{path} is a truncated JPEG" in err
