"""One run: claim and config -> fit, stage by stage -> test -> predictions -> record. The only place that does so."""

import os
from itertools import chain, pairwise
from pathlib import Path

import yaml
from lightning.pytorch.utilities.model_helpers import is_overridden

from benchmarks import environment
from benchmarks.artefacts import keep_with_record
from benchmarks.checkpointing import LAST, WEIGHTS
from benchmarks.claim import DEFAULT
from benchmarks.config import deviations
from benchmarks.controls import Controls, require_launcher
from benchmarks.curves import METRICS, curves
from benchmarks.errors import UserError
from benchmarks.evaluation import (
    baselines,
    normalised_batch,
    require_same_tests,
    surroundings,
    tell_of_other_references,
    write_sheet,
)
from benchmarks.files import write_atomically
from benchmarks.live import live
from benchmarks.measure import Scored, is_official
from benchmarks.modules import layouts, load_last_needed, needs_data
from benchmarks.order import Order, PlannedRun, work_out
from benchmarks.paths import record_file, relative
from benchmarks.runs import (
    FOLLOWED_RUN,
    Beginning,
    announce,
    begin_or_continue,
    end_of,
    externally_launched,
    first_process,
    occupied,
    recorded,
)
from benchmarks.schema import SCHEMA, Baseline, Record, StoredFile
from benchmarks.starts import between_starts, states, torch_remarks
from benchmarks.strict import load_record, write_record
from benchmarks.tracking import publish, tracking
from benchmarks.training import Trained, ended_stages, require_own_checkpoints, train_and_test
from datamodules.layouts.official import lacking
from results.collect import verdicts
from results.render import summary
from results.wording import differing


def run(order: Order) -> None:
    """Trains and tests what is ordered, or continues it, or shows its record if it is finished.

    Raises:
        UserError: bad input.
        Stopped: a signal ended the run, which the same command continues.
    """
    plan = work_out(order)
    require_launcher(plan)
    record_path = record_file(order.benchmark, plan.run_id)
    follows = not first_process() and not externally_launched()  # the first, which found no record and waits for it
    if record_path.exists() and not follows:
        if first_process():
            show(plan, record_path)
        return
    for stage in plan.stages:
        stage.assembly.require_devices()
        stage.assembly.require_even_batch()
    if not first_process():
        train_and_test(plan)  # the part of every other rank
        return
    with occupied(plan.folder):
        if record_path.exists():
            show_finished_meanwhile(plan, record_path)
        else:
            finish(plan, record_path)


def show_finished_meanwhile(plan: PlannedRun, record_path: Path) -> None:
    """The record that another process wrote while this one waited for the folder.

    Raises:
        UserError: a launcher started the other ranks, which saw none and wait for this one: its end ends them.
    """
    if externally_launched():
        raise UserError(
            f"another process has just finished {plan.run_id}. Run the same command again, which shows its record."
        )
    show(plan, record_path)


def show(plan: PlannedRun, record_path: Path) -> None:
    """The record of a finished run.

    Raises:
        UserError: it was made of other data than DATA now holds.
    """
    record = load_record(record_path)
    plan.require_data_of(record, "start another run with FRESH=1")
    announce(f"{plan.run_id} is finished{_and_then(plan, record)}")
    announce(f"{summary(plan.claim, record)}\nrecord     {relative(record_path)}")


def _and_then(plan: PlannedRun, record: Record) -> str:
    """How another run is started, and why where this one is no evidence."""
    if record.official or record.profile == "mini":
        return "; FRESH=1 would start another."
    why = f" ({'; '.join(record.deviations)})" if record.deviations else ""
    which = f" VARIANT={record.variant or DEFAULT}" if len(plan.claim.variants) > 1 else ""
    return f", but unofficial{why}; once that is mended, FRESH=1 SEEDS={record.seed}{which} makes an official one."


