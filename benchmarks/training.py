"""A plan carried out: each stage by a Trainer of its own, the last one tested."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from lightning.pytorch import Callback, Trainer

from benchmarks.callbacks import Checkpoints, SharedBuffers, StepSeeds, StopOnSignal
from benchmarks.checkpointing import BEST, LAST, SUITE, WEIGHTS, load_checkpoint, write_weights
from benchmarks.curves import METRICS, Curves
from benchmarks.environment import code_in_memory
from benchmarks.errors import UserError
from benchmarks.evaluation import quiet, shards, test
from benchmarks.live import Live, Send
from benchmarks.measure import Scored, stored
from benchmarks.order import PlannedRun, Stage
from benchmarks.paths import relative, run_folder
from benchmarks.runs import announce
from benchmarks.schema import StageRecord
from benchmarks.starts import NotedStart, SameData, SameStart
from benchmarks.strict import load_identity, load_stage, write_stage
from benchmarks.throughput import ThroughputMeter

ENDED = "stage.json"  # in the folder of a stage that has ended


@dataclass(frozen=True)
class Trained:
    """What training and testing came to; scores on rank zero only."""

    trainer: Trainer
    meter: ThroughputMeter
    scored: Scored | None


def callbacks(
    plan: PlannedRun, stage: Stage, meter: ThroughputMeter, send: Send | None = None, remarks: Sequence[str] = ()
) -> list[Callback]:
    """The callbacks of a stage, in the order in which they must run: a step's row is on disk before its checkpoint."""
    identity = plan.identity(stage) | {"remarks": [*remarks]}
    best_on = plan.claim.best_on if stage.tested else None
    every = stage.assembly.checkpoint_every_n_steps
    checkpoints = Checkpoints(stage.folder, identity, every, best_on)
    return [
        StepSeeds(plan.order.seed), SharedBuffers(), meter, Curves(stage.folder / METRICS, send), checkpoints,
        StopOnSignal(checkpoints), *([shards(plan.tests, plan.folder)] if stage.tested else []),
    ]  # fmt: skip


def require_own_checkpoints(stage: Stage) -> None:
    """Looks whether what a stage would go on from is its own: another run's would be trained on as this one's.

    Raises:
        UserError: it is not, or it is damaged; it says which one may take its place.
    """
    if (stage.folder / ENDED).exists():
        return
    for path in (stage.folder / LAST, stage.folder / BEST):
        if path.exists() and (wrong := _wrong(path, stage)):
            raise UserError(f"{wrong} {_instead(path, stage)}")


def _wrong(path: Path, stage: Stage) -> str | None:
    """Why a stage cannot go on from a checkpoint, if it cannot."""
    try:
        of = load_identity(load_checkpoint(path)[SUITE], path)
    except UserError as error:
        return str(error)
    folder = run_folder(of.benchmark, of.run_id) / (of.stage or "")
    theirs = f"{relative(path)} is a checkpoint of {relative(folder)}, another run or stage."
    return None if folder == stage.folder else theirs


def _instead(path: Path, stage: Stage) -> str:
    """What to do about a checkpoint that a stage cannot go on from; its best epoch is maybe not among the others."""
    others = sorted(stage.folder.glob(f"{Checkpoints.PREFIX}*.ckpt"), reverse=True) if path.name == LAST else []
    own = next((other for other in others if _wrong(other, stage) is None), None)
    anew = f"Remove every .ckpt in {relative(stage.folder)}, and the same command begins anew."
    if own is None:
        return anew
    put_back = shlex.join(["cp", relative(own), relative(path)])
    return f"The newest whole one of this run is {own.name}: `{put_back}` has it go on from there. Or: {anew}"


def train_and_test(plan: PlannedRun, remarks: Sequence[str] = (), shown: Live | None = None) -> Trained:
    """Every rank's part. Stages that have ended are not fitted again, and neither is what a checkpoint holds.

    Args:
        plan: what is carried out.
        remarks: why nothing that comes of it is official, for the checkpoints, which rank zero writes.
        shown: where the run is watched, by rank zero.
    """
    for stage, following in pairwise(plan.stages):
        if not (stage.folder / ENDED).exists():
            end_stage(stage, *fit(plan, stage, shown, remarks))
        following.assembly.module.init_from = str(stage.folder / WEIGHTS)
    last = plan.last
    trainer, meter = fit(plan, last, shown, remarks)
    scored = test(
        trainer, last.assembly.module, last.assembly.datamodule, plan.tests, plan.folder, plan.folder / WEIGHTS
    )
    return Trained(trainer, meter, scored)


def fit(plan: PlannedRun, stage: Stage, shown: Live | None, remarks: Sequence[str]) -> tuple[Trainer, ThroughputMeter]:
    """Fits a stage from where it stands and writes the weights that are tested or handed on.

    The first Trainer of several processes starts the other ranks; the next ones find them there.
    """
    assembly, last, meter = stage.assembly, stage.folder / LAST, ThroughputMeter()
    torch.manual_seed(plan.order.seed)
    resumed = last if last.exists() else None
    send = None if shown is None else shown.of(stage)
    chain = callbacks(plan, stage, meter, send, remarks)
    step = 0 if resumed is None else load_checkpoint(resumed, mmap=True)["global_step"]
    run, begins = f"{plan.order.benchmark} {plan.run_id}", f"{stage.name} step {step}".strip()
    same = SameStart(plan.folder, run, begins, code_in_memory())
    alike = (same, SameData(assembly.datamodule))
    trainer = assembly.trainer([*chain, NotedStart(plan.folder, assembly), *alike], **quiet())
    announce(f"{plan.name_of(stage)}: {'training' if resumed is None else 'continuing from ' + relative(last)}")
    if resumed is not None:
        assembly.module.init_from = None  # its checkpoint holds all of them
    trainer.fit(assembly.module, datamodule=assembly.datamodule, ckpt_path=resumed)
    if trainer.is_global_zero:
        checkpoints = next(callback for callback in chain if isinstance(callback, Checkpoints))
        write_weights(checkpoints.tested, stage.folder / WEIGHTS, checkpoints.identity)
    trainer.strategy.barrier("the weights are there")
    return trainer, meter


def end_stage(stage: Stage, trainer: Trainer, meter: ThroughputMeter) -> None:
    """Notes that a stage has ended, and what it took, so that a resume goes on with the next one."""
    if trainer.is_global_zero:
        speed = meter.measured(stage.assembly.datamodule.unit)
        write_stage(StageRecord(stored(stage.folder / WEIGHTS), meter.elapsed, speed), stage.folder / ENDED)


def ended_stages(plan: PlannedRun) -> dict[str, StageRecord]:
    """What each stage before the last came to."""
    return {stage.name: load_stage(stage.folder / ENDED) for stage in plan.earlier}
