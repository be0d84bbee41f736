"""`make data-imagenet PACK=`: what is packed reads as what it came from, whole or not at all."""

import os
import pickle
import re
import shutil
import subprocess
import sys
from fcntl import LOCK_EX, flock

import datasets
import pyarrow
import pytest

from benchmarks.cli import main
from benchmarks.errors import UserError
from datamodules.layouts import imagenet_arrow
from datamodules.layouts.imagenet import check, open_split, truth
from datamodules.layouts.images import verify
from datamodules.preparation import archives, imagenet, imagenet_pack
from datamodules.preparation.imagenet_pack import pack
from tests.conftest import ROOT
from tests.datamodules.archives import full_disk, names
from tests.datamodules.imagenet_trees import TRAIN, VAL, put, write_flat, write_folders, write_parquet
from tests.datamodules.test_imagenet import data, drawn

SMALL = 2200  # bytes: two of the trees' images, so that a train of six takes three files
TRAIN_FILES = [f"train-0000{number}-of-00003.arrow" for number in range(3)]
VAL_FILES = [f"val-0000{number}-of-00003.arrow" for number in range(3)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


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


@pytest.mark.parametrize("write", [write_folders, write_flat, write_parquet])
def test_every_form_is_packed_as_it_is(tmp_path, write, capsys):
    source, store = tmp_path / "source", tmp_path / "new" / "store"
    write(source)
    pack(str(source), str(store), SMALL)
    assert_same(store, source)
    assert found_in(store) == TRAIN_FILES + VAL_FILES
    assert f"{store}: val is packed, 5 images of 3 classes in 3 files" in capsys.readouterr().out
    assert check(str(store), training=True, full=False) == []
    verify(open_split(str(store), "train"), workers=2)
    pack(str(store), str(tmp_path / "again"))
    assert_same(tmp_path / "again", source)
    assert found_in(tmp_path / "again") == ["train-00000-of-00001.arrow", "val-00000-of-00001.arrow"]


@pytest.mark.parametrize("workers", [0, 2])
def test_training_and_truth_from_a_store_are_the_trees_bit_for_bit(small_tree, tmp_path, workers):
    pack(str(small_tree), str(tmp_path), 2**17)
    assert len(names(tmp_path)) > 4
    batches = drawn(data(tmp_path, workers=workers), 2)
    assert len(batches) > 200
    assert batches == drawn(data(small_tree), 2)
    found, expected = truth(str(tmp_path), "val"), truth(str(small_tree), "val")
    assert (found.ids, found.labels.tolist()) == (expected.ids, expected.labels.tolist())


def test_the_files_are_those_of_the_datasets_library(store, tree):
    rows = [row for name in TRAIN_FILES for row in datasets.Dataset.from_file(str(store / name))]
    assert [row["image"].size for row in rows] == [(24, 20)] * 6
    bare = datasets.Dataset.from_file(str(store / TRAIN_FILES[0])).cast_column("image", datasets.Image(decode=False))
    assert bare.features["label"].names == ["n01440764", "n02084071", "n07583066"]
    assert bare[1] == {
        "image": {"path": "n01440764/n01440764_7.JPEG", "bytes": TRAIN["n01440764/n01440764_7"]}, "label": 0
    }  # fmt: skip


def test_a_worker_gets_a_small_pickle_that_reads(store):
    split = open_split(str(store), "train")
    sent = pickle.dumps(split)
    assert split.read(5) == TRAIN["n07583066/n07583066_7"]
    assert pickle.dumps(split) == sent
    assert len(sent) < 2000
    copy = pickle.loads(sent)
    assert [copy.read(index) for index in range(6)] == list(TRAIN.values())
    assert copy.where(3) == split.where(3) == f"{store / TRAIN_FILES[1]}, row 1 (n02084071/n02084071_7)"
    (store / TRAIN_FILES[2]).unlink()
    with pytest.raises(UserError, match=TRAIN_FILES[2]):
        pickle.loads(sent).read(4)


def test_batches_of_a_file_are_found(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(imagenet_pack, "BATCH_BYTES", 1)
    monkeypatch.setattr(imagenet_pack, "READERS", 2)
    pack(str(tree), str(tmp_path / "store"))
    (file,) = (tmp_path / "store").glob("train-*")
    with pyarrow.ipc.open_stream(str(file)) as stream:
        assert [len(batch) for batch in stream] == [2, 2, 2]
    assert_same(tmp_path / "store", tree)


def test_a_store_is_ready(store, capsys):
    imagenet.prepare(str(store), imagenet.Release(num_train=6, num_val=5, num_classes=3))
    assert f"{store}: train is complete, 6 images of 3 classes" in capsys.readouterr().out


def test_validation_images_alone_are_packed(tree, tmp_path):
    shutil.rmtree(tree / "train")
    pack(str(tree), str(tmp_path / "store"))
    assert found_in(tmp_path / "store") == ["val-00000-of-00001.arrow"]
    put(tree / "ILSVRC2012_img_train.tar")
    with pytest.raises(UserError, match="still packed"):
        pack(str(tree), str(tmp_path / "store"))
    with pytest.raises(UserError, match="holds val but no train"):
        open_split(str(tmp_path / "store"), "train")


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


# What is wrong with a store.


def cut(path, size=None):
    os.truncate(path, path.stat().st_size // 2 if size is None else size)


def without_end(path):
    """Cut between two messages, where Arrow itself sees nothing missing."""
    cut(path, path.stat().st_size - 8)


def damage(path):
    """The offsets of the first column lead out of the file."""
    (batch,) = pyarrow.ipc.open_stream(str(path))
    offsets = batch.column("image").field("bytes").buffers()[1].to_pybytes()[:12]
    whole = path.read_bytes()
    assert whole.count(offsets) >= 1
    path.write_bytes(whole.replace(offsets, b"\0\0\0\0" + b"\xff\xff\xff\x7f" * 2, 1))


def foreign(**columns):
    def write(path):
        table = datasets.Dataset.from_dict(columns).data.table
        with pyarrow.ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table)

    return write


def relabelled(path):
    """A file of a packing with other classes."""
    table = pyarrow.ipc.open_stream(str(path)).read_all()
    with pyarrow.ipc.new_stream(str(path.with_name("new")), imagenet_arrow.schema_of(["a", "b", "c"])) as stream:
        stream.write_table(table.cast(imagenet_arrow.schema_of(["a", "b", "c"])))
    path.with_name("new").rename(path)


PACK_AGAIN = "make data-imagenet DATA=<where the images came from> PACK="
BROKEN = {
    "missing": (lambda path: path.unlink(), ["has 2 Arrow shards of val", "there are 3", PACK_AGAIN]),
    "half": (cut, [VAL_FILES[1], "it was cut short", "Remove it", PACK_AGAIN]),
    "without its end": (without_end, [VAL_FILES[1], "it was cut short", PACK_AGAIN]),
    "empty": (lambda path: cut(path, 0), [VAL_FILES[1], "no whole Arrow file", PACK_AGAIN]),
    "no Arrow": (lambda path: path.write_bytes(b"<html>404</html>" * 99), [VAL_FILES[1], "Remove it", PACK_AGAIN]),
    "noise": (lambda path: path.write_bytes(os.urandom(999) + imagenet_arrow.END), [VAL_FILES[1], "no whole"]),
    "damaged": (damage, [VAL_FILES[1], "no whole Arrow file", PACK_AGAIN]),
    "other columns": (foreign(a=[1]), [VAL_FILES[1], "it has columns a, not image (bytes, path) and label"]),
    "no bytes": (
        foreign(image=[{"bytes": b"", "path": "a.JPEG"}, {"bytes": None, "path": "b.JPEG"}], label=[0, 0]),
        [VAL_FILES[1], "rows without image"],
    ),
    "no suffix": (
        foreign(image=[{"bytes": b"", "path": "a.JPEG"}, {"bytes": b"", "path": "b"}], label=[0, 0]),
        [VAL_FILES[1], "a path without a suffix", "Remove it"],
    ),
    "no suffix in a folder with one": (
        foreign(image=[{"bytes": b"", "path": "a.b/c"}], label=[0]),
        [VAL_FILES[1], "a path without a suffix"],
    ),
    "no name": (
        foreign(image=[{"bytes": b"", "path": "a/.JPEG"}], label=[0]),
        [VAL_FILES[1], "a path without a suffix"],
    ),
    "no class names": (foreign(image=[{"bytes": b"", "path": "a.JPEG"}], label=[0]), ["no one pack", PACK_AGAIN]),
    "other classes": (relabelled, ["no one pack", "their classes differ", PACK_AGAIN]),
    "twice the same": (lambda path: shutil.copy(path.with_name(VAL_FILES[0]), path), ["an image is in two"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_store_is_one_message(store, case):
    harm, expected = BROKEN[case]
    harm(store / VAL_FILES[1])
    with pytest.raises(UserError) as caught:
        open_split(str(store), "val")
    assert [part for part in [str(store), *expected] if part not in str(caught.value)] == [], str(caught.value)
    assert len(open_split(str(store), "train")) == 6


def test_a_store_without_a_class_name(tmp_path):
    foreign(image=[{"bytes": b"", "path": "a.JPEG"}], label=[0])(tmp_path / "val-00000-of-00001.arrow")
    with pytest.raises(UserError, match=r"labels without a class name\. Remove them"):
        open_split(str(tmp_path), "val")


@pytest.mark.parametrize(
    ("error", "said"),
    [(PermissionError(13, "Permission denied"), "Permission denied"), (OSError(5, "x"), "output error")],
)
def test_a_file_that_cannot_be_read_need_not_go(store, monkeypatch, error, said):
    def refuse(_):
        raise error

    monkeypatch.setattr(pyarrow, "memory_map", refuse)
    with pytest.raises(UserError) as caught:
        open_split(str(store), "val")
    message = str(caught.value)
    assert message.startswith(f"{store / VAL_FILES[0]} cannot be read: ")
    assert message.endswith(f"{said}. Check its permissions and the disk.")


def test_a_store_whose_path_is_no_utf8(store, tmp_path):
    moved = store.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    with pytest.raises(UserError, match=r"caf\\udce9/val-.*' is no path in UTF-8, which Arrow needs"):
        open_split(str(moved), "val")


# What is wrong with a command.


def packed(tmp_path):
    """A store in files of another size."""
    pack(str(tmp_path / "tree"), str(tmp_path / "store"), SMALL)


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
    "no UTF-8": (lambda tmp_path: None, os.fsdecode(b"caf\xe9/store"), "is no path in UTF-8, which Arrow needs"),
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
        (b"caf\xe9", r"'n02084071/caf\udce9', which is no UTF-8"),
        (b"a\nb", r"'n02084071/a\nb', with an unprintable character"),
    ],
)
def test_names_that_arrow_or_a_message_cannot_hold(tree, tmp_path, name, said):
    put(tree / "val/n02084071" / os.fsdecode(name + b".JPEG"), VAL["ILSVRC2012_val_00000001"])
    with pytest.raises(UserError) as caught:
        pack(str(tree), str(tmp_path / "store"))
    assert f"val has an image named {said}" in str(caught.value)
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
