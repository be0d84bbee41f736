"""Some training steps of a full recipe on synthetic input: what `plan` measures where the data are missing.

The network, the optimizer, the batch and the processes are the run's own; the input is noise of the largest
sizes of the real data in the run, and nothing is read. On a CPU a step is timed in parts, as a whole one may take
minutes and gigabytes; what happens once per step is timed separately.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from lightning.pytorch import Trainer

from benchmarks.assembly import Assembly
from benchmarks.callbacks import Checkpoints, StepSeeds
from benchmarks.checkpointing import LAST
from benchmarks.config import Settings, merge
from benchmarks.errors import UserError
from benchmarks.evaluation import quiet
from benchmarks.forecast import Forecast, write_forecasts
from benchmarks.modules import synthetic
from benchmarks.order import Order, Stage, work_out
from benchmarks.schema import Throughput
from benchmarks.throughput import Stopwatch, peak_memory

BATCHES, BATCHES_ON_CPU = 20, 4  # that are measured
PARTS = (64, 32, 16, 8, 4, 2, 1)  # of a step on a processor, as many as its examples allow
LONG_ENOUGH = 0.2  # seconds of a part, of which what any part takes besides its examples is little


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
        _require_steps(stage.assembly)
    forecasts = [each for stage in stages if (each := _measured(stage, order.seed)) is not None]
    if forecasts:  # there are none on any rank but zero
        write_forecasts(forecasts, forecast)


def made_up(assembly: Assembly, class_path: str) -> Assembly:
    """The same, but for its input, and for first weights, which cost no time later."""
    arguments = merge(assembly.settings["data"]["init_args"], assembly.datamodule.hardest)
    settings = merge(assembly.settings, {"data": {"class_path": class_path, "init_args": arguments}})
    if "init_from" in settings["model"]["init_args"]:
        settings = merge(settings, {"model": {"init_args": {"init_from": None}}})
    return Assembly(settings)


def _require_steps(assembly: Assembly) -> None:
    assembly.require_devices()
    assembly.require_even_batch()
    assembly.datamodule.setup("fit")
    _ = assembly.datamodule.steps_per_epoch  # which refuses a step of more examples than there are


def in_parts(assembly: Assembly) -> Iterator[tuple[Assembly, int]]:
    """Runs whose steps are parts of another's, and how many make one: as ARGS say, or on a processor many, then fewer.

    It is the run itself where its steps cannot be shared out.
    """
    shared = False
    for parts in (assembly.accumulate,) if assembly.on_gpu else PARTS:
        with suppress(UserError, ValueError):
            part = Assembly(merge(assembly.settings, _of_size(assembly, parts)))
            part.require_even_batch()
            part.datamodule.require_shares(part.processes, 1)
            shared = True
            yield part, parts
    if not shared:
        yield assembly, 1


def _of_size(assembly: Assembly, parts: int) -> Settings:
    size, rest = divmod(assembly.datamodule.global_batch_size, parts)
    if rest:
        raise ValueError(f"{parts} parts of {assembly.datamodule.global_batch_size}")
    return {"trainer": {"accumulate_grad_batches": 1}, "data": {"init_args": {"global_batch_size": size}}}


def _measured(stage: Stage, seed: int) -> Forecast | None:
    """One stage; None on every rank but zero."""
    torch.manual_seed(seed)
    for part, parts in in_parts(stage.assembly):  # noqa: B007 (the last ones count)
        watch, trainer = _timed(part, seed)
        if trainer.strategy.broadcast(watch.seconds_a_part >= LONG_ENOUGH):
            break
    with TemporaryDirectory() as folder:
        path = Path(folder) / LAST
        trainer.save_checkpoint(path)
        return _forecast(stage, part, parts, watch, path.stat().st_size) if trainer.is_global_zero else None


def _timed(part: Assembly, seed: int) -> tuple[Stopwatch, Trainer]:
    if part.on_gpu:
        torch.cuda.reset_peak_memory_stats()
    watch, batches = Stopwatch(), Stopwatch.SKIPPED + (BATCHES if part.on_gpu else BATCHES_ON_CPU)
    trainer = part.trainer([StepSeeds(seed), watch], max_steps=batches, limit_val_batches=0, **quiet())
    trainer.fit(part.module, datamodule=part.datamodule)
    return watch, trainer


def _forecast(stage: Stage, part: Assembly, parts: int, watch: Stopwatch, checkpoint: int) -> Forecast:
    whole = stage.assembly
    steps = whole.resolved["trainer"]["max_epochs"] * whole.datamodule.steps_per_epoch
    examples = steps * whole.datamodule.step_size
    seconds = watch.seconds(examples / part.processes, steps)
    return Forecast(
        stage.name, steps, Throughput(f"{whole.datamodule.unit}/s", examples / seconds, 0.0), seconds, 0.0,
        peak_memory(part.on_gpu) / 2**30, part.on_gpu, Checkpoints.MOST * checkpoint / 2**30, part.processes, parts,
    )  # fmt: skip
