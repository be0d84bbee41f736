"""How `make data-imagenet PACK=` packs: whole or not at all, checked, and refused with a message."""

import os
import re
import shutil
import subprocess
import sys
from fcntl import LOCK_EX, flock

import pytest

from benchmarks.cli import main
from benchmarks.errors import UserError
from datamodules.layouts import imagenet_arrow
from datamodules.preparation import archives, imagenet_pack
from datamodules.preparation.imagenet_pack import pack
from tests.conftest import ROOT
from tests.datamodules import imagenet_stores
from tests.datamodules.archives import full_disk
from tests.datamodules.imagenet_stores import SMALL, TRAIN_FILES, VAL_FILES, assert_same, found_in
from tests.datamodules.imagenet_trees import TRAIN, VAL, put, write_parquet

pytestmark = pytest.mark.usefixtures("own_cache")
tree, store = imagenet_stores.tree, imagenet_stores.store


@pytest.mark.parametrize("moment", range(6))
@pytest.mark.parametrize("method", ["_batch", "_compare"])
def test_an_interrupted_packing_is_continued(tree, tmp_path, monkeypatch, moment, method):
    """Stopped at each file in turn, before a batch of it is written or when all are."""
    store, calls, work = tmp_path / "store", [], getattr(imagenet_pack, method)

    def stop(*arguments):
        if len(calls) == moment:
            raise KeyboardInterrupt
        calls.append(arguments)
        return work(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(imagenet_pack, method, stop)
        with pytest.raises(KeyboardInterrupt):
            pack(str(tree), str(store), SMALL)
    assert found_in(store) == sorted((VAL_FILES + TRAIN_FILES)[:moment])
    kept = {name: (store / name).stat().st_ino for name in found_in(store)}
    put(store / f".{VAL_FILES[0]}.killed", b"half a file of a process that was killed")
    pack(str(tree), str(store), SMALL)
    assert found_in(store) == TRAIN_FILES + VAL_FILES
    assert {name: (store / name).stat().st_ino for name in kept} == kept
    assert_same(store, tree)


def test_a_disk_that_gives_other_bytes_back_is_found(tree, tmp_path, monkeypatch):
    image = imagenet_arrow.Shard.image
    monkeypatch.setattr(imagenet_arrow.Shard, "image", lambda shard, row: image(shard, row).to_pybytes()[:-1] + b"?")
    with pytest.raises(UserError, match=r"ILSVRC2012_val_00000002\.JPEG read back from .*val-00000-of-.* is another"):
        pack(str(tree), str(tmp_path / "store"))
    assert found_in(tmp_path / "store") == []


def test_a_file_is_on_disk_before_it_is_read_back(tree, tmp_path, monkeypatch):
    events = []

    def record(name, work):
        monkeypatch.setattr(os, name, lambda *arguments: events.append((name, *arguments[1:])) or work(*arguments))

    record("fsync", os.fsync)
    record("posix_fadvise", os.posix_fadvise)
    compare = imagenet_pack._compare
    monkeypatch.setattr(imagenet_pack, "_compare", lambda *each: events.append("compare") or compare(*each))
    pack(str(tree), str(tmp_path / "store"))
    assert events[:3] == [("fsync",), ("posix_fadvise", 0, 0, os.POSIX_FADV_DONTNEED), "compare"]
    assert events.count("compare") == 2


@pytest.mark.parametrize("size", [0, 1])
def test_an_image_mended_since_is_found(tree, store, size):
    image = tree / "train/n02084071/n02084071_2.JPEG"
    image.write_bytes(image.read_bytes()[:-1] + b"?" * size)
    with pytest.raises(UserError, match=rf"{TRAIN_FILES[1]} holds other images than DATA's\. Remove it"):
        pack(str(tree), str(store), SMALL)
    (store / TRAIN_FILES[1]).unlink()
    pack(str(tree), str(store), SMALL)
    assert_same(store, tree)


def test_ready_files_are_compared_by_a_sample(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(imagenet_pack, "SAMPLE", 3)
    pack(str(tree), str(tmp_path / "store"))
    for name in ("n01440764/n01440764_7", "n02084071/n02084071_7"):  # 1 and 3 of six; asked are 0, 2 and 5
        put(tree / f"train/{name}.JPEG", b"mended")
    pack(str(tree), str(tmp_path / "store"))
    put(tree / "train/n02084071/n02084071_2.JPEG", b"mended")
    with pytest.raises(UserError, match="holds other images"):
        pack(str(tree), str(tmp_path / "store"))


def test_one_packing_at_a_time(tree, store, capsys):
    hidden = store / f".{VAL_FILES[0]}.other"
    put(hidden, b"what the other one writes")
    command = ["data", "imagenet", f"--data={tree}", f"--pack={store}"]
    with (store / ".lock").open("w") as lock:
        flock(lock, LOCK_EX)
        capsys.readouterr()  # the bars of the first packing
        assert main(command) == 2
        message = f"error: another packing writes to PACK={store}. Wait for it, or set PACK elsewhere.\n"
        assert capsys.readouterr().err == message
        assert hidden.exists()
    pack(str(tree), str(store), SMALL)
    assert found_in(store) == TRAIN_FILES + VAL_FILES


def test_room_is_looked_at_first(tree, tmp_path, monkeypatch):
    full_disk(monkeypatch)
    with pytest.raises(UserError, match=r"packing into .*store needs .* set PACK to a folder on a larger disk"):
        pack(str(tree), str(tmp_path / "store"))
    monkeypatch.setattr(archives, "SPARE", 0)
    pack(str(tree), str(tmp_path / "store"))


# What is wrong with a command.


def elsewhere(tmp_path):
    """A store of fewer images."""
    shutil.copytree(tmp_path / "tree", tmp_path / "other")
    (tmp_path / "other/val/n02084071/ILSVRC2012_val_00000003.JPEG").unlink()
    pack(str(tmp_path / "other"), str(tmp_path / "store"))


WRONG = {
    "DATA itself": (lambda tmp_path: None, "tree", "is where the images of DATA="),
    "in DATA's train": (lambda tmp_path: None, "tree/train/packed", "is where the images of DATA="),
    "a file": (lambda tmp_path: put(tmp_path / "store"), "store", "is no folder"),
    "below a file": (lambda tmp_path: put(tmp_path / "file"), "file/store", "Not a directory"),
    "a tree": (lambda tmp_path: shutil.copytree(tmp_path / "tree", tmp_path / "b"), "b", "holds train in another form"),
    "Parquet": (lambda tmp_path: write_parquet(tmp_path / "b"), "b", "holds train in another form"),
    "no UTF-8": (lambda tmp_path: None, os.fsdecode(b"caf\xe9/store"), "is no UTF-8, as names in records are"),
    "other images": (elsewhere, "store", "val-00000-of-00001.arrow holds other images than DATA's"),
    "other sizes": (
        lambda tmp_path: pack(str(tmp_path / "tree"), str(tmp_path / "store"), SMALL),
        "store",
        "holds other",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_place_that_cannot_be_packed_into(tree, tmp_path, case, capsys):
    prepare, store, expected = WRONG[case]
    prepare(tmp_path)
    capsys.readouterr()  # the bars of those who wrote it
    before = sorted(tmp_path.rglob("*"))
    assert main(["data", "imagenet", f"--data={tree}", f"--pack={tmp_path / store}"]) == 2
    message = capsys.readouterr().err
    assert expected in message
    assert message.startswith("error: ")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (b"caf\xe9", "val has an image whose name is no UTF-8, near "),
        (b"a\nb", r"val has an image named 'n02084071/a\nb', with an unprintable character"),
    ],
)
def test_names_that_arrow_or_a_message_cannot_hold(tree, tmp_path, name, said):
    put(tree / "val/n02084071" / os.fsdecode(name + b".JPEG"), VAL["ILSVRC2012_val_00000001"])
    with pytest.raises(UserError) as caught:
        pack(str(tree), str(tmp_path / "store"))
    assert said in str(caught.value)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("benchmark", ["coco", "driving"])
def test_other_benchmarks_are_not_packed(benchmark, tmp_path, capsys):
    assert main(["data", benchmark, f"--data={tmp_path}", f"--pack={tmp_path / 'store'}"]) == 2
    assert f"make data-{benchmark} takes no PACK; data-imagenet does" in capsys.readouterr().err


def test_the_command_says_one_line(tree, tmp_path):
    def run(pack):
        command = [sys.executable, "-m", "benchmarks", "data", "imagenet", f"--data={tree}", f"--pack={pack}"]
        return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)

    bad = run(tree)
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)
    assert re.match(r"error: PACK=.* Set PACK to a folder of its own\.\n", bad.stderr)
    good = run(tmp_path / "store")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.splitlines() == [
        f"{tmp_path / 'store'}: {name} is packed, {count} images of 3 classes in 1 file"
        for name, count in (("val", len(VAL)), ("train", len(TRAIN)))
    ]
