"""Score without training: our checkpoint, published weights, or anyone's predictions -> record and verdict.

Predictions need no torch. A checkpoint carries its configuration, so a file that was moved still works.
"""

import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from textwrap import shorten
from typing import Any

from benchmarks import environment
from benchmarks.arguments import Request, locate_data, request
from benchmarks.config import Settings, deviations, last_stage, machine_settings, merge, resolve_settings
from benchmarks.errors import UserError
from benchmarks.files import sha256
from benchmarks.loaded import Loaded, load
from benchmarks.measure import HeldOut, Scored, held_out, is_official, measure, together
from benchmarks.modules import layouts, needs_data, scoring
from benchmarks.paths import ROOT, record_file, relative, relative_root, run_folder
from benchmarks.predicted import signature_of, tests_of, variant_of
from benchmarks.runs import announce, end_of, now, numbered, occupied, recorded
from benchmarks.schema import SCHEMA, Environment, Record, StoredFile, Tracking, short_hash
from benchmarks.strict import load_record, write_new_record
from datamodules.layouts.digest import counted
from datamodules.layouts.official import lacking
from results.consistency import unlike
from results.render import summary

WAYS = ("checkpoint", "weights", "predictions")


@dataclass(frozen=True)
class Subject:
    """What is scored: the request, the hashes or names it goes by, and what a checkpoint knows of its run.

    `variant` is a checkpoint's, or what the user says that predictions are of. `deviations` from the committed protocol
    are the user's, and those of the run that wrote a checkpoint. `state` is what a checkpoint remembers of its data.
    """

    asked: Request
    what: tuple[str, ...]
    deviations: tuple[str, ...] = ()
    checkpoint: StoredFile | None = None
    state: Mapping[str, Any] | None = None
    variant: str | None = None
    seed: int | None = None
    config_hash: str | None = None
    run_id: str | None = None

    def free_run_id(self) -> str:
        """Follows from what is scored, as what, on which data; with a counter while a record has that name."""
        base = f"{self.asked.profile}-validate-{short_hash([*self.what, self.asked.data, self.variant])}"
        ids = (numbered(base, counter) for counter in count(1))
        return next(each for each in ids if not record_file(self.asked.benchmark, each).exists())


@dataclass(frozen=True)
class Outcome:
    """What the scoring came to, on which data, and where and with which configuration it ran.

    `lacking` says which test sets are not whole, on which nothing official is measured.
    """

    scored: Scored
    data: dict[str, Any]
    environment: Environment
    config: Settings | None
    lacking: tuple[str, ...]


def validate(options: Namespace) -> None:
    """Scores what exactly one of CHECKPOINT, WEIGHTS and PREDICTIONS names.

    Raises:
        UserError: none or several are given, or what is given does not fit.
    """
    given = [way for way in WAYS if getattr(options, way)]
    if len(given) != 1:
        raise UserError("give exactly one of CHECKPOINT=run.ckpt, WEIGHTS=<name> and PREDICTIONS=<file or folder>.")
    started, clock = now(), time.perf_counter()
    way = {"checkpoint": _checkpoint, "weights": _weights, "predictions": _predictions}[given[0]]
    with ExitStack() as held:
        subject, outcome = way(options, held)
        if outcome is None:
            return  # a rank other than zero
        record = _kept(partial(_record, subject, outcome, started, time.perf_counter() - clock))
    path = record_file(record.benchmark, record.run_id)
    print(summary(subject.asked.claim, record), f"record     {relative(path)}", sep="\n")
    for line in _unlike_its_run(subject, record):
        announce(f"note: {line}")


def _unlike_its_run(subject: Subject, record: Record) -> Iterable[str]:
    """What the record of the run that weights are of says otherwise, where there is one that can be read."""
    path = None if subject.run_id is None else record_file(record.benchmark, subject.run_id)
    try:
        return unlike(load_record(path), record) if path and path.is_file() else ()
    except UserError as error:
        return (str(error),)


def _kept(make: Callable[[], Record]) -> Record:
    """The record, written; where another validation has taken its number a moment ago, with the next."""
    record = make()
    while not write_new_record(record, record_file(record.benchmark, record.run_id)):
        record = make()
    return record


def _announce(asked: Request, what: str) -> None:
    announce(f"{asked.benchmark}: scoring {what}; profile {asked.profile}, {asked.reason}")


def _full_unless_mini(options: Namespace) -> Request:
    return request(options.benchmark, options, ("full", "as no PROFILE=mini is given"))


