"""ImageNet's forms on disk, each written for real and read back: the same labels and bytes, or one clear message."""

import pickle
import shutil
from pathlib import Path

import datasets
import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from benchmarks.errors import UserError
from datamodules.layouts.imagenet import open_split
from datamodules.layouts.imagenet_split import require_two_splits
from datamodules.layouts.images import verify
from tests.datamodules.imagenet_trees import (
    DEVKIT_ORDER,
    TRAIN,
    VAL,
    VAL_LABELS,
    WNIDS,
    encoded,
    put,
    write_flat,
    write_folders,
    write_parquet,
)

pytestmark = pytest.mark.usefixtures("own_cache")


FORMS = {
    "folders": write_folders,
    "flat": write_flat,
    "parquet": write_parquet,
    "parquet in data": lambda root: write_parquet(root / "data"),
    "names not sorted": lambda root: write_parquet(root, DEVKIT_ORDER),
    "hub": lambda root: write_parquet(root / "data"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_labels_and_bytes(tmp_path, form):
    FORMS[form](tmp_path)
    root = f"hf:{tmp_path}" if form == "hub" else str(tmp_path)
    train, val = open_split(root, "train"), open_split(root, "val")
    assert train.classes == val.classes == WNIDS
    require_two_splits(train, val)
    for split, images in ((train, TRAIN), (val, VAL)):
        read = {Path(name).name: split.read(index) for index, name in enumerate(split.ids)}
        assert read == {Path(name).name: data for name, data in images.items()}
        verify(split, workers=2)
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    found = {Path(name).name: int(label) for name, label in zip(val.ids, val.labels, strict=True)}
    assert found == dict(zip(VAL, VAL_LABELS, strict=True))
    assert val.labels.dtype == np.int64


def test_ids_are_paths_below_the_split(tmp_path):
    write_folders(tmp_path / "a")
    write_flat(tmp_path / "b")
    write_parquet(tmp_path / "c", paths=False)
    assert open_split(str(tmp_path / "a"), "val").ids[0] == "n01440764/ILSVRC2012_val_00000002"
    assert open_split(str(tmp_path / "b"), "val").ids[4] == "ILSVRC2012_val_00000005"
    assert open_split(str(tmp_path / "c"), "train").ids == tuple(f"train-{row}" for row in range(6))


@pytest.mark.parametrize("form", ["folders", "parquet"])
def test_a_worker_gets_a_small_pickle_that_reads(tmp_path, form):
    FORMS[form](tmp_path)
    split = open_split(str(tmp_path), "train")
    sent = pickle.dumps(split)
    assert len(split.ids) == 6
    assert pickle.dumps(split) == sent
    copy = pickle.loads(sent)
    assert [copy.read(index) for index in range(6)] == list(TRAIN.values())
    assert copy.where(3) == split.where(3)
    assert str(tmp_path) in split.where(3)


def test_names_that_are_no_wnids_keep_their_order(tmp_path):
    """The hub's English names stand in the order of the sorted wnids; sorted themselves they'd shuffle the classes."""
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["tench", "dog", "apple"]))
    rows = {"image": [{"bytes": encoded(0), "path": None}] * 3, "label": [0, 2, 1]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "train-00000-of-00001.parquet")
    split = open_split(str(tmp_path), "train")
    assert split.classes == ("tench", "dog", "apple")
    assert split.labels.tolist() == [0, 2, 1]


ENGLISH = ("tench", "dog", "apple")


@pytest.mark.parametrize("wnids", [WNIDS, DEVKIT_ORDER])
def test_the_paths_of_the_hub_tell_the_wnids(tmp_path, wnids):
    """Its classes are called tench, Tinca tinca; its images n01440764_10026_n01440764.JPEG."""
    write_parquet(tmp_path / "hub", wnids, classes=ENGLISH, suffix="_{}")
    write_folders(tmp_path / "folders")
    for name in ("train", "val"):
        hub, folders = open_split(str(tmp_path / "hub"), name), open_split(str(tmp_path / "folders"), name)
        assert hub.classes == folders.classes == WNIDS
        labels = {hub.read(index): int(label) for index, label in enumerate(hub.labels)}
        assert labels == {folders.read(index): int(label) for index, label in enumerate(folders.labels)}


@pytest.mark.parametrize(
    ("paths", "labels"),
    [
        (["a_n01440764", "b_n02084071", "c_n01440764"], [0, 1, 2]),
        (["a_n01440764", "b_n02084071", "c_n07583066", "d_n02084071"], [0, 1, 2, 0]),
        (["a_n01440764", "b_n02084071"], [0, 1]),
        (["a_n01440764", "b_n02084071", "c"], [0, 1, 2]),
        (["a_n01440764", "b_n02084071", None], [0, 1, 2]),
    ],
    ids=["one of two labels", "two of a label", "a label without images", "none in a path", "no path"],
)
def test_paths_that_leave_a_wnid_open_tell_none(tmp_path, paths, labels):
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=list(ENGLISH)))
    images = [{"bytes": encoded(0), "path": path and f"{path}.JPEG"} for path in paths]
    rows = datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)
    rows.to_parquet(tmp_path / "train-00000-of-00001.parquet")
    split = open_split(str(tmp_path), "train")
    assert (split.classes, split.labels.tolist()) == (ENGLISH, labels)


