"""From stored predictions to measurements: the one path by which any number of this suite comes about. No torch."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.config import Profile
from benchmarks.files import sha256
from benchmarks.modules import present, scoring, truth
from benchmarks.paths import relative
from benchmarks.schema import Claim, Environment, Examples, Measurement, References, Signature, StoredFile
from results.statistics import NORMAL_QUANTILE


@dataclass(frozen=True)
class HeldOut:
    """A test set of a variant: `truth` is the task's, of `split`; keys of metrics begin with `prefix`.

    Predictions lie in a folder called `folder` below those of the run, empty where the variant has one test set.
    """

    claim: Claim
    root: str | None
    prefix: str
    split: str
    folder: str
    truth: Any


def held_out(claim: Claim, variant: str | None, root: str | None) -> tuple[HeldOut, ...]:
    """What a variant of the claim's benchmark is tested on, under the root of the data if it needs any.

    Of several test sets those that are there; at least one is (`layouts.check`).
    """
    splits = claim.splits(variant)
    several = len(splits) > 1
    return tuple(
        HeldOut(claim, root, prefix, split, split if several else "", truth(claim, root, split))
        for prefix, split in splits
        if not several or present(claim, root, split)
    )


@dataclass(frozen=True)
class Scored:
    """What a test came to, and the files that say so."""

    metrics: dict[str, Measurement]
    examples: Examples
    predictions: tuple[StoredFile, ...]
    references: dict[str, References]


def stored(path: Path) -> StoredFile:
    """A file as records name it."""
    return StoredFile(relative(path), sha256(path))


def together(parts: Iterable[Scored]) -> Scored:
    """What several test sets came to."""
    metrics: dict[str, Measurement] = {}
    files: list[StoredFile] = []
    references: dict[str, References] = {}
    counts = [0, 0, 0]
    for part in parts:
        metrics |= part.metrics
        files += part.predictions
        references |= part.references
        counts = [a + b for a, b in zip(counts, dataclasses.astuple(part.examples), strict=True)]
    return Scored(metrics, Examples(*counts), tuple(files), references)


def is_official(
    claim: Claim, profile: Profile, deviations: Sequence[str], environment: Environment, scored: Scored
) -> bool:
    """Whether a record may settle the claim: the committed protocol and code, on all the examples it is about."""
    about = [reading for reading in claim.testable if reading.metric in scored.metrics]
    complete = bool(about) and all(reading.examples == scored.metrics[reading.metric].n for reading in about)
    others = any(found.official is False for found in scored.references.values())
    return profile == "full" and not deviations and not environment.dirty and complete and not others


def measure(tested: HeldOut, path: Path, signature: Signature, files: Sequence[Path]) -> Scored:
    """Every metric of the task on one test set, recomputed from a predictions file.

    Args:
        tested: what was predicted.
        path: the predictions file or its folder.
        signature: the protocol by which the predictions came about.
        files: what the record is to vouch for.

    Returns:
        Measurements in float64, with `value +- 1.96` bootstrap standard errors.

    Raises:
        UserError: the file contradicts the data.
    """
    task, count = scoring(tested.claim), len(tested.truth.ids)
    references = _references(tested)
    for each in references.values():
        if each.official is False:
            signature = signature | {"references": each.checked}  # another protocol, which no reading asks for
    predictions = task.read(path, tested.truth)
    values = task.score(predictions, tested.truth)
    errors = task.standard_errors(predictions, tested.truth, values)
    found = {}
    for metric, value in values.items():
        half, unit = NORMAL_QUANTILE * errors[metric], task.METRICS[metric.partition("/")[0]]
        found[f"{tested.prefix}/{metric}"] = Measurement(value, unit, (value - half, value + half), count, signature)
    examples = Examples(count, predictions.scored, predictions.unique)
    return Scored(found, examples, tuple(stored(file) for file in files), references)


def _references(tested: HeldOut) -> dict[str, References]:
    """What a test set's references are, where the task has any, by the prefix of its metrics."""
    check = getattr(scoring(tested.claim), "references", None)
    return {} if check is None else {tested.prefix: check(tested.truth, tested.split)}
