"""`make data-imagenet PACK=`: what is packed reads as what it came from."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import datasets
import pyarrow
import pytest

from benchmarks.errors import UserError
from datamodules.layouts.imagenet import check, open_split, truth
from datamodules.layouts.images import verify
from datamodules.preparation import imagenet, imagenet_pack
from datamodules.preparation.imagenet_pack import pack
from tests.datamodules import imagenet_stores
from tests.datamodules.archives import names
from tests.datamodules.imagenet_stores import SMALL, TRAIN_FILES, VAL_FILES, assert_same, found_in
from tests.datamodules.imagenet_trees import TRAIN, put, write_flat, write_folders, write_parquet
from tests.datamodules.test_imagenet import data, drawn

pytestmark = pytest.mark.usefixtures("own_cache")
tree, store = imagenet_stores.tree, imagenet_stores.store


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


@pytest.mark.parametrize("form", [pack, lambda tree, root: write_parquet(Path(root))], ids=["packed", "parquet"])
def test_an_opened_image_is_where_its_file_is_mapped(tree, tmp_path, form):
    form(str(tree), str(tmp_path / "arrow"))
    for split in (open_split(str(tmp_path / "arrow"), name) for name in ("train", "val")):
        for index in range(len(split)):
            with split.open(index) as stream:
                assert mapped_at(stream.read_buffer().address).endswith(".arrow")


def mapped_at(address):
    """The file that is mapped there, if one is."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, *_, name = line.split(maxsplit=5)
        begin, end = (int(bound, 16) for bound in bounds.split("-"))
        if begin <= address < end:
            return name
    return ""


def test_batches_of_a_file_are_found(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(imagenet_pack, "BATCH_BYTES", 1)
    monkeypatch.setattr(imagenet_pack, "READERS", 2)
    pack(str(tree), str(tmp_path / "store"))
    (file,) = (tmp_path / "store").glob("train-*")
    with pyarrow.ipc.open_stream(str(file)) as stream:
        assert [len(batch) for batch in stream] == [2, 2, 2]
    assert_same(tmp_path / "store", tree)


def test_a_store_is_ready(store, capsys):
    imagenet.prepare(str(store), replace(imagenet.RELEASE, counts={"train": 6, "val": 5, "classes": 3}))
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
