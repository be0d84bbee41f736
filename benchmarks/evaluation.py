"""Test a model and keep what it said: predictions in the field's format, and the metrics recomputed from that file."""

import logging
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer

from benchmarks import environment
from benchmarks.files import write_atomically
from benchmarks.measure import HeldOut, Scored, measure, stored
from benchmarks.modules import baseline_systems, scoring, worst_examples
from benchmarks.predictions import merge_shards
from benchmarks.schema import Baseline, Environment, Measurement
from datamodules.interface import BenchmarkData


def quiet() -> dict[str, Any]:
    """Silences what Lightning says of itself; returns Trainer arguments: bars only where somebody watches."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*your dataloader is not resumable.*",  # its batch sampler starts at the step's position
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*``compute`` method of metric .* was called before.*",  # a rank without examples of its own
        ".*number of training batches.*smaller than the logging interval.*",
        ".*isinstance.*LeafSpec.*",  # Lightning uses a name that torch has deprecated
        ".*LeafSpec.*deprecated.*",
        ".*Trying to infer the `batch_size`.*",
        ".*recommended to use .*sync_dist=True.*",  # torchmetrics has summed over the ranks
        ".*callbacks used to create the checkpoint.*",  # a validation has no need of them
    ):
        warnings.filterwarnings("ignore", message)
    return {"enable_progress_bar": sys.stderr.isatty(), "enable_model_summary": False}


def test(
    trainer: Trainer, module: LightningModule, datamodule: BenchmarkData, tested: HeldOut, folder: Path,
    checkpoint: Path | None,
) -> Scored | None:  # fmt: skip
    """Tests; None on every rank but zero.

    Args:
        trainer: with a `PredictionShards` on `folder / "predictions"`.
        module: what is tested.
        datamodule: what loads the test set.
        tested: the test set.
        folder: of the run.
        checkpoint: the weights; None where the module brings its own.

    Raises:
        RuntimeError: an example was not scored exactly once, a metric is not finite, or the file says another metric
            than the loop.
    """
    trainer.test(module, datamodule=datamodule, ckpt_path=checkpoint, verbose=False)
    if not trainer.is_global_zero:
        return None
    predictions, examples = merge_shards(folder / "predictions", len(tested.truth.ids))
    files = scoring(tested.claim).write(folder / "predictions", predictions, tested.truth)
    metrics, _ = measure(tested, folder / "predictions", datamodule.signature)
    require_agreement(metrics, {key: float(value) for key, value in trainer.callback_metrics.items()})
    return Scored(metrics, examples, tuple(stored(file) for file in files))


def require_agreement(metrics: dict[str, Measurement], logged: dict[str, float]) -> None:
    """The file and the loop must tell the same, in the float32 of torchmetrics.

    Raises:
        RuntimeError: they do not, or a value is not finite.
    """
    for key, measured in metrics.items():
        if not math.isfinite(measured.value):
            raise RuntimeError(f"{key} is {measured.value}. No record is written.")
        if key in logged and not np.isclose(measured.value, logged[key], rtol=1e-6, atol=0):
            raise RuntimeError(
                f"{key} is {measured.value} by the predictions file and {logged[key]} by the test loop. "
                "No record is written."
            )


def baselines(tested: HeldOut, folder: Path) -> dict[str, Baseline]:
    """Trivial systems on the same test set, scored by the same path from predictions of their own."""
    task, truth = scoring(tested.claim), tested.truth
    found: dict[str, Baseline] = {}
    for name, predictions in baseline_systems(tested.claim).baselines(tested.root, tested.split).items():
        place = folder / "baselines" / name
        place.mkdir(parents=True, exist_ok=True)
        task.write(place, predictions, truth)
        values = task.score(task.read(place, truth), truth)
        found |= {f"{name}/{metric}": Baseline(value, f"{tested.prefix}/{metric}") for metric, value in values.items()}
    return found


def write_sheet(tested: HeldOut, folder: Path, title: str) -> Path:
    """`sheet.html`: the worst examples, in the task's own form."""
    predictions = scoring(tested.claim).read(folder / "predictions", tested.truth)
    page = worst_examples(tested.claim).sheet(title, tested.root, tested.split, predictions)
    write_atomically(folder / "sheet.html", page.encode())
    return folder / "sheet.html"


def surroundings(trainer: Trainer, normalised_batch: int | None) -> Environment:
    """The code and the machine of a run that has a Trainer."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    on_gpu = trainer.strategy.root_device.type == "cuda"
    return environment.describe(
        gpus=tuple(gpus) if on_gpu else (),
        world_size=trainer.world_size,
        precision=str(trainer.precision),
        normalised_batch=normalised_batch,
        compiled=getattr(trainer.lightning_module, "compiled", None),
    )
