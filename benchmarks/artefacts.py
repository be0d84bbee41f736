"""What a clone can check: the small files of a real run, kept and committed beside its record."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.config import Profile
from benchmarks.files import cannot_write
from benchmarks.measure import Scored, stored
from benchmarks.paths import ROOT
from benchmarks.schema import StoredFile

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
    *kept, kept_weights, _ = _copies([*predictions, weights, sheet], folder)
    return replace(scored, predictions=tuple(map(stored, kept))), stored(kept_weights)


def _copies(paths: Sequence[Path], folder: Path) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [Path(shutil.copy(path, folder / path.name)) for path in paths]
    except OSError as error:
        raise cannot_write(folder, error) from None