def finish(plan: PlannedRun, record_path: Path) -> None:
    """Rank zero's part: the run, its record, its summary."""
    order = plan.order
    load_last_needed(plan.claim)
    beginning = begin(plan, environment.code_in_memory())
    remarks = remarks_on(plan, beginning.code)
    changed = deviations(order.benchmark, order.profile, order.variant, plan.settings) + remarks
    for remark in remarks:
        announce(f"note: unofficial ({remark})")
    with Controls(plan) as controls, live(plan) as shown:  # no control is to share the W&B of this process
        os.environ[FOLLOWED_RUN] = plan.run_id
        trained = train_and_test(plan, remarks, shown)
        compared = baselines(plan.tests, plan.folder) | controls.scores()
        record = write_down(plan, trained, compared, beginning, changed, record_path)  # before W&B is waited for
    publish(record, plan.folder, verdicts(plan.claim, record))
    print(summary(plan.claim, record), f"record     {relative(record_path)}", sep="\n")  # who reads it may be gone


def write_down(
    plan: PlannedRun, trained: Trained, compared: dict[str, Baseline], beginning: Beginning, changed: tuple[str, ...],
    record_path: Path,
) -> Record:  # fmt: skip
    """Writes the sheet and, last of all, the record, with which the run is finished."""
    order = plan.order
    assert trained.scored is not None, "rank zero has the scores"
    sheet = write_sheet(plan.tests[0], plan.folder, f"{order.benchmark}, {plan.run_id}")
    scored, weights = keep_with_record(order.profile, record_path, trained.scored, plan.folder / WEIGHTS, sheet)
    record = make_record(plan, trained, scored, weights, compared, beginning, changed)
    write_record(record, record_path)
    return record


def begin(plan: PlannedRun, code: environment.Code) -> Beginning:
    """Looks at everything that can be wrong before anything long begins, and writes down how the run began.

    Raises:
        UserError: data or settings do not fit.
    """
    datamodule = plan.last.assembly.datamodule
    datamodule.setup("test")  # to fit, it may first have to learn a vocabulary
    require_same_tests(datamodule, plan.tests)
    require_steps(plan)
    require_what_is_claimed(plan)
    tell_of_other_references(plan.tests)
    fingerprint = plan.data()
    for stage in plan.stages:
        require_own_checkpoints(stage)
        stage.assembly.datamodule.require_shares(stage.assembly.processes, stage.assembly.accumulate)
    require_one_network(plan)
    for stage in plan.stages:  # takes minutes, so it comes after whatever is refused at once
        if not (stage.folder / LAST).exists():
            stage.assembly.datamodule.verify(training=True)
            stage.assembly.module.verify(stage.assembly.datamodule)
    first = plan.stages[0].assembly.module
    beginning = begin_or_continue(plan.folder, fingerprint, code, lambda: first.initialised_from)
    resolved = plan.together([stage.assembly.resolved for stage in plan.stages])
    write_atomically(plan.folder / "config.yaml", yaml.safe_dump(resolved, sort_keys=False).encode())
    return beginning


def require_steps(plan: PlannedRun) -> None:
    """Refuses a system without a step that it will be asked for, the last of them once all is trained.

    Raises:
        UserError: it lacks one.
    """
    for stage in plan.stages:
        asked = ("training_step", "configure_optimizers", *(("test_step",) if stage.tested else ()))
        if lacks := [name for name in asked if not is_overridden(name, stage.assembly.module)]:
            raise UserError(
                f"{type(stage.assembly.module).__name__} has no {', '.join(lacks)}. Write what Lightning asks for; "
                "lightning_modules/interface.py says what a test step returns."
            )