@pytest.mark.parametrize("image", [None, {"bytes": None, "path": "b.JPEG"}])
def test_a_row_without_image_bytes_is_named(tmp_path, image):
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=list(ENGLISH)))
    rows = {"image": [{"bytes": encoded(0), "path": "a.JPEG"}, image], "label": [0, 1]}
    table = pyarrow.table(rows, features.arrow_schema)
    parquet.write_table(table, tmp_path / "train-00000-of-00001.parquet")
    split = open_split(str(tmp_path), "train")
    with pytest.raises(UserError, match=r"row 1 of train .* cannot be read \(.* no image bytes\).*1 of 2"):
        verify(split, workers=1)
    assert split.read(0) == encoded(0)


def test_stray_files_are_ignored_and_all_suffixes_taken(tmp_path):
    write_folders(tmp_path)
    for stray in (".DS_Store", "README", "train/Thumbs.db", "train/n01440764/.DS_Store", "train/n01440764/._a.JPEG"):
        put(tmp_path / stray, b"stray")
    put(tmp_path / "train/.ipynb_checkpoints/a.JPEG", b"stray")
    for name in ("a.jpeg", "b.jpg", "c.JPG", "d.png"):
        put(tmp_path / "train/n01440764" / name, encoded(0))
    names = [name for name in open_split(str(tmp_path), "train").ids if name.startswith("n01440764")]
    assert names == [f"n01440764/{name}" for name in ("a", "b", "c", "d", "n01440764_2", "n01440764_7")]


def test_flat_images_may_have_their_wnids_behind_their_numbers(tmp_path):
    """As those of the hub's archives do."""
    write_flat(tmp_path)
    before = open_split(str(tmp_path), "val").labels.tolist()
    for path in (tmp_path / "val").iterdir():
        path.rename(path.with_name(f"{path.stem}_n01440764.JPEG"))
    assert open_split(str(tmp_path), "val").labels.tolist() == before


def test_only_the_split_asked_for_must_be_there(tmp_path):
    write_flat(tmp_path)
    shutil.rmtree(tmp_path / "train")
    assert len(open_split(str(tmp_path), "val")) == 5


def test_the_hub_is_asked_for_one_split_alone(tmp_path):
    write_parquet(tmp_path / "data")
    for shard in (tmp_path / "data").glob("train-*"):
        put(shard, b"were this fetched, it would be an error")
    assert len(open_split(f"hf:{tmp_path}", "val")) == 5


def test_classes_that_differ_are_listed(tmp_path):
    write_folders(tmp_path)
    (tmp_path / "val/n02084071").rename(tmp_path / "val/n02084072")
    with pytest.raises(UserError, match=r"(?s)train \(3\) and val \(3\) differ.*train: n02084071.*val: n02084072"):
        require_two_splits(open_split(str(tmp_path), "train"), open_split(str(tmp_path), "val"))


def test_an_image_that_is_tested_must_not_be_trained_on(tmp_path):
    write_folders(tmp_path)
    tested = sorted((tmp_path / "val").glob("*/*.JPEG"))[2]
    taught = tmp_path / "train/n01440764" / tested.name
    put(taught, encoded(99))
    splits = [open_split(str(tmp_path), split) for split in ("train", "val")]
    require_two_splits(*splits)  # of one name and no more
    put(taught, tested.read_bytes())
    with pytest.raises(UserError, match=rf"{tested} is {taught}, byte for byte"):
        require_two_splits(*splits)


JPEG = encoded(5)
THUMBNAIL = JPEG[:2] + b"\xff\xe1" + (len(JPEG) + 2).to_bytes(2, "big") + JPEG + JPEG[2:]  # a whole JPEG in its header


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (JPEG + b"\0" * 60_000, None),
        (JPEG + b"\xff\xda junk that looks like a scan", None),
        (THUMBNAIL, None),
        (encoded(5, "PNG"), None),
        (encoded(5, "PNG") + b"junk", None),
        (b"", "is empty"),
        (JPEG[:-300], "truncated JPEG"),
        (THUMBNAIL[:-300], "truncated JPEG"),
        (encoded(5, "PNG")[:-12], "truncated PNG"),
        (JPEG[:3], "truncated JPEG"),
        (b"<html>404</html>", "neither JPEG nor PNG"),
    ],
)
def test_verify_finds_broken_files(tmp_path, data, reason):
    write_folders(tmp_path)
    for name in ("n02084071/n02084071_2", "n07583066/n07583066_7"):
        put(tmp_path / f"train/{name}.JPEG", data)
    split = open_split(str(tmp_path), "train")
    if reason is None:
        verify(split, workers=2)
        return
    with pytest.raises(
        UserError, match=rf"n02084071_2\.JPEG is .*{reason.removeprefix('is ')}.*2 of 6 images of train"
    ):
        verify(split, workers=2)


def test_a_file_that_vanishes_is_named(tmp_path):
    write_folders(tmp_path)
    split = open_split(str(tmp_path), "train")
    (tmp_path / "train/n02084071/n02084071_2.JPEG").unlink()
    with pytest.raises(UserError, match=r"n02084071_2\.JPEG cannot be read: No such file"):
        split.read(2)
    with pytest.raises(UserError, match=r"n02084071_2\.JPEG cannot be read .*1 of 6"):
        verify(split, workers=1)
