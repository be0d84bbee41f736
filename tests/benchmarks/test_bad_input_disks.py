"""Disks that are full or may not be written to: one message, exit code 2, and nothing half-written."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy

from benchmarks.checkpointing import AtomicCheckpointIO
from benchmarks.curves import Curves
from benchmarks.errors import UserError
from benchmarks.files import write_atomically
from benchmarks.predictions import PredictionShards
from tests.benchmarks.conftest import mounted, write_predictions
from tests.datamodules.test_faults import refusing
from tests.results.records import copy_committed, put, record


def test_a_full_disk_leaves_no_record(desk):
    predictions = write_predictions(desk.tmp / "predictions.csv", desk.tree)
    with mounted(desk.root / "results/records", "size=8k") as records:
        (records / "filler").write_bytes(bytes(8192))
        code, _, err = desk.call(
            "validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--predictions={predictions}"
        )
        assert code == 2
        assert "cannot write results/records/imagenet/mini-validate-" in err
        assert "the disk is full; free some space and run the same command again" in err
        assert [path for path in records.rglob("*") if path.is_file()] == [records / "filler"]


def test_a_read_only_folder(desk):
    predictions = write_predictions(desk.tmp / "predictions.csv", desk.tree)
    with mounted(desk.root / "results/records", "size=1m,ro"):
        code, _, err = desk.call(
            "validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--predictions={predictions}"
        )
    assert code == 2
    assert "cannot write results/records/imagenet" in err
    assert "the file system is read-only; work in a copy of the repository" in err


def test_a_run_on_a_read_only_folder(desk):
    with mounted(desk.root / "results/runs", "size=1m,ro"):
        code, out, err = desk.call("run", "imagenet", "--seeds=0", "--profile=mini", f"--data={desk.tree}")
    assert code == 2
    assert "the file system is read-only" in err
    assert "training" not in out


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EROFS"])
def test_a_disk_that_refuses_what_libraries_write(desk, monkeypatch, number):
    def refuse(*_):
        raise OSError(getattr(errno, number), "no")

    monkeypatch.setattr("benchmarks.commands.write_tables", refuse)
    code, _, err = desk.call("tables")
    assert code == 2
    assert err.startswith("error: cannot write ")


@pytest.mark.parametrize("command", ["tables", "verify"])
def test_records_that_may_not_be_read_are_not_left_out(desk, monkeypatch, command):
    """Or a colleague's private folder would turn his rows into `not run`."""
    put(desk.root, record())
    before = desk.files()
    refusing(monkeypatch, Path, "iterdir", "records/imagenet")
    code, out, err = desk.call(command)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: permission denied: results/records/imagenet. Have its owner open it")
    assert desk.files() == before


@pytest.mark.parametrize("call", ["is_file", "open"])
def test_predictions_that_may_not_be_read_leave_their_record_unchecked_and_no_other(desk, monkeypatch, call):
    closed, other = (f"full-hopper-ppo-s{seed}-de3eff10c1ff" for seed in (2, 3))
    for each in (closed, other):
        copy_committed(desk, "locomotion_walk", each)
    refusing(monkeypatch, Path, call, f"{closed}/episodes.csv")
    code, out, _ = desk.call("verify")
    first, second, *_ = out.splitlines()
    assert code == 0
    assert first.startswith(f"unchecked locomotion_walk {closed}: ")
    assert f"permission denied: results/records/locomotion_walk/{closed}/episodes.csv. Have" in first
    assert second.startswith(f"ok     locomotion_walk {other}: ")


@pytest.mark.parametrize(
    ("closed", "data", "said"),
    [
        ("runs/imagenet/*", ["--data={}"], "permission denied: results/runs/imagenet/mini-s0-"),
        ("miniature/imagenet", [], "cannot write data/miniature/imagenet: permission denied; make"),
    ],
)
def test_a_folder_of_another_user_is_named(desk, monkeypatch, closed, data, said):
    refusing(monkeypatch, Path, "exists", closed)
    given = [each.format(desk.tree) for each in data]
    code, _, err = desk.call("run", "imagenet", "--profile=mini", "--seeds=0", *given)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"error: {said}")


def test_other_errors_of_the_system_are_no_mistake_of_the_user(desk, monkeypatch):
    monkeypatch.setattr(
        "benchmarks.commands.write_tables", lambda: (_ for _ in ()).throw(ConnectionResetError(104, "gone"))
    )
    with pytest.raises(ConnectionResetError):
        desk.call("tables")


def test_a_checkpoint_on_a_full_disk(desk):
    with mounted(desk.tmp / "small", "size=1m") as folder:
        AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(1000)}, folder / "last.ckpt")
        before = (folder / "last.ckpt").read_bytes()
        with pytest.raises(UserError, match="the disk is full"):
            AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(1_000_000)}, folder / "last.ckpt")
        assert (folder / "last.ckpt").read_bytes() == before
        assert [path.name for path in folder.iterdir()] == ["last.ckpt"]


def rank_zero(metrics):
    """What curves and predictions ask of a Trainer."""
    return SimpleNamespace(
        is_global_zero=True, global_rank=0, global_step=1, sanity_checking=False, strategy=SingleDeviceStrategy(),
        callback_metrics=metrics,
    )  # fmt: skip


@pytest.mark.parametrize("length", [10, 10_000])  # no more than a file's buffer holds, or more
def test_predictions_on_a_full_disk_are_named(tmp_path, length):
    def predict():
        shards.on_test_batch_end(trainer, None, {"index": [0], "predictions": ["x" * length]}, None, 0)
        shards.on_test_end(trainer, None)

    with mounted(tmp_path / "small", "size=4k") as folder:
        shards, trainer = PredictionShards([folder / "val"]), rank_zero({})
        shards.on_test_start(trainer, None)
        (folder / "filler").write_bytes(bytes(4096))
        with pytest.raises(UserError, match=r"^cannot write .*small/val/shard-0\.jsonl: the disk is full; free some"):
            predict()


def test_a_curve_on_a_full_disk_is_named(tmp_path):
    with mounted(tmp_path / "small", "size=4k") as folder:
        (folder / "filler").write_bytes(bytes(4096))
        with pytest.raises(UserError, match=r"^cannot write .*small/metrics\.csv: the disk is full; free some space"):
            Curves(folder / "metrics.csv", None).on_validation_end(rank_zero({"val/loss": 1.0}), None)


def test_a_file_that_cannot_be_synced(tmp_path, monkeypatch):
    """The same without the right to mount: what the file system says when the bytes should reach the disk."""

    def full(_):
        raise OSError(28, "No space left on device")

    write_atomically(tmp_path / "file", b"old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"cannot write .*file: the disk is full"):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
