"""A record checked against itself, the recipe that it names and the other records, without any file of its run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from typing import Any, Literal

from benchmarks.claim import Claim
from benchmarks.config import Settings, config_hash, leaves, resolve_settings, stages
from benchmarks.errors import UserError
from benchmarks.measure import is_official
from benchmarks.runs import base_of
from benchmarks.schema import Record

Kind = Literal["agrees", "contradicts", "unchecked", "unscored", "noted"]
Finding = tuple[Kind, str]


def consistent(claim: Claim, record: Record) -> Iterator[Finding]:
    """What in a record contradicts the rules by which records are written."""
    counts = astuple(record.examples)
    if len(set(counts)) > 1:
        yield "contradicts", "it expected {}, scored {} and told apart {} examples".format(*counts)
    measured = {key.partition("/")[0]: value.n for key, value in record.metrics.items()}
    if counts[0] != sum(measured.values()):
        yield "contradicts", f"it expected {counts[0]} examples and measured {sum(measured.values())}"
    if record.started > record.finished or record.seconds < 0:
        yield "contradicts", f"it took {record.seconds:g} s, from {record.started} to {record.finished}"
    if not record.predictions:
        yield "contradicts", "it names no predictions"
    official = is_official(claim, record.profile, record.deviations, record.environment, record.metrics)
    if record.official != official and record.claim_hash == claim.hash:
        words = "official" if record.official else "unofficial"
        yield "contradicts", f"it is {words}, which its deviations, its code and its examples say otherwise"
    if record.mode == "train":
        yield from _of_training(record)


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
    if not record.deviations:
        yield from _by_the_recipe(record)


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
