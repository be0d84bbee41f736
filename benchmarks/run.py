"""One run: claim and config -> fit -> test -> predictions -> record. The only place that does so."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch import Callback, Trainer

from benchmarks.artefacts import keep_with_record
from benchmarks.assembly import Assembly
from benchmarks.checkpointing import (
    LAST,
    WEIGHTS,
    Checkpoints,
    SharedBuffers,
    StepSeeds,
    StopOnSignal,
    write_weights,
)
from benchmarks.config import (
    Profile,
    Settings,
    config_hash,
    deviations,
    machine_settings,
    merge,
    resolve_settings,
    set_where,
)
from benchmarks.curves import Curves, curves
from benchmarks.errors import UserError
from benchmarks.evaluation import (
    baselines,
    quiet,
    require_same_tests,
    shards,
    surroundings,
    tell_of_other_references,
    test,
    write_sheet,
)
from benchmarks.files import write_atomically
from benchmarks.measure import HeldOut, Scored, held_out, is_official
from benchmarks.paths import record_file, relative, run_folder
from benchmarks.runs import FOLLOWED_RUN, Beginning, announce, choose_run, first_process, first_start, now, occupied
from benchmarks.schema import SCHEMA, Baseline, Claim, Record, StoredFile
from benchmarks.strict import load_claim, load_record, write_record
from benchmarks.throughput import ThroughputMeter
from benchmarks.tracking import publish, tracking
from results.collect import verdicts
from results.render import summary


@dataclass(frozen=True)
class Order:
    """What the user asked for: one variant and one seed of a benchmark."""

    benchmark: str
    profile: Profile
    variant: str | None
    seed: int
    data: str | None  # the root of the data; None where the benchmark needs none
    overrides: Settings
    fresh: bool = False


@dataclass(frozen=True)
class Plan:
    """An order worked out: what is assembled, and where it goes."""

    order: Order
    claim: Claim
    settings: Settings
    assembly: Assembly
    config_hash: str
    run_id: str

    @property
    def folder(self) -> Path:
        """Of the run."""
        return run_folder(self.order.benchmark, self.run_id)

    @cached_property
    def tests(self) -> tuple[HeldOut, ...]:
        """What the run is tested on; read once, as annotations and transcripts may be long."""
        return held_out(self.claim, self.order.variant, self.order.data)

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint says of its run: enough to build it again."""
        order = self.order
        return {
            "benchmark": order.benchmark, "profile": order.profile, "variant": order.variant, "seed": order.seed,
            "settings": self.settings, "config_hash": self.config_hash, "run_id": self.run_id,
        }  # fmt: skip


def work_out(order: Order) -> Plan:
    """Parses the configuration and finds the run that it means.

    Raises:
        UserError: the configuration is not valid.
    """
    settings = resolve_settings(order.benchmark, order.profile, order.variant, order.overrides)
    try:
        assembly = Assembly(merge(settings, machine_settings(order.seed, order.data)))
    except UserError as error:
        where = set_where(order.benchmark, order.profile, order.variant, order.overrides, str(error))
        raise UserError(f"{str(error).rstrip('.')}. {where}") from None
    hashed = config_hash(settings, assembly.resolved)
    middle = "" if order.variant is None else f"{order.variant}-"
    run_id = choose_run(order.benchmark, f"{order.profile}-{middle}s{order.seed}-{hashed}", order.fresh)
    return Plan(order, load_claim(order.benchmark), settings, assembly, hashed, run_id)


def run(order: Order) -> None:
    """Trains and tests what is ordered, or continues it, or shows its record if it is finished.

    Raises:
        UserError: bad input.
        Stopped: a signal ended the run, which the same command continues.
    """
    plan = work_out(order)
    record_path = record_file(order.benchmark, plan.run_id)
    if record_path.exists():
        announce(f"{plan.run_id} is finished; FRESH=1 would start another.")
        announce(f"{summary(plan.claim, load_record(record_path))}\nrecord     {relative(record_path)}")
        return
    plan.assembly.require_devices()
    plan.assembly.require_even_batch()
    if not first_process():
        train_and_test(plan)  # the part of every other rank
        return
    with occupied(plan.folder):
        os.environ[FOLLOWED_RUN] = plan.run_id
        finish(plan, record_path)


