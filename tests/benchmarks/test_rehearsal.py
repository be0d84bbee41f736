"""`--rehearse`: the run in small, at its real world size; no trace of it stays."""

import re
from types import SimpleNamespace

import pytest

from benchmarks import rehearsal
from benchmarks.checkpointing import LAST
from benchmarks.rehearsal import _forecast
from benchmarks.schema import Throughput
from tests.conftest import short


def files(folder):
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_rehearsal_says_what_to_expect_and_leaves_nothing(devices, workshop, small_tree):
    before = files(workshop.root / "results")
    process = workshop.start(
        "reproduce", "imagenet", "--profile=mini", f"--data={small_tree}", "--rehearse", f"--devices={devices}",
        short(**{"trainer.max_epochs": 40}),
    )  # fmt: skip
    code, out, err = process.wait()
    assert (code, err) == (0, ""), (out, err)
    assert "20 steps with a stop and a resume" in out
    assert re.search(r"^peak memory: \d+\.\d GiB", out, re.MULTILINE)
    assert re.search(r"^speed: \d+ images/s", out, re.MULTILINE)
    assert re.search(r"^estimated end: \d{4}-\d\d-\d\d \d\d:\d\d", out, re.MULTILINE)
    assert process.members() == []
    assert workshop.runs() == workshop.records() == []
    assert files(workshop.root / "results") == before


def forecast_of(tmp_path, on_gpu=False, tested=True, every=None):
    """Of 37 epochs of 10 steps, 3 batches of validation and 5 of testing, a tenth of it rehearsed; 14 bytes on disk."""
    (tmp_path / LAST).write_bytes(b"a checkpoint..")
    loaders = {"val_dataloader": lambda: range(3), "test_dataloader": lambda: range(5)}
    data = SimpleNamespace(unit="images", steps_per_epoch=10, step_size=16, **loaders)
    module = SimpleNamespace(global_step=37, to_come=lambda share: round(share * 2**40))
    resolved = {"trainer": {"max_epochs": 37, "check_val_every_n_epoch": every}}
    assembly = SimpleNamespace(datamodule=data, module=module, resolved=resolved, on_gpu=on_gpu, processes=1)
    stage = SimpleNamespace(name="", assembly=assembly, folder=tmp_path, tested=tested)
    meter = SimpleNamespace(measured=lambda unit: Throughput(f"{unit}/s", 8.0, 0.0))
    evaluation = SimpleNamespace(seconds=lambda kind, batches: {"validation": 7, "test": 11}[kind] * batches)
    return _forecast(stage, meter, evaluation)


@pytest.mark.parametrize(
    ("tested", "every", "seconds"),
    [(True, 4, 9 * 3 * 7 + 5 * 11), (True, 1, 37 * 3 * 7 + 5 * 11), (False, 40, 0), (False, None, 37 * 3 * 7)],
)
def test_epochs_that_are_not_validated_take_no_time_for_it(tested, every, seconds, tmp_path):
    """Of 37 epochs every fourth is: 9 times 3 batches of 7 seconds; then 5 batches of 11 are tested."""
    forecast = forecast_of(tmp_path, tested=tested, every=every)
    assert (forecast.steps, forecast.training, forecast.evaluation) == (370, 740, seconds)


@pytest.mark.parametrize(("on_gpu", "times"), [(False, 2), (True, 0)])
def test_what_is_yet_to_be_remembered_counts_in(on_gpu, times, tmp_path, monkeypatch):
    """In each of the three checkpoints that are kept and in the one being written; in memory also as one is read."""
    monkeypatch.setattr(rehearsal, "peak_memory", lambda on_gpu: 2**30)
    forecast, more = forecast_of(tmp_path, on_gpu), round(2**40 / 10)
    assert forecast.disk * 2**30 == 5 * (14 + more)
    assert forecast.memory * 2**30 == 2**30 + times * more