def _predictions(options: Namespace, held: ExitStack) -> tuple[Subject, Outcome]:
    path = Path(options.predictions)
    if not path.is_file() and not path.is_dir():
        raise UserError(
            f"PREDICTIONS={relative(path)}: there is no such file or folder, or it is a pipe, which nobody could score "
            "again. Write it to a file."
        )
    if unused := " and ".join(name.upper() for name in ("args", "devices", "nodes") if getattr(options, name)):
        raise UserError(f"PREDICTIONS are scored without the model that {unused} would be for. Leave {unused} out.")
    asked = _full_unless_mini(options)
    _announce(asked, "predictions (by the claim's protocol, as far as their maker followed it)")
    root = locate_data(asked, training=False)
    variant = asked.variants[0] if options.variant else variant_of(asked, path, root)
    signature = signature_of(asked, variant)
    predicted = tests_of(asked, variant, path, root)
    scored = together(measure(tested, file, signature, scoring(tested.claim).files(file)) for tested, file in predicted)
    for note in scored.notes:
        announce(f"note: {note}")
    code = environment.code_in_memory()
    around = environment.describe(code, gpus=(), world_size=1, precision="none", normalised_batch=None)
    tests = [tested for tested, _ in predicted]
    lay = {} if root is None else {"root": relative_root(root)}  # no configuration says it to `verify`
    outcome = Outcome(scored, _tested_data(tests) | lay, around, None, _lacking(asked, tests))
    return Subject(asked, tuple(file.sha256 for file in scored.predictions), variant=options.variant), outcome


def _tested_data(tests: Iterable[HeldOut]) -> dict[str, Any]:
    """What the test sets are; environments are what their names say."""
    found: dict[str, Any] = {}
    for tested in tests:
        if tested.root is not None:
            found |= counted(tested.split, tested.truth)
    return found


def _lacking(asked: Request, tests: Iterable[HeldOut]) -> tuple[str, ...]:
    """A line for each test set of the full profile that has another number of examples than the official one."""
    if asked.profile != "full" or not needs_data(asked.claim):
        return ()
    counts = {each.split.partition(".")[0]: len(each.truth.ids) for each in tests}  # without the direction of WMT's
    return lacking(counts, layouts(asked.claim).OFFICIAL)


def _checkpoint(options: Namespace, held: ExitStack) -> tuple[Subject, Outcome | None]:
    loaded = load(options)
    _announce(loaded.asked, relative(loaded.path))
    digest, run = sha256(loaded.path), loaded.run
    changed = deviations(run.benchmark, run.profile, run.variant, loaded.settings)
    subject = Subject(
        loaded.asked, (digest,), changed + run.remarks + _of_any_moment(loaded),
        StoredFile(relative(loaded.path), digest), loaded.checkpoint, run.variant, run.seed, run.config_hash,
        run.run_id,
    )  # fmt: skip
    return subject, _test(subject, loaded.settings, None, held)


def _of_any_moment(loaded: Loaded) -> tuple[str, ...]:
    """What a run continues from may be of before its end: somebody could pick the moment by its score."""
    if "optimizer_states" not in loaded.checkpoint:
        return ()
    return (f"checkpoint: {loaded.asked.claim.checkpoint} -> one of any moment; give the weights.ckpt of its run",)


def _weights(options: Namespace, held: ExitStack) -> tuple[Subject, Outcome | None]:
    asked = _full_unless_mini(options)
    _announce(asked, options.weights)
    settings = resolve_settings(asked.benchmark, asked.profile, asked.variants[0], asked.overrides)
    whole = resolve_settings(asked.benchmark, asked.profile, None, asked.overrides)
    subject = Subject(asked, (options.weights,), deviations(asked.benchmark, asked.profile, None, whole))
    return subject, _test(subject, settings, options.weights, held)


