"""Score without training: a checkpoint of ours, published weights, or anybody's predictions -> record and verdict.

Predictions need no torch. A checkpoint carries its configuration, so a file that was moved still works.
"""

import time
from argparse import Namespace
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import environment
from benchmarks.arguments import Request, locate_data, request
from benchmarks.config import Settings, deviations, machine_settings, merge, resolve_settings
from benchmarks.errors import UserError
from benchmarks.files import sha256
from benchmarks.measure import Scored, is_official, measure, stored
from benchmarks.paths import ROOT, record_file, relative, run_folder
from benchmarks.runs import announce, now, occupied
from benchmarks.schema import (
    SCHEMA,
    Environment,
    Record,
    StoredFile,
    Tracking,
    layouts,
    short_hash,
    write_record,
)  # fmt: skip
from results.render import summary

WAYS = ("checkpoint", "weights", "predictions")


@dataclass(frozen=True)
class Subject:
    """What is scored: the request, the hashes or names it goes by, and what a checkpoint knows of its run."""

    asked: Request
    what: tuple[str, ...]
    checkpoint: StoredFile | None = None
    variant: str | None = None
    seed: int | None = None
    config_hash: str | None = None

    @property
    def run_id(self) -> str:
        """Follows from what is scored on which data, with a counter where that was done before."""
        base = f"{self.asked.profile}-validate-{short_hash([*self.what, self.asked.data])}"
        taken = 0
        while record_file(self.asked.benchmark, base + (f"-{taken + 1}" if taken else "")).exists():
            taken += 1
        return base + (f"-{taken + 1}" if taken else "")


@dataclass(frozen=True)
class Outcome:
    """What the scoring came to, and where and with which configuration it ran."""

    scored: Scored
    environment: Environment
    config: Settings | None


def validate(options: Namespace) -> None:
    """Scores what exactly one of CHECKPOINT, WEIGHTS and PREDICTIONS names.

    Raises:
        UserError: none or several are given, or what is given does not fit.
    """
    given = [way for way in WAYS if getattr(options, way)]
    if len(given) != 1:
        raise UserError("give exactly one of CHECKPOINT=run.ckpt, WEIGHTS=<name> and PREDICTIONS=<file or folder>.")
    started, clock = now(), time.perf_counter()
    subject, outcome = {"checkpoint": _checkpoint, "weights": _weights, "predictions": _predictions}[given[0]](options)
    if outcome is None:
        return  # a rank other than zero
    record = _record(subject, outcome, started, time.perf_counter() - clock)
    path = record_file(record.benchmark, record.run_id)
    write_record(record, path)
    print(summary(subject.asked.claim, record), f"record     {relative(path)}", sep="\n")


def _announce(asked: Request, what: str) -> None:
    announce(f"{asked.benchmark}: scoring {what}; profile {asked.profile}, {asked.reason}")


def _full_unless_mini(options: Namespace) -> Request:
    if options.profile is None:
        options.profile = "full"
    return request(options.benchmark, options)


def _predictions(options: Namespace) -> tuple[Subject, Outcome]:
    path = Path(options.predictions).expanduser()
    if not path.exists():
        raise UserError(f"PREDICTIONS={options.predictions}: there is no such file or folder.")
    asked = _full_unless_mini(options)
    _announce(asked, "predictions (by the claim's protocol, as far as their maker followed it)")
    truth_root = locate_data(asked, training=False)
    ((prefix, split),) = asked.claim.splits().items()
    truth = layouts(asked.claim).truth(truth_root, split)
    metrics, examples = measure(asked.claim, prefix, path, truth, asked.claim.testable[0].signature)
    files = tuple(stored(file) for file in ([path] if path.is_file() else sorted(path.glob("predictions*"))))
    around = environment.describe(gpus=(), world_size=1, precision="none", normalised_batch=None)
    return Subject(asked, tuple(file.sha256 for file in files)), Outcome(Scored(metrics, examples, files), around, None)


def _checkpoint(options: Namespace) -> tuple[Subject, Outcome | None]:
    path = Path(options.checkpoint).expanduser()
    if not path.is_file():
        raise UserError(f"CHECKPOINT={options.checkpoint}: there is no such file.")
    from benchmarks.checkpointing import SUITE, load_checkpoint

    identity: dict[str, Any] = load_checkpoint(path)[SUITE]
    if identity["benchmark"] != options.benchmark:
        raise UserError(
            f"{relative(path)} is a checkpoint of {identity['benchmark']}, not of {options.benchmark}. "
            f"Use make validate-{identity['benchmark']}."
        )
    options.variant = identity["variant"]
    asked = request(options.benchmark, options, identity["profile"])
    _announce(asked, relative(path))
    digest = sha256(path)
    subject = Subject(
        asked, (digest,), StoredFile(relative(path), digest), identity["variant"], identity["seed"],
        identity["config_hash"],
    )  # fmt: skip
    return subject, _test(subject, merge(identity["settings"], asked.overrides), None)


def _weights(options: Namespace) -> tuple[Subject, Outcome | None]:
    asked = _full_unless_mini(options)
    _announce(asked, options.weights)
    settings = resolve_settings(asked.benchmark, asked.profile, asked.variants[0], asked.overrides)
    subject = Subject(asked, (options.weights,))
    return subject, _test(subject, settings, options.weights)


def _test(subject: Subject, settings: Settings, weights: str | None) -> Outcome | None:
    """Builds what the settings say and tests it, with the weights of a checkpoint or with published ones."""
    from benchmarks.assembly import Assembly
    from benchmarks.evaluation import quiet, surroundings, test
    from benchmarks.predictions import PredictionShards

    asked = subject.asked
    root = locate_data(asked, training=False)
    assembly = Assembly(merge(settings, machine_settings(subject.seed or 0, root)))
    if weights is not None:
        published = assembly.module.published(weights)  # type: ignore[operator]
        assembly = Assembly(merge(assembly.settings, {"data": {"init_args": published.data_settings}}))
        assembly.module = published
    assembly.require_devices()
    assembly.datamodule.verify(training=False)  # type: ignore[operator]
    folder = run_folder(asked.benchmark, subject.run_id)
    trainer = assembly.trainer([PredictionShards(folder / "predictions")], **quiet())
    path = None if subject.checkpoint is None else ROOT / subject.checkpoint.path
    with occupied(folder) if trainer.is_global_zero else nullcontext():
        scored = test(trainer, assembly.module, assembly.datamodule, asked.claim, root or "", folder, path)
    return scored and Outcome(scored, surroundings(trainer, None), assembly.portable())


def _record(subject: Subject, outcome: Outcome, started: str, seconds: float) -> Record:
    asked, scored = subject.asked, outcome.scored
    changed = deviations(asked.benchmark, asked.profile, subject.variant, asked.overrides)
    return Record(
        schema=SCHEMA, benchmark=asked.benchmark, profile=asked.profile, mode="validate", variant=subject.variant,
        run_id=subject.run_id, seed=subject.seed, started=started, finished=now(), seconds=seconds,
        metrics=scored.metrics, baselines={}, examples=scored.examples, checkpoint=subject.checkpoint,
        predictions=scored.predictions, config=outcome.config, config_hash=subject.config_hash,
        claim_hash=asked.claim.hash, deviations=changed,
        official=is_official(asked.claim, asked.profile, changed, outcome.environment, scored),
        environment=outcome.environment, throughput=None, curves={}, wandb=Tracking(None, "disabled"),
    )  # fmt: skip
