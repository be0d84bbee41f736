"""From stored predictions to measurements: the only way in which this suite produces a number. No torch."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.claim import Claim
from benchmarks.errors import UserError
from benchmarks.files import sha256
from benchmarks.modules import present, scoring, truth
from benchmarks.paths import relative
from benchmarks.schema import Environment, Examples, Measurement, Profile, References, Signature, StoredFile
from results.statistics import NORMAL_QUANTILE


@dataclass(frozen=True)
class HeldOut:
    """A test set of a variant: `truth` is the task's, of `split`; keys of metrics begin with `prefix`.

    Predictions lie in a folder called `folder` below those of the run, empty where the variant has one test set.
    `references` says what vouches for the truth where that is references of people.
    """

    claim: Claim
    root: str | None
    prefix: str
    split: str
    folder: str
    truth: Any
    references: References | None = None


def held_out(claim: Claim, variant: str | None, root: str | None) -> tuple[HeldOut, ...]:
    """What a variant of the claim's benchmark is tested on, under the root of the data if it needs any.

    Of several test sets those that are there.

    Raises:
        UserError: none is.
    """
    splits = claim.splits(variant)
    several = len(splits) > 1
    found = tuple(
        _opened(claim, root, prefix, split, split if several else "")
        for prefix, split in splits
        if not several or present(claim, root, split)
    )
    if not found:
        raise UserError(f"{root} has none of the test sets {', '.join(split for _, split in splits)}. Put one there.")
    return found


def _opened(claim: Claim, root: str | None, prefix: str, split: str, folder: str) -> HeldOut:
    held, check = truth(claim, root, split), getattr(scoring(claim), "references", None)
    references = None if check is None else check(held, split)
    return HeldOut(claim, root, prefix, split, folder, held, references)


@dataclass(frozen=True)
class Scored:
    """What a test came to, the files that say so, and what is odd about them."""

    metrics: dict[str, Measurement]
    examples: Examples
    predictions: tuple[StoredFile, ...]
    references: dict[str, References]
    notes: tuple[str, ...] = ()


def stored(path: Path) -> StoredFile:
    """A file as records name it: path and SHA-256."""
    return StoredFile(relative(path), sha256(path))


def together(parts: Iterable[Scored]) -> Scored:
    """The scores of several test sets as one."""
    metrics: dict[str, Measurement] = {}
    files: list[StoredFile] = []
    references: dict[str, References] = {}
    notes: list[str] = []
    counts = [0, 0, 0]
    for part in parts:
        metrics |= part.metrics
        files += part.predictions
        references |= part.references
        notes += part.notes
        counts = [a + b for a, b in zip(counts, dataclasses.astuple(part.examples), strict=True)]
    return Scored(metrics, Examples(*counts), tuple(files), references, tuple(notes))


def is_official(
    claim: Claim, profile: Profile, deviations: Sequence[str], environment: Environment,
    metrics: Mapping[str, Measurement],
) -> bool:  # fmt: skip
    """Whether a record may settle the claim: the committed protocol and code, on all the examples it is about."""
    about = [reading for reading in claim.testable if reading.metric in metrics]
    complete = bool(about) and all(reading.examples == metrics[reading.metric].n for reading in about)
    return profile == "full" and not deviations and not environment.dirty and complete


def measure(tested: HeldOut, path: Path, signature: Signature, files: Sequence[Path]) -> Scored:
    """Every metric of the task on one test set, recomputed from a predictions file.

    Args:
        tested: what was predicted.
        path: the predictions file or its folder.
        signature: the protocol by which the predictions came about.
        files: what the record is to vouch for.

    Returns:
        Measurements in float64, with `value +- 1.96` bootstrap standard errors. Where predictions themselves tell of
        the protocol, as games do of the opponent, that counts.

    Raises:
        UserError: the file contradicts the data, or one of `files` is no regular file or changed meanwhile; or the task
            measures other metrics than it declares or than the claim is about.
    """
    before = _as_they_are(files)
    task, count = scoring(tested.claim), len(tested.truth.ids)
    references = {} if tested.references is None else {tested.prefix: tested.references}
    if tested.references and tested.references.official is False:
        signature = signature | {"references": tested.references.checked}  # a protocol that no reading asks for
    predictions = task.read(path, tested.truth)
    if hasattr(task, "protocol"):
        signature = signature | task.protocol(predictions)  # theirs, whoever made them
    values = task.score(predictions, tested.truth)
    errors = task.standard_errors(predictions, tested.truth, values)
    _require_declared(tested.claim.task, task.METRICS, values, errors)
    _require_claimed(tested, values)
    found = {}
    for metric, value in values.items():
        half, unit = NORMAL_QUANTILE * errors[metric], task.METRICS[metric.partition("/")[0]]
        found[f"{tested.prefix}/{metric}"] = Measurement(value, unit, (value - half, value + half), count, signature)
    odd = task.notes(predictions, tested.truth) if hasattr(task, "notes") else ()
    notes = tuple(f"{tested.split}: {each}" for each in odd)
    examples = Examples(count, predictions.scored, predictions.unique)
    if len(before) != len(files) or _as_they_are(files) != before:
        names = ", ".join(map(relative, files[:3]))
        raise UserError(f"{names}: a file changed while it was scored. Leave it alone and run the same command again.")
    return Scored(found, examples, before, references, notes)


def _require_declared(task: str, known: Collection[str], values: Collection[str], errors: Collection[str]) -> None:
    """Refuses metrics that their task does not declare, or that have no standard error."""
    file = f"results/scoring/{task}.py"
    if unknown := [name for name in values if name.partition("/")[0] not in known]:
        raise UserError(f"{file}: score returns {', '.join(unknown)}, METRICS has {', '.join(known)}. Change either.")
    if unsure := [name for name in values if name not in errors]:
        raise UserError(f"{file}: standard_errors returns no {', '.join(unsure)}, which score returns. Add it.")


def _require_claimed(tested: HeldOut, values: Collection[str]) -> None:
    """Refuses scores of a whole test set without what the claim is about; of few examples it may have no value."""
    asked = [
        reading.metric.partition("/")[2]
        for reading in tested.claim.testable
        if reading.examples == len(tested.truth.ids) and reading.metric.partition("/")[0] == tested.prefix
    ]
    if absent := [name for name in dict.fromkeys(asked) if name not in values]:
        raise UserError(
            f"results/scoring/{tested.claim.task}.py: score returns no {', '.join(absent)}, which the claim is about. "
            "Score it, or change the claim."
        )


def _as_they_are(files: Sequence[Path]) -> tuple[StoredFile, ...]:
    """Those of the files that are there; reading the predictions says which is missing or malformed."""
    return tuple(stored(file) for file in files if file.is_file())
