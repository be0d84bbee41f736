"""Disks that are full or may not be written to: one message, exit code 2, and nothing half-written."""

import errno

import pytest
import torch

from benchmarks.checkpointing import AtomicCheckpointIO
from benchmarks.errors import UserError
from benchmarks.files import write_atomically
from tests.benchmarks.conftest import mounted, write_predictions


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
