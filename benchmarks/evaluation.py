"""Test a model and keep its output: predictions in the field's format, and the metrics recomputed from that file."""

import logging
import math
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer

from benchmarks import environment, modules
from benchmarks.assembly import Assembly
from benchmarks.errors import UserError
from benchmarks.files import make_folder, write_atomically
from benchmarks.measure import HeldOut, Scored, measure, together
from benchmarks.modules import scoring, worst_examples
from benchmarks.predictions import PredictionShards, merge_shards
from benchmarks.runs import announce
from benchmarks.schema import Baseline, Environment, Measurement, Signature
from datamodules.interface import BenchmarkData
from lightning_modules.interface import BenchmarkModule


def quiet() -> dict[str, Any]:
    """Silences what Lightning says of itself; returns Trainer arguments: bars only where somebody watches."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*your dataloader is not resumable.*",  # its batch sampler starts at the step's position
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*``compute`` method of metric .* was called before.*",  # a rank without examples of its own
        ".*You passed in a `val_dataloader` but have no `validation_step`.*",  # nothing is held out from pretraining
        ".*Total length of `list` across ranks is zero.*",  # no development set is no error
        ".*number of training batches.*smaller than the logging interval.*",
        ".*isinstance.*LeafSpec.*",  # Lightning uses a name that torch has deprecated
        ".*LeafSpec.*deprecated.*",
        ".*Trying to infer the `batch_size`.*",
        ".*recommended to use .*sync_dist=True.*",  # torchmetrics has summed over the ranks
        ".*RNN module weights are not part of single contiguous chunk.*",  # in bf16 they are cast at every step
        ".*callbacks used to create the checkpoint.*",  # a validation has no need of them
    ):
        warnings.filterwarnings("ignore", message)
    # Lightning makes the buckets of gradients on a stream of its own (Lightning-AI/pytorch-lightning#21567).
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    return {"enable_progress_bar": sys.stderr.isatty(), "enable_model_summary": False}


def require_same_tests(datamodule: BenchmarkData, tests: Sequence[HeldOut]) -> None:
    """Looks whether the data are tested on what the claim asks for, before anything long begins.

    Raises:
        UserError: they are not.
    """
    loaded = datamodule.tests
    if loaded is not None and [*loaded] != [tested.split for tested in tests]:
        raise UserError(
            f"the settings test on {', '.join(loaded) or 'nothing'}, but the claim is about "
            f"{', '.join(tested.split for tested in tests)}. Leave the test sets and their direction out of ARGS."
        )


def tell_of_other_references(tests: Sequence[HeldOut]) -> None:
    """Says which references are not the official ones, before anything long begins."""
    for tested in tests:
        if tested.references and tested.references.official is False:
            announce(f"note: the references of {tested.split} {tested.references.checked}: `not comparable`")


def shards(tests: Sequence[HeldOut], folder: Path) -> PredictionShards:
    """Collects the predictions of a run in `folder`."""
    return PredictionShards([folder / "predictions" / tested.folder for tested in tests])


def test(
    trainer: Trainer, module: BenchmarkModule, datamodule: BenchmarkData, tests: Sequence[HeldOut], folder: Path,
    checkpoint: Path | None,
) -> Scored | None:  # fmt: skip
    """Tests; None on every rank but zero.

    Args:
        trainer: with `shards(tests, folder)`.
        module: what is tested; its `decoding` is part of the protocol, its `suffix` of the metrics' names.
        datamodule: what loads the test sets.
        tests: the test sets, in the order of their loaders.
        folder: of the run.
        checkpoint: the weights; None where the module brings its own.

    Raises:
        RuntimeError: an example was not scored exactly once, a metric is not finite, or the file says another metric
            than the loop.
        UserError: the loop does not log what a reading of the claim is about.
    """
    trainer.test(module, datamodule=datamodule, ckpt_path=checkpoint, verbose=False)
    if not trainer.is_global_zero:
        return None
    signature = datamodule.signature | module.decoding
    named = [replace(tested, prefix=tested.prefix + module.suffix) for tested in tests]
    scored = together(_merged(tested, folder / "predictions" / tested.folder, signature) for tested in named)
    logged = {key: float(value) for key, value in trainer.callback_metrics.items()}
    require_logged(scored.metrics, logged, tests, module)
    require_agreement(scored.metrics, logged)
    return scored


def _merged(tested: HeldOut, folder: Path, signature: Signature) -> Scored:
    """One test set: its shards to the file of predictions, and the file to metrics."""
    predictions, examples = merge_shards(folder, len(tested.truth.ids))
    files = scoring(tested.claim).write(folder, predictions, tested.truth)
    return replace(measure(tested, folder, signature, files), examples=examples)


def require_logged(
    metrics: Mapping[str, Any], logged: Mapping[str, float], tests: Iterable[HeldOut], module: BenchmarkModule
) -> None:
    """The loop must log what the claim is about, or a score would stand on the predictions file alone.

    Raises:
        UserError: it does not, and the system does not say that only predictions tell it.
    """
    claimed = {reading.metric for tested in tests for reading in tested.claim.testable}
    for key in sorted(claimed & metrics.keys() - logged.keys()):
        if key.partition("/")[2] not in module.unlogged:
            file = type(module).__module__.replace(".", "/") + ".py"
            raise UserError(
                f"the test loop of {type(module).__name__} logs no {key} to compare the predictions file with. Log it "
                f"by on_test_epoch_end in {file}, or name it in `unlogged` there if only predictions tell it. No "
                "record is written."
            )


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


def baselines(tests: Sequence[HeldOut], folder: Path) -> dict[str, Baseline]:
    """Trivial systems on the same test sets, scored by the same path from predictions of their own."""
    found: dict[str, Baseline] = {}
    for tested in tests:
        task, truth = scoring(tested.claim), tested.truth
        for name, predictions in modules.baselines(tested.claim, tested.root, tested.split).items():
            place = folder / "baselines" / name / tested.folder
            make_folder(place)
            task.write(place, predictions, truth)
            values = task.score(task.read(place, truth), truth)
            where = f"{name}/{tested.prefix}" if tested.folder else name
            found |= {f"{where}/{key}": Baseline(value, f"{tested.prefix}/{key}") for key, value in values.items()}
    return found


def write_sheet(tested: HeldOut, folder: Path, title: str) -> Path:
    """`sheet.html`: the worst examples of a test set, in the task's own form."""
    predictions = scoring(tested.claim).read(folder / "predictions" / tested.folder, tested.truth)
    page = worst_examples(tested.claim).sheet(title, tested.root, tested.split, predictions)
    write_atomically(folder / "sheet.html", page.encode())
    return folder / "sheet.html"


def normalised_batch(assembly: Assembly, trainer: Trainer) -> int | None:
    """Examples that batch normalisation averages over: a device's batch, or all of them; None without such layers."""
    if not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in assembly.module.modules()):
        return None
    apart = 1 if assembly.resolved["trainer"]["sync_batchnorm"] else trainer.world_size
    return int(assembly.datamodule.global_batch_size // (apart * trainer.accumulate_grad_batches))


def surroundings(
    assembly: Assembly, trainer: Trainer, code: environment.Code, normalised_batch: int | None
) -> Environment:
    """The code and the machine of a run that has a Trainer."""
    device = trainer.strategy.root_device
    gpus = [torch.cuda.get_device_name(device)] * trainer.world_size if device.type == "cuda" else []
    return environment.describe(
        code,
        gpus=tuple(gpus),
        world_size=trainer.world_size,
        precision=str(trainer.precision),
        normalised_batch=normalised_batch,
        compiled=assembly.module.compiled,
    )
