"""From stored predictions to measurements: the one path by which any number of this suite comes about. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.config import Profile
from benchmarks.files import sha256
from benchmarks.modules import scoring
from benchmarks.paths import relative
from benchmarks.schema import Claim, Environment, Examples, Measurement, Signature, StoredFile
from results.statistics import NORMAL_QUANTILE, bootstrap, standard_error


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
    about = {reading.examples for reading in claim.testable if reading.metric in scored.metrics}
    return profile == "full" and not deviations and not environment.dirty and about == {scored.examples.scored}


def measure(
    claim: Claim, prefix: str, path: Path, truth: Any, signature: Signature
) -> tuple[dict[str, Measurement], Examples]:
    """Every metric of the task on one test split, recomputed from a predictions file.

    Args:
        claim: names the task.
        prefix: what the keys of these metrics begin with, such as `test`.
        path: the predictions file or its folder.
        truth: what the data say, as the task's `Truth`.
        signature: the protocol by which the predictions came about.

    Returns:
        Key -> measurement in float64, with `value +- 1.96` bootstrap standard errors; and the counts of examples.

    Raises:
        UserError: the file contradicts the data.
    """
    task = scoring(claim)
    predictions = task.read(path, truth)
    found = {}
    for metric, value in task.score(predictions, truth).items():
        replicates = bootstrap(task.statistics(predictions, truth, metric), task.combine(metric))
        half = NORMAL_QUANTILE * standard_error(replicates)
        found[f"{prefix}/{metric}"] = Measurement(
            value, task.METRICS[metric], (value - half, value + half), len(truth.ids), signature
        )
    return found, Examples(len(truth.ids), predictions.scored, predictions.unique)
