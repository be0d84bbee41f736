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
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.assembly import Assembly
from benchmarks.checkpointing import LAST, StopOnSignal
from benchmarks.config import merge
from benchmarks.evaluation import quiet
from benchmarks.processes import Stopped
from benchmarks.run import Order, Plan, callbacks, work_out
from benchmarks.runs import first_process
from benchmarks.throughput import ThroughputMeter

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
    """Rehearses what is ordered, at its full world size.

    Raises:
        UserError: bad input, as the run itself would find it.
    """
    plan = work_out(order)
    settings = merge(plan.assembly.settings, {"data": {"init_args": plan.assembly.datamodule.hardest}})
    plan = replace(plan, run_id=f"rehearsal-{order.profile}-s{order.seed}", assembly=Assembly(settings))
    if first_process():
        shutil.rmtree(plan.folder, ignore_errors=True)
        plan.folder.mkdir(parents=True)
    plan.assembly.require_devices()
    plan.assembly.require_even_batch()
    torch.manual_seed(order.seed)
    with suppress(Stopped):
        _fit(plan, STEPS // 2)
    plan = replace(plan, assembly=Assembly(settings))
    trainer, meter = _fit(plan, None)
    seconds = _evaluate(plan, trainer)
    if trainer.is_global_zero:
        print(_forecast(plan, trainer, meter, seconds))
        shutil.rmtree(plan.folder, ignore_errors=True)


def _fit(plan: Plan, stop_at: int | None) -> tuple[Trainer, ThroughputMeter]:
    meter, last = ThroughputMeter(), plan.folder / LAST
    chain = callbacks(plan, meter)
    if stop_at is not None:
        stop = next(callback for callback in chain if isinstance(callback, StopOnSignal))
        chain.insert(0, StopAt(stop_at, stop))
    limits = {"limit_val_batches": BATCHES, "limit_test_batches": BATCHES, "num_sanity_val_steps": 0}
    trainer = plan.assembly.trainer(chain, max_steps=STEPS, **limits, **quiet())
    module, datamodule = plan.assembly.module, plan.assembly.datamodule
    trainer.fit(module, datamodule=datamodule, ckpt_path=last if last.exists() else None)
    return trainer, meter


def _evaluate(plan: Plan, trainer: Trainer) -> float:
    """Seconds that a batch of evaluation takes."""
    started = time.perf_counter()
    trainer.validate(plan.assembly.module, datamodule=plan.assembly.datamodule, verbose=False)
    trainer.test(plan.assembly.module, datamodule=plan.assembly.datamodule, verbose=False)
    datamodule = plan.assembly.datamodule
    return (time.perf_counter() - started) / sum(
        min(BATCHES, batches)
        for batches in (*_batches(datamodule.val_dataloader()), *_batches(datamodule.test_dataloader()))
    )


def _batches(loaders: Any) -> list[int]:
    """How many each of one or several loaders has."""
    return [len(loader) for loader in (loaders if isinstance(loaders, list) else [loaders])]


def _forecast(plan: Plan, trainer: Trainer, meter: ThroughputMeter, batch_seconds: float) -> str:
    datamodule: Any = plan.assembly.datamodule
    epochs = plan.assembly.resolved["trainer"]["max_epochs"]
    speed = meter.measured(datamodule.unit)
    lines = [f"rehearsed: {trainer.global_step} steps with a stop and a resume, validation and test in part"]
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
