"""`REHEARSE=1`: the full run in small, before GPU-days are spent; writes no record.

The real data, batch and world size: 10 steps, a stop by the very path that SIGTERM takes, a resume from its checkpoint
to 20 steps, then two batches of validation and of testing. Examples are as large as they get in the run, so that memory
and time are upper bounds; a slow disk hides behind the batches that the workers hold ready, and shows in the full
run's `data_wait` alone.
"""

import resource
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.assembly import Assembly
from benchmarks.callbacks import StopOnSignal
from benchmarks.checkpointing import LAST, WEIGHTS, write_weights
from benchmarks.config import merge
from benchmarks.evaluation import quiet
from benchmarks.paths import run_folder
from benchmarks.plan import Order, Plan, Stage, work_out
from benchmarks.processes import Stopped
from benchmarks.runs import first_process
from benchmarks.throughput import ThroughputMeter
from benchmarks.training import callbacks

STEPS = 20
BATCHES = 2  # of validation and of testing


class StopAt(Callback):
    """Behaves as if SIGTERM had come at a step."""

    def __init__(self, step: int, stop: StopOnSignal) -> None:
        self.step, self.stop = step, stop

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step + 1 == self.step:
            self.stop.received = signal.SIGTERM


def rehearse(order: Order) -> None:
    """Rehearses what is ordered, stage by stage, at its full world size.

    Raises:
        UserError: bad input, as the run itself would find it.
    """
    plan = work_out(order)
    run_id = f"rehearsal-{order.profile}-s{order.seed}"
    plan = replace(plan, run_id=run_id, folder=run_folder(order.benchmark, run_id))
    if first_process():
        shutil.rmtree(plan.folder, ignore_errors=True)
        plan.folder.mkdir(parents=True)
    for stage in plan.stages:
        stage.assembly.require_devices()
        stage.assembly.require_even_batch()
    weights: Path | None = None
    for stage in plan.stages:
        _rehearse(plan, stage, weights)
        weights = stage.folder / WEIGHTS
    if first_process():
        shutil.rmtree(plan.folder, ignore_errors=True)


def _rehearse(plan: Plan, stage: Stage, weights: Path | None) -> None:
    """One stage, which begins with the weights of the one before."""
    torch.manual_seed(plan.order.seed)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(Stopped):
        _fit(plan, _hardest(stage, weights), STEPS // 2)
    stage = _hardest(stage, None)
    trainer, meter = _fit(plan, stage, None)
    seconds = _evaluate(stage, trainer)
    if trainer.is_global_zero:
        write_weights(stage.folder / LAST, stage.folder / WEIGHTS)
        print(_forecast(stage, trainer, meter, seconds), flush=True)
    trainer.strategy.barrier("the weights are there")


def _hardest(stage: Stage, weights: Path | None) -> Stage:
    """A stage built anew, with examples as large as they get."""
    hardest = {"data": {"init_args": stage.assembly.datamodule.hardest}}
    assembly = Assembly(merge(stage.assembly.settings, hardest))
    if weights is not None:
        assembly.module.init_from = str(weights)  # type: ignore[assignment]
    return replace(stage, assembly=assembly)


def _fit(plan: Plan, stage: Stage, stop_at: int | None) -> tuple[Trainer, ThroughputMeter]:
    meter, last = ThroughputMeter(), stage.folder / LAST
    chain = callbacks(plan, stage, meter)
    if stop_at is not None:
        stop = next(callback for callback in chain if isinstance(callback, StopOnSignal))
        chain.insert(0, StopAt(stop_at, stop))
    limits = {"limit_val_batches": BATCHES, "limit_test_batches": BATCHES, "num_sanity_val_steps": 0}
    trainer = stage.assembly.trainer(chain, max_steps=STEPS, **limits, **quiet())
    ckpt_path = last if last.exists() else None
    trainer.fit(stage.assembly.module, datamodule=stage.assembly.datamodule, ckpt_path=ckpt_path)
    return trainer, meter


def _evaluate(stage: Stage, trainer: Trainer) -> float:
    """Seconds that a batch of evaluation takes; 0 where there is none."""
    module, datamodule = stage.assembly.module, stage.assembly.datamodule
    started, validated = time.perf_counter(), _batches(datamodule.val_dataloader())
    if validated:
        trainer.validate(module, datamodule=datamodule, verbose=False)
    if stage.tested:
        trainer.test(module, datamodule=datamodule, verbose=False)
    batches = [*validated, *(_batches(datamodule.test_dataloader()) if stage.tested else [])]
    return (time.perf_counter() - started) / max(1, sum(min(BATCHES, count) for count in batches))


def _batches(loaders: Any) -> list[int]:
    """How many each of one or several loaders has."""
    return [len(loader) for loader in (loaders if isinstance(loaders, list) else [loaders])]


def _forecast(stage: Stage, trainer: Trainer, meter: ThroughputMeter, batch_seconds: float) -> str:
    datamodule: Any = stage.assembly.datamodule
    epochs = stage.assembly.resolved["trainer"]["max_epochs"]
    speed = meter.measured(datamodule.unit)
    name = f"{stage.name}: " if stage.name else ""
    lines = [f"{name}rehearsed: {trainer.global_step} steps with a stop and a resume, validation and test in part"]
    if torch.cuda.is_available():
        lines.append(f"peak memory: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB on the GPU of rank zero")
    else:
        lines.append(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB on rank zero")
    if speed is not None:
        training = epochs * datamodule.steps_per_epoch * datamodule.step_size / speed.value
        seconds = training + (epochs + 1) * sum(_batches(datamodule.val_dataloader())) * batch_seconds
        end = datetime.now().astimezone() + timedelta(seconds=seconds)
        lines += [
            f"speed: {speed.value:.0f} {speed.unit}, {speed.data_wait:.0%} of the time waiting for data",
            f"estimated end: {end:%Y-%m-%d %H:%M %Z}, {seconds / 3600:.2f} hours from a start now",
        ]
    return "\n".join(lines)
