"""From stored predictions to measurements: the one path by which any number of this suite comes about. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.config import Profile
from benchmarks.files import sha256
from benchmarks.modules import scoring, truth
from benchmarks.paths import relative
from benchmarks.schema import Claim, Environment, Examples, Measurement, Signature, StoredFile
from results.statistics import NORMAL_QUANTILE


@dataclass(frozen=True)
class HeldOut:
    """What a variant is tested on: `truth` is the task's, of `split`; keys of metrics begin with `prefix`."""

    claim: Claim
    root: str | None
    prefix: str
    split: str
    truth: Any


def held_out(claim: Claim, variant: str | None, root: str | None) -> HeldOut:
    """What a variant of the claim's benchmark is tested on, under the root of the data if it needs any."""
    prefix, split = claim.split(variant)
    return HeldOut(claim, root, prefix, split, truth(claim, root, split))


@dataclass(frozen=True)
class Scored:
    """What a test came to, and the files that say so."""

    metrics: dict[str, Measurement]
    examples: Examples
    predictions: tuple[StoredFile, ...]


def stored(path: Path) -> StoredFile:
    """A file as records name it."""
    return StoredFile(relative(path), sha256(path))


def is_official(
    claim: Claim, profile: Profile, deviations: Sequence[str], environment: Environment, scored: Scored
) -> bool:
    """Whether a record may settle the claim: the committed protocol and code, on all the examples it is about."""
    about = [reading for reading in claim.testable if reading.metric in scored.metrics]
    complete = bool(about) and all(reading.examples == scored.examples.scored for reading in about)
    return profile == "full" and not deviations and not environment.dirty and complete


def measure(tested: HeldOut, path: Path, signature: Signature) -> tuple[dict[str, Measurement], Examples]:
    """Every metric of the task on one test set, recomputed from a predictions file.

    Args:
        tested: what was predicted.
        path: the predictions file or its folder.
        signature: the protocol by which the predictions came about.

    Returns:
        Key -> measurement in float64, with `value +- 1.96` bootstrap standard errors; and the counts of examples.

    Raises:
        UserError: the file contradicts the data.
    """
    task, count = scoring(tested.claim), len(tested.truth.ids)
    predictions = task.read(path, tested.truth)
    values = task.score(predictions, tested.truth)
    errors = task.standard_errors(predictions, tested.truth, values)
    found = {}
    for metric, value in values.items():
        half, unit = NORMAL_QUANTILE * errors[metric], task.METRICS[metric.partition("/")[0]]
        found[f"{tested.prefix}/{metric}"] = Measurement(value, unit, (value - half, value + half), count, signature)
    return found, Examples(count, predictions.scored, predictions.unique)