def _test(subject: Subject, settings: Settings, weights: str | None, held: ExitStack) -> Outcome | None:
    """Builds what the settings say and tests it, with the weights of a checkpoint or with published ones.

    Its folder is held until the record is written, or another validation could put other predictions there.
    """
    asked = subject.asked
    root = locate_data(asked, training=False)
    from benchmarks.callbacks import EndTogether
    from benchmarks.evaluation import quiet, require_same_tests, shards, surroundings, tell_of_other_references, test
    from benchmarks.starts import SameData

    assembly = _assembled(merge(last_stage(settings), machine_settings(subject.seed or 0, root)), asked, weights)
    assembly.require_devices()
    assembly.datamodule.verify(training=False)
    _require_same_classes(subject, assembly.datamodule)
    folder = run_folder(asked.benchmark, subject.free_run_id())
    tests = held_out(asked.claim, subject.variant, root)
    require_same_tests(assembly.datamodule, tests)
    tell_of_other_references(tests)
    trainer = assembly.trainer([shards(tests, folder), EndTogether(), SameData(assembly.datamodule)], **quiet())
    path = None if subject.checkpoint is None else ROOT / subject.checkpoint.path
    if trainer.is_global_zero:
        held.enter_context(_reserved(subject, folder))
    with _fitting_weights(subject):
        scored = test(trainer, assembly.module, assembly.datamodule, tests, folder, path)
    if scored is None:
        return None
    data = recorded(assembly.datamodule.fingerprint) | _tested_data(tests)
    code = environment.code_in_memory()  # here, as other ranks import theirs only once the test begins
    around = surroundings(assembly, trainer, code, None)
    return Outcome(scored, data, around, assembly.portable(), _lacking(asked, tests))


def _assembled(settings: Settings, asked: Request, weights: str | None) -> Any:
    """What the settings say; with published weights, of their network and with what their preset prepares."""
    from benchmarks.assembly import Assembly

    assembly = Assembly(settings)
    if weights is None:
        return assembly
    published = assembly.module.published(weights)
    # Published numbers are of float32, and of the pixels that the weights' own preset prepares.
    preset = {"trainer": {"precision": "32-true"}, "data": {"init_args": published.data_settings}}
    assembly = Assembly(merge(merge(settings, preset), asked.overrides))
    assembly.module = published
    return assembly


@contextmanager
def _reserved(subject: Subject, folder: Path) -> Iterator[None]:
    """Holds a subject's folder, unless its record was written while this process waited for it."""
    with occupied(folder):
        if subject.free_run_id() != folder.name:
            raise UserError(f"another process has just scored {relative(folder)}. Run the same command again.")
        yield


@contextmanager
def _fitting_weights(subject: Subject) -> Iterator[None]:
    """Refuses a checkpoint whose weights are of another network than its settings and ARGS make."""
    try:
        yield
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        assert subject.checkpoint is not None, "published weights are checked where they are loaded"
        essence = shorten(str(error).splitlines()[1], 200)
        raise UserError(
            f"the weights of {subject.checkpoint.path} do not fit the network ({essence}). Leave options of the model "
            "out of ARGS, or use the version of this suite that wrote them."
        ) from None


def _require_same_classes(subject: Subject, datamodule: Any) -> None:
    """Refuses data whose classes are not those that the checkpoint was trained on; its outputs would mean others."""
    if subject.state is None:
        return
    trained = subject.state.get(type(datamodule).__qualname__, {}).get("classes")
    here = datamodule.fingerprint.get("classes")
    if trained == here:
        return
    remedy = "Give the data it was trained on, or data of the same classes."
    if trained and here and len(trained) == len(here) and not set(trained) & set(here):
        remedy = (
            f"It calls the first {trained[0]}, DATA calls it {here[0]}: if only the names differ (class folders have "
            "wnids, some Parquet English names), give DATA in the form that it was trained on."
        )
    raise UserError(
        f"the checkpoint tells {len(trained or ())} classes apart, DATA has {len(here or ())}, and they are not the "
        f"same. {remedy}"
    )


def _record(subject: Subject, outcome: Outcome, started: str, seconds: float) -> Record:
    asked, scored, changed = subject.asked, outcome.scored, subject.deviations + outcome.lacking
    finished, of_clock = end_of(started, seconds)
    return Record(
        schema=SCHEMA, benchmark=asked.benchmark, profile=asked.profile, mode="validate", variant=subject.variant,
        run_id=subject.free_run_id(), seed=subject.seed, started=started, finished=finished, seconds=seconds,
        metrics=scored.metrics, baselines={}, examples=scored.examples, checkpoint=subject.checkpoint,
        predictions=scored.predictions, config=outcome.config, config_hash=subject.config_hash, deviations=changed,
        official=is_official(asked.claim, asked.profile, changed, outcome.environment, scored.metrics),
        environment=outcome.environment, throughput=None, curves={}, wandb=Tracking(None, "disabled"),
        references=scored.references, data=outcome.data, notes=scored.notes + of_clock, claim_hash=asked.claim.hash,
    )  # fmt: skip
