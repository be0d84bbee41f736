"""`REHEARSE=1`: the full run in small, before GPU-days are spent; writes no record.

The real data, batch and world size: 10 steps (several ranks 11), a stop by the very path that SIGTERM takes, a resume
from its checkpoint to 20 steps, then two batches of validation and of testing. Images are as large as they get in the
run (a datamodule's `hardest`), so that memory and time are upper bounds but for chance. Sequences are drawn as the run
draws them, of which a step holds as much whatever their lengths, so that memory and time are estimates. A slow disk
hides behind the batches that the workers hold ready, and shows in the full run's `data_wait` alone.
"""

import shutil
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.assembly import Assembly
from benchmarks.callbacks import Checkpoints, StopOnSignal
from benchmarks.checkpointing import LAST, WEIGHTS, write_weights
from benchmarks.config import Settings, merge
from benchmarks.evaluation import quiet
from benchmarks.files import make_folder
from benchmarks.forecast import Forecast, write_forecasts
from benchmarks.order import Order, PlannedRun, Stage, work_out
from benchmarks.paths import run_folder
from benchmarks.processes import Stopped
from benchmarks.runs import first_process
from benchmarks.throughput import EvaluationMeter, ThroughputMeter, peak_memory
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


def rehearse(order: Order, forecast: Path | None = None) -> None:
    """Rehearses what is ordered, stage by stage, at its full world size.

    Args:
        order: what the user asked for.
        forecast: where to write what each stage will take, if anywhere.

    Raises:
        UserError: bad input, as the run itself would find it.
    """
    plan = work_out(order)
    run_id = f"rehearsal-{order.profile}-s{order.seed}"
    plan = replace(plan, run_id=run_id, folder=run_folder(order.benchmark, run_id))
    if first_process():
        shutil.rmtree(plan.folder, ignore_errors=True)
        make_folder(plan.folder)
    for stage in plan.stages:
        stage.assembly.require_devices()
        stage.assembly.require_even_batch()
    weights: Path | None = None
    forecasts: list[Any] = []
    for stage in plan.stages:
        forecasts.append(_rehearse(plan, stage, weights))
        weights = stage.folder / WEIGHTS
    if first_process():
        shutil.rmtree(plan.folder, ignore_errors=True)
        if forecast is not None and None not in forecasts:
            write_forecasts(forecasts, forecast)


def _rehearse(plan: PlannedRun, stage: Stage, weights: Path | None) -> Forecast | None:
    """One stage, which begins with the weights of the one before."""
    torch.manual_seed(plan.order.seed)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(Stopped):
        _fit(plan, _hardest(stage, weights), STEPS // 2, [])
    stage, evaluation = _hardest(stage, None), EvaluationMeter()
    trainer, meter = _fit(plan, stage, None, [evaluation])
    _evaluate(stage, trainer)
    forecast = None
    if trainer.is_global_zero:
        forecast = _forecast(stage, meter, evaluation)
        write_weights(stage.folder / LAST, stage.folder / WEIGHTS, plan.identity(stage))
        name = f"{stage.name}: " if stage.name else ""
        print(f"{name}rehearsed: {trainer.global_step} steps with a stop and a resume, validation and test in part")
        print(forecast.told() if forecast else "too few steps an epoch to measure speed", flush=True)
    trainer.strategy.barrier("the weights are there")
    return forecast


def _hardest(stage: Stage, weights: Path | None) -> Stage:
    """A stage built anew, with images as large as they get."""
    hardest = {"data": {"init_args": stage.assembly.datamodule.hardest}}
    assembly = Assembly(merge(stage.assembly.settings, hardest))
    if weights is not None:
        assembly.module.init_from = str(weights)
    return replace(stage, assembly=assembly)


def _fit(
    plan: PlannedRun, stage: Stage, stop_at: int | None, beside: list[Callback]
) -> tuple[Trainer, ThroughputMeter]:
    meter, last = ThroughputMeter(), stage.folder / LAST
    chain = [*callbacks(plan, stage, meter), *beside]
    if stop_at is not None:
        stop = next(callback for callback in chain if isinstance(callback, StopOnSignal))
        chain.insert(0, StopAt(stop_at, stop))
    limits = {"limit_val_batches": BATCHES, "limit_test_batches": BATCHES, "num_sanity_val_steps": 0}
    trainer = stage.assembly.trainer(chain, max_steps=STEPS, **limits, **quiet())
    # The stop leaves one. Another node that looked for it before would, on NFS, for a while go on finding none.
    ckpt_path = None if stop_at is not None else last
    trainer.fit(stage.assembly.module, datamodule=stage.assembly.datamodule, ckpt_path=ckpt_path)
    return trainer, meter


def _evaluate(stage: Stage, trainer: Trainer) -> None:
    module, datamodule = stage.assembly.module, stage.assembly.datamodule
    if _batches(datamodule.val_dataloader()):
        trainer.validate(module, datamodule=datamodule, verbose=False)
    if stage.tested:
        trainer.test(module, datamodule=datamodule, verbose=False)


def _batches(loaders: Any) -> int:
    """How many one or several loaders have."""
    return sum(len(loader) for loader in (loaders if isinstance(loaders, list) else [loaders]))


def _forecast(stage: Stage, meter: ThroughputMeter, evaluation: EvaluationMeter) -> Forecast | None:
    datamodule: Any = stage.assembly.datamodule
    trainer = stage.assembly.resolved["trainer"]
    speed = meter.measured(datamodule.unit)
    if speed is None:
        return None
    steps = trainer["max_epochs"] * datamodule.steps_per_epoch
    seconds = _validations(trainer) * evaluation.seconds("validation", _batches(datamodule.val_dataloader()))
    if stage.tested:
        seconds += evaluation.seconds("test", _batches(datamodule.test_dataloader()))
    memory, kept = _held(stage, steps)
    return Forecast(
        stage.name, steps, speed, steps * datamodule.step_size / speed.value, seconds, memory / 2**30,
        stage.assembly.on_gpu, kept / 2**30, stage.assembly.processes,
    )  # fmt: skip


def _held(stage: Stage, steps: int) -> tuple[int, int]:
    """Bytes of memory and of checkpoints, once a run of so many steps remembers all that it is going to."""
    module, on_gpu = stage.assembly.module, stage.assembly.on_gpu
    more = module.to_come(module.global_step / steps)
    memory = peak_memory(on_gpu) + (0 if on_gpu else 2 * more)  # a resume reads a checkpoint and fills it in from there
    return memory, Checkpoints.MOST * ((stage.folder / LAST).stat().st_size + more)


def _validations(trainer: Settings) -> int:
    """How often a run validates, which is after every so many epochs."""
    return int(trainer["max_epochs"] // (trainer["check_val_every_n_epoch"] or 1))
