"""What a run's callbacks say of a system or a datamodule that is not finished."""

import json
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy

from benchmarks.callbacks import Checkpoints
from benchmarks.predictions import PredictionShards
from tests.refusals import assert_told, refusal


class Guesser:
    """Whose outputs are written."""


@pytest.fixture
def write(tmp_path):
    """Writes what a test step returned."""
    shards = PredictionShards([tmp_path])
    alone = SimpleNamespace(is_global_zero=True, global_rank=0, strategy=SingleDeviceStrategy())
    shards.on_test_start(alone, Guesser())

    def of(outputs):
        shards.on_test_batch_end(alone, Guesser(), outputs, None, 0)
        shards.on_test_end(alone, Guesser())
        return [json.loads(line) for line in (tmp_path / "shard-0.jsonl").read_text().splitlines()]

    yield of
    shards.on_test_end(alone, Guesser())


def test_what_a_test_step_returns_is_written(write):
    assert write({"index": [3, 1], "predictions": [0.5, "b"]}) == [[3, 0.5], [1, "b"]]


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        ({"index": torch.tensor([3, 1]), "predictions": [0.5, 0.25]}, "Tensor"),
        ({"index": [3, 1], "predictions": torch.tensor([0.5, 0.25])}, "Tensor"),
        ({"index": [3, 1], "predictions": [0.5]}, "shorter"),
        ({"index": [3, 1]}, "'predictions'"),
        (None, "NoneType"),
    ],
)
def test_what_cannot_be_written_is_told_of_the_step(outputs, why, write):
    assert_told(["Guesser.test_step returned", why, "`index`", "`predictions`", "tolist()"], write, outputs)


def test_the_best_epoch_needs_data_to_be_judged_by(tmp_path):
    """Before anything is trained, and whatever is in ARGS."""
    data = SimpleNamespace(val_dataloader=list)
    trainer = SimpleNamespace(is_global_zero=False, datamodule=data)
    told = refusal(Checkpoints(tmp_path, {}, 1, "val/top1").on_train_start, trainer, None)
    assert "the epoch that is best by val/top1 is to be tested, but SimpleNamespace holds nothing out" in told
    Checkpoints(tmp_path, {}, 1, None).on_train_start(trainer, None)
    data.val_dataloader = lambda: range(3)
    Checkpoints(tmp_path, {}, 1, "val/top1").on_train_start(trainer, None)