def finish(plan: Plan, record_path: Path) -> None:
    """Rank zero's part: the run, its record, its summary."""
    datamodule, module = plan.assembly.datamodule, plan.assembly.module
    datamodule.setup("test")  # to fit, it may first have to learn a vocabulary
    require_same_tests(datamodule, plan.tests)
    tell_of_other_references(plan.tests)
    datamodule.setup("fit")
    if not (plan.folder / LAST).exists():
        datamodule.verify(training=True)
        getattr(module, "verify", lambda data: None)(datamodule)
    beginning = first_start(plan.folder, datamodule.identity, lambda: getattr(module, "initialised_from", None))
    write_atomically(plan.folder / "config.yaml", yaml.safe_dump(plan.assembly.resolved, sort_keys=False).encode())
    trainer, meter, scored = train_and_test(plan)
    assert scored is not None, "rank zero has the scores"
    sheet = write_sheet(plan.tests[0], plan.folder, f"{plan.order.benchmark}, {plan.run_id}")
    scored, weights = keep_with_record(plan.order.profile, record_path, scored, plan.folder / WEIGHTS, sheet)
    record = make_record(plan, trainer, meter, scored, weights, baselines(plan.tests, plan.folder), beginning)
    write_record(record, record_path)  # last of all: with it, the run is finished
    print(summary(plan.claim, record), f"record     {relative(record_path)}", sep="\n")
    publish(record, plan.folder, verdicts(plan.claim, record))


def callbacks(plan: Plan, meter: ThroughputMeter) -> list[Callback]:
    """In the order they must run: a step's row is on disk before its checkpoint."""
    checkpoints = Checkpoints(plan.folder, plan.identity, plan.assembly.checkpoint_every_n_steps)
    return [
        StepSeeds(plan.order.seed), SharedBuffers(), meter, Curves(plan.folder / "metrics.csv"), checkpoints,
        StopOnSignal(checkpoints), shards(plan.tests, plan.folder),
    ]  # fmt: skip


def train_and_test(plan: Plan) -> tuple[Trainer, ThroughputMeter, Scored | None]:
    """Every rank's part; scores on rank zero only."""
    assembly, last, meter = plan.assembly, plan.folder / LAST, ThroughputMeter()
    torch.manual_seed(plan.order.seed)
    trainer = assembly.trainer(callbacks(plan, meter), **quiet())
    if trainer.is_global_zero:
        print(f"{plan.run_id}: {'continuing from ' + relative(last) if last.exists() else 'training'}", flush=True)
    trainer.fit(assembly.module, datamodule=assembly.datamodule, ckpt_path=last if last.exists() else None)
    if trainer.is_global_zero:
        write_weights(last, plan.folder / WEIGHTS)
    trainer.strategy.barrier("the weights are there")
    scored = test(trainer, assembly.module, assembly.datamodule, plan.tests, plan.folder, plan.folder / WEIGHTS)
    return trainer, meter, scored


def normalised_batch(assembly: Assembly, trainer: Trainer) -> int | None:
    """Examples that batch normalisation averages over: a device's batch, or all of them; None without such layers."""
    if not any(isinstance(m, torch.nn.modules.batchnorm._BatchNorm) for m in assembly.module.modules()):
        return None
    apart = 1 if assembly.resolved["trainer"]["sync_batchnorm"] else trainer.world_size
    return int(assembly.datamodule.global_batch_size // (apart * trainer.accumulate_grad_batches))


def make_record(
    plan: Plan, trainer: Trainer, meter: ThroughputMeter, scored: Scored, weights: StoredFile,
    compared: dict[str, Baseline], beginning: Beginning,
) -> Record:  # fmt: skip
    """The record of a finished training run."""
    order, claim, assembly = plan.order, plan.claim, plan.assembly
    changed = deviations(order.benchmark, order.profile, order.variant, order.overrides)
    around = surroundings(trainer, normalised_batch(assembly, trainer))
    return Record(
        schema=SCHEMA, benchmark=order.benchmark, profile=order.profile, mode="train", variant=order.variant,
        run_id=plan.run_id, seed=order.seed, started=beginning.started, finished=now(), seconds=meter.elapsed,
        metrics=scored.metrics, baselines=compared, examples=scored.examples,
        checkpoint=weights, predictions=scored.predictions, config=assembly.portable(),
        config_hash=plan.config_hash, claim_hash=claim.hash, deviations=changed,
        official=is_official(claim, order.profile, changed, around, scored), environment=around,
        throughput=meter.measured(assembly.datamodule.unit), curves=curves(plan.folder / "metrics.csv"),
        wandb=tracking(plan.run_id), initialised_from=beginning.initialised_from,
        references=scored.references,
    )  # fmt: skip
