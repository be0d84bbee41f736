"""The small files of a full run, kept and committed beside its record so that a clone can check them."""

from dataclasses import replace
from pathlib import Path

from benchmarks.files import copy
from benchmarks.measure import Scored, stored
from benchmarks.paths import ROOT
from benchmarks.schema import Profile, StoredFile

LARGEST = 1_000_000  # bytes of a run's kept files together: a repository of many runs stays quick to clone


def keep_with_record(
    profile: Profile, record: Path, scored: Scored, weights: Path, sheet: Path
) -> tuple[Scored, StoredFile]:
    """Copies predictions, weights and sheet into the folder named like the record, if they are small and the run real.

    Returns:
        What was scored, and the weights, by the paths that the record should name.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    predictions = [ROOT / file.path for file in scored.predictions]
    if profile != "full" or sum(path.stat().st_size for path in (*predictions, weights, sheet)) > LARGEST:
        return scored, stored(weights)
    folder = record.with_suffix("")
    made = weights.parent / "predictions"
    names = [path.relative_to(made) for path in predictions]
    copies = [*zip(predictions, names, strict=True), (weights, Path(weights.name)), (sheet, Path(sheet.name))]
    for path, name in copies:
        copy(path, folder / name)
    *kept, kept_weights, _ = [folder / name for _, name in copies]
    return replace(scored, predictions=tuple(map(stored, kept))), stored(kept_weights)