def require_what_is_claimed(plan: PlannedRun) -> None:
    """Refuses a recipe that could never settle its claim, which would show only once all is trained.

    Raises:
        UserError: it follows another protocol than a reading of its variant, or the epoch to test is the best of a
            validation that the system does not have.
    """
    order, module, datamodule, claim = plan.order, plan.last.assembly.module, plan.last.assembly.datamodule, plan.claim
    where = f"benchmarks/{order.benchmark}/claim.yaml"
    if claim.best_on is not None and not is_overridden("validation_step", module):
        raise UserError(
            f"{where}: checkpoint is the best by {claim.best_on}, but {type(module).__name__} has no validation_step. "
            "Write one, or take `last`."
        )
    changed = order.profile == "mini" or deviations(order.benchmark, order.profile, order.variant, order.overrides)
    if changed or not needs_data(claim):  # it decides nothing; or its protocol has the steps that were trained
        return
    follows = datamodule.signature | module.decoding
    for reading in claim.testable:
        if reading.variant == order.variant and reading.signature != follows:
            raise UserError(
                f"{where}: the reading {reading.name!r} is of another protocol than its recipe follows: "
                f"{differing(follows, reading.signature)}. Change either before anything is trained."
            )


def remarks_on(plan: PlannedRun, code: environment.Code) -> tuple[str, ...]:
    """Why no run of this code, begun as it was and on these data, can be official, where a full one could be."""
    if plan.order.profile != "full":
        return ()
    official = layouts(plan.claim).OFFICIAL if needs_data(plan.claim) else {}
    missing = chain.from_iterable(lacking(stage.assembly.datamodule.trained_on, official) for stage in plan.stages)
    return code.remarks + torch_remarks(plan.folder) + tuple(dict.fromkeys(missing))


def require_one_network(plan: PlannedRun) -> None:
    """Refuses a stage whose network the weights of the stage before do not fit, before these are trained.

    Raises:
        UserError: there is one.
    """
    for before, after in pairwise(plan.stages):
        assemblies = before.assembly, after.assembly
        theirs, ours = (each.module.shapes(each.datamodule) for each in assemblies)
        for name in theirs | ours:
            if theirs.get(name) != ours.get(name):
                raise UserError(
                    f"the stages {before.name} and {after.name} have different networks: {name} is {theirs.get(name)} "
                    f"and {ours.get(name)}. Set options of the network that shape its weights for both."
                )


def curves_of(plan: PlannedRun) -> dict[str, tuple[tuple[float, float], ...]]:
    """The curves of all stages: the last one's by their names, the others' behind the name of the stage."""
    return {
        stage.prefix + name: points for stage in plan.stages for name, points in curves(stage.folder / METRICS).items()
    }


def make_record(
    plan: PlannedRun, trained: Trained, scored: Scored, weights: StoredFile, compared: dict[str, Baseline],
    beginning: Beginning, changed: tuple[str, ...],
) -> Record:  # fmt: skip
    """The record of a finished training run; `changed` is what it changed of the protocol when it started."""
    order, claim, assembly, stages = plan.order, plan.claim, plan.last.assembly, ended_stages(plan)
    around = surroundings(assembly, trained.trainer, beginning.code, normalised_batch(assembly, trained.trainer))
    left_out = chain.from_iterable(stage.assembly.datamodule.left_out for stage in plan.stages)
    seconds = trained.meter.elapsed + sum(stage.seconds for stage in stages.values())
    finished, of_clock = end_of(beginning.started, seconds)
    return Record(
        schema=SCHEMA, benchmark=order.benchmark, profile=order.profile, mode="train", variant=order.variant,
        run_id=plan.run_id, seed=order.seed, started=beginning.started, finished=finished,
        seconds=seconds, metrics=scored.metrics, baselines=compared, examples=scored.examples, checkpoint=weights,
        predictions=scored.predictions,
        config=plan.together([stage.assembly.portable() for stage in plan.stages]),
        config_hash=plan.config_hash, claim_hash=claim.hash, deviations=changed,
        official=is_official(claim, order.profile, changed, around, scored.metrics), environment=around,
        throughput=trained.meter.measured(assembly.datamodule.unit), curves=curves_of(plan),
        wandb=tracking(plan.run_id), initialised_from=beginning.initialised_from, references=scored.references,
        stages=stages, left_out=tuple(sorted(set(left_out))),
        data=recorded(beginning.data), between_starts=between_starts(states(plan.folder)),
        notes=scored.notes + of_clock,
    )  # fmt: skip
