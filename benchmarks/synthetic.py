"""Some training steps of a full recipe on made-up input: what `plan` measures where the data are not here.

The network, the optimizer, the batch and the processes are the run's own; the input is noise of the sizes of the real
data, which nothing is read for. On a processor a step is taken in parts, as a whole one may take minutes and gigabytes.
"""

from contextlib import suppress
from dataclasses import replace
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.assembly import Assembly
from benchmarks.callbacks import StepSeeds
from benchmarks.checkpointing import LAST
from benchmarks.config import Settings, merge
from benchmarks.errors import UserError
from benchmarks.evaluation import quiet
from benchmarks.forecast import Forecast, write_forecasts
from benchmarks.modules import synthetic
from benchmarks.plan import Order, Stage, work_out
from benchmarks.rehearsal import forecast_of
from benchmarks.throughput import WARM_UP, EvaluationMeter, ThroughputMeter

BATCHES, BATCHES_ON_CPU = 20, 2  # that are measured, after those that warm up
PARTS = (64, 32, 16, 8, 4, 2, 1)  # of a step on a processor, as many as its examples allow


def measure_steps(order: Order, forecast: Path) -> None:
    """Measures what is ordered, stage by stage, at its full world size.

    Args:
        order: what the user asked for; its data are not looked at.
        forecast: where to write what each stage will take.

    Raises:
        UserError: bad input, as the run itself would find it.
    """
    plan = work_out(replace(order, data="made up"))
    class_path = synthetic(plan.claim)
    stages = [replace(stage, assembly=made_up(stage.assembly, class_path)) for stage in plan.stages]
    for stage in stages:
        stage.assembly.require_devices()
        stage.assembly.require_even_batch()
    forecasts = [each for stage in stages if (each := _measured(stage, order.seed)) is not None]
    if len(forecasts) == len(stages):
        write_forecasts(forecasts, forecast)


def made_up(assembly: Assembly, class_path: str) -> Assembly:
    """The same, but for its input, and for first weights, which cost no time later."""
    arguments = merge(assembly.settings["data"]["init_args"], assembly.datamodule.hardest)
    settings = merge(assembly.settings, {"data": {"class_path": class_path, "init_args": arguments}})
    if "init_from" in settings["model"]["init_args"]:
        settings = merge(settings, {"model": {"init_args": {"init_from": None}}})
    return Assembly(settings) if torch.cuda.is_available() else _in_parts(settings)


def _in_parts(settings: Settings) -> Assembly:
    for parts in PARTS:
        assembly = Assembly(merge(settings, {"trainer": {"accumulate_grad_batches": parts}}))
        with suppress(UserError):
            assembly.require_even_batch()
            assembly.datamodule.require_shares(assembly.processes, parts)
            return assembly
    return Assembly(settings)


def _measured(stage: Stage, seed: int) -> Forecast | None:
    """One stage; None on every rank but zero, and where an epoch has too few steps."""
    torch.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    meter, assembly = ThroughputMeter(), stage.assembly
    batches = WARM_UP + (BATCHES if torch.cuda.is_available() else BATCHES_ON_CPU)
    limits = {"limit_train_batches": batches, "limit_val_batches": 0, "num_sanity_val_steps": 0}
    steps = ceil(batches / assembly.accumulate)
    trainer = assembly.trainer([StepSeeds(seed), meter], max_steps=steps, **limits, **quiet())
    trainer.fit(assembly.module, datamodule=assembly.datamodule)
    with TemporaryDirectory() as folder:
        trainer.save_checkpoint(Path(folder) / LAST)
        if not trainer.is_global_zero:
            return None
        return forecast_of(replace(stage, folder=Path(folder)), meter, EvaluationMeter())
