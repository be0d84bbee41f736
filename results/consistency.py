"""A record checked against itself, the recipe that it names and the other records, without any file of its run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from datetime import datetime
from typing import Any, Literal

from benchmarks.claim import Claim
from benchmarks.config import Settings, config_hash, leaves, resolve_settings, stages
from benchmarks.errors import UserError
from benchmarks.measure import is_official
from benchmarks.modules import layouts, needs_data
from benchmarks.runs import base_of
from benchmarks.schema import Record
from benchmarks.strict import seeds_then
from datamodules.layouts.official import lacking
from results.wording import MOST_DIGITS, listed, machine, number

TOLERANCE = 1e-10  # of a number in float64, whose last digits another order of adding may change

Kind = Literal["agrees", "contradicts", "unchecked", "unscored", "outdated", "noted"]
Finding = tuple[Kind, str]


def consistent(claim: Claim, record: Record) -> Iterator[Finding]:
    """What in a record contradicts the rules by which records are written."""
    counts = astuple(record.examples)
    if len(set(counts)) > 1:
        yield "contradicts", "it expected {}, scored {} and told apart {} examples".format(*counts)
    measured = {key.partition("/")[0]: value.n for key, value in record.metrics.items()}
    if counts[0] != sum(measured.values()):
        yield "contradicts", f"it expected {counts[0]} examples and measured {sum(measured.values())}"
    if not _in_order(record.started, record.finished) or record.seconds < 0:
        yield "contradicts", f"it took {record.seconds:g} s, from {record.started} to {record.finished}"
    yield from _of_results(record)
    official = is_official(claim, record.profile, record.deviations, record.environment, record.metrics)
    if record.official != official and record.claim_hash == claim.hash:
        words = "official" if record.official else "unofficial"
        yield "contradicts", f"it is {words}, which its deviations, its code and its examples say otherwise"
    if record.official:
        yield from _for_an_official_one(claim, record)
    yield from _of_its_mode(claim, record)


def _of_its_mode(claim: Claim, record: Record) -> Iterator[Finding]:
    """What contradicts a record, or is to be told of it, in what only training, or only a validation, has."""
    if record.mode == "train":
        yield from _of_training(record)
        yield from _of_fixed_seeds(claim, record)
    elif "-validate-" not in record.run_id:
        yield "contradicts", f"it is a validation, and {record.run_id} is the id of a run that trains"
    if not record.deviations and (record.mode == "train" or _tells_its_recipe(record)):
        yield from _by_the_recipe(record)


def _of_results(record: Record) -> Iterator[Finding]:
    """Contradictions in the predictions, and intervals that do not hold their value."""
    if not record.predictions:
        yield "contradicts", "it names no predictions"
    if len({each.path for each in record.predictions}) < len(record.predictions):
        yield "contradicts", "it names a file of predictions twice"
    for key, value in record.metrics.items():
        if not value.ci95[0] <= value.value <= value.ci95[1]:
            yield "contradicts", f"the interval of {key}, {value.ci95}, does not hold its value {value.value}"


def _in_order(started: str, finished: str) -> bool:
    """Whether both are times, the second not before the first: rows take the newest run of a seed."""
    try:
        return datetime.fromisoformat(started) <= datetime.fromisoformat(finished)
    except (ValueError, TypeError):  # no times, or only one has a time zone
        return False


def _for_an_official_one(claim: Claim, record: Record) -> Iterator[Finding]:
    """What the code that wrote it would have called a deviation."""
    if not re.fullmatch(r"[0-9a-f]{40,64}", record.environment.commit or ""):
        yield "contradicts", f"it is official, and of the commit {record.environment.commit}, which is none"
    if changed := [line for line in record.between_starts if line.startswith("torch: ")]:
        yield "contradicts", f"it is official, and was continued with another version ({changed[0]})"
    official = layouts(claim).OFFICIAL if needs_data(claim) else {}
    for line in lacking({split: record.data[split] for split in official if split in record.data}, official):
        yield "contradicts", f"it is official, and yet {line}"


def _tells_its_recipe(record: Record) -> bool:
    """Whether a validation says by which settings its checkpoint was trained; of several stages it has but the last."""
    if record.config is None or record.config_hash is None:
        return False
    try:
        return "stages" not in resolve_settings(record.benchmark, record.profile, record.variant, {})
    except UserError:  # the variant is gone
        return False


def _of_training(record: Record) -> Iterator[Finding]:
    for what, missing in (("weights", record.checkpoint is None), ("configuration", record.config is None)):
        if missing and record.profile == "full":
            yield "contradicts", f"it was trained and names no {what}"
    base = base_of(record.profile, record.variant, record.seed, record.config_hash)
    if not re.fullmatch(rf"{re.escape(base)}(-\d+)?", record.run_id):  # FRESH counts
        yield "contradicts", f"its run id is not {base}, of its variant, seed and configuration"
    seeds = {stage.get("data", {}).get("init_args", {}).get("seed") for stage in stages(record.config or {}).values()}
    if record.config is not None and seeds != {record.seed}:
        yield "contradicts", f"its seed is {record.seed}, in its configuration {', '.join(map(str, seeds))}"


def _of_fixed_seeds(claim: Claim, record: Record) -> Iterator[Finding]:
    """Whether the claim fixes the seeds that it fixed when a run began, as far as git knows.

    No hash covers them, so that whoever has seen the seeds that were run could call them those of the claim. It
    contradicts no record: a claim may ask for more seeds in future.
    """
    then = seeds_then(record.benchmark, record.environment.commit)
    if then is not None and sorted(then) != sorted(claim.seeds):
        now, before = listed(sorted(claim.seeds)), listed(sorted(then))
        yield "outdated", f"the claim fixes the seeds {now}, and fixed {before} at the commit of the run"


def _by_the_recipe(record: Record) -> Iterator[Finding]:
    """Whether its configuration is that of its hash, which covers the keys that the recipe sets."""
    resolved = [*stages(record.config or {}).values()]
    try:
        settings = resolve_settings(record.benchmark, record.profile, record.variant, {})
        hashes = [config_hash(settings, each) for each in (resolved, _as_set(settings, resolved))]
    except (UserError, ValueError):  # the variant is gone, or has other stages
        hashes = []
    if record.config_hash not in hashes:
        yield "unchecked", "the recipe has changed since, so its configuration cannot be held against its hash"
    elif record.config_hash != hashes[0]:
        yield "contradicts", f"its configuration is not that of {record.config_hash}, its hash"


def _as_set(settings: Settings, resolved: list[Settings]) -> list[dict[str, Any]]:
    """The typed values of a configuration where they are those of the recipe, so that its own stand for the others."""
    pairs = zip(stages(settings).values(), map(leaves, resolved), strict=True)
    return [{key: typed[key] for key, value in leaves(of).items() if typed.get(key) == value} for of, typed in pairs]


def same(one: float, other: float) -> bool:
    """Whether two numbers are equal but for their last digits."""
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def unlike(run: Record, again: Record) -> Iterator[str]:
    """Where the weights of a run scored otherwise when they were tested again, as in simulations on another machine."""
    for key in sorted(run.metrics.keys() & again.metrics.keys()):
        before, now = run.metrics[key].value, again.metrics[key].value
        if not same(before, now):
            digits = 2 if number(before) != number(now) else MOST_DIGITS
            told = f"{number(now, digits)} here ({machine(again)}), {number(before, digits)} in the record of its run"
            yield f"{key} is {told} ({machine(run)})"


def twins(record: Record, records: Iterable[Record]) -> Iterator[Finding]:
    """Trained runs of another seed or variant with the same weights or predictions: copies, which add no seed."""
    if record.mode != "train":
        return
    for other in records:
        if other.mode == "train" and (other.variant, other.seed) != (record.variant, record.seed):
            for what in _shared(record, other):
                yield "contradicts", f"its {what} are those of {other.run_id}, of another seed or variant"


def _shared(record: Record, other: Record) -> Iterator[str]:
    """What of either run is the other's; not single files, as games may be lost alike, nor what weak models predict."""
    weights = [each.checkpoint.sha256 for each in (record, other) if each.checkpoint is not None]
    if len(weights) > len(set(weights)):
        yield "weights (SHA-256)"
    if {each.path for each in record.predictions} & {each.path for each in other.predictions}:
        yield "predictions (path)"
    ours, theirs = ({each.sha256 for each in of.predictions} for of in (record, other))
    if record.profile == other.profile == "full" and ours and ours <= theirs:  # a miniature may have learnt nothing
        yield "predictions (SHA-256)"
