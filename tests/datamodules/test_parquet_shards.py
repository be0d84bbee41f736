"""Parquet of every data set where `datasets` has no room for its copy, or says only at second hand what went wrong."""

import datasets
import pytest
from pyarrow import parquet as pq

from datamodules.layouts import imagenet, imdb, wmt
from tests.datamodules import imagenet_trees, imdb_forms, wmt_forms
from tests.refusals import refusal

pytestmark = pytest.mark.usefixtures("own_cache")

OPEN = {
    "imagenet": (imagenet_trees.write_parquet, lambda root: imagenet.open_split(root, "train")),
    "imdb": (imdb_forms.hub_tree, lambda root: imdb.open_reviews(root, "train")),
    "wmt": (lambda root: wmt_forms.hub_tree(root / "de-en", "wmt14"), wmt.open_training),
}


def generation(cause):
    """As `datasets` wraps whatever goes wrong while it writes its copy."""
    error = datasets.exceptions.DatasetGenerationError("An error occurred while generating the dataset")
    error.__cause__ = cause
    return error


FULL = {
    "disk": generation(OSError(28, "No space left on device")),
    "quota": generation(OSError(122, "Disk quota exceeded")),
    "Arrow": generation(OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device")),
    "download": OSError(28, "No space left on device"),
    "the hub's client": RuntimeError("Data processing error: IO Error: No space left on device (os error 28)"),
    "as foreseen": OSError("Not enough disk space. Needed: 135.00 GiB (download: 0 bytes, generated: 135.00 GiB"),
}


def failing(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)


@pytest.mark.parametrize("form", ["folder", "hub"])
@pytest.mark.parametrize("dataset", OPEN)
@pytest.mark.parametrize("error", FULL.values(), ids=FULL.keys())
def test_a_copy_without_room_is_no_fault_of_the_shards(tmp_path, monkeypatch, dataset, form, error):
    write, call = OPEN[dataset]
    write(tmp_path)
    failing(monkeypatch, error)
    message = refusal(call, f"hf:{tmp_path}" if form == "hub" else str(tmp_path))
    assert message.startswith(
        f"there is no room for train, of which `datasets` writes a copy to {datasets.config.HF_DATASETS_CACHE}: "
    )
    assert str(error.__cause__ or error) in message
    assert message.endswith("Make room there, or set HF_HOME to a folder on a larger disk.")


@pytest.mark.parametrize("dataset", OPEN)
def test_the_cause_is_told_and_not_that_there_is_one(tmp_path, monkeypatch, dataset):
    write, call = OPEN[dataset]
    write(tmp_path)
    failing(monkeypatch, generation(ValueError("page 3 is broken")))
    assert f"in {tmp_path} cannot be read: page 3 is broken\nFetch them again." in refusal(call, str(tmp_path))
    message = refusal(call, f"hf:{tmp_path}")
    assert f"DATA=hf:{tmp_path}: the hub gave no " in message
    assert "train-*.parquet: page 3 is broken\nCheck name and network." in message


def test_the_disk_itself_is_full(tmp_path, monkeypatch):
    """What reaches us of a real write that fails."""
    imagenet_trees.write_parquet(tmp_path)

    def full(writer, table, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("datasets.arrow_writer.ArrowWriter.write_table", full)
    assert refusal(imagenet.open_split, str(tmp_path), "train").startswith("there is no room for train, of which ")


@pytest.mark.parametrize("dataset", OPEN)
def test_an_empty_shard_is_passed_over_and_empty_ones_alone_are_said_to_be(tmp_path, dataset):
    write, call = OPEN[dataset]
    write(tmp_path)
    shards = sorted(path for path in tmp_path.rglob("*.parquet") if path.name.startswith("train-"))
    whole = len(call(str(tmp_path)))
    table = pq.read_table(shards[0])
    empty = shards[0].with_name("train-00009-of-00010.parquet")
    pq.write_table(table.slice(0, 0), empty)
    count = len(shards) + 1
    for number, path in enumerate([*shards, empty]):
        path.rename(path.with_name(f"train-{number:05d}-of-{count:05d}.parquet"))
    assert len(call(str(tmp_path))) == whole
    for path in tmp_path.rglob("train-*.parquet"):
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert "no rows. Fetch the shards of train again" in refusal(call, str(tmp_path))
