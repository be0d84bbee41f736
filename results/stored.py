"""The records of a benchmark, as they lie in `results/records/`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.files import entries
from benchmarks.paths import records_folder
from benchmarks.schema import Profile, Record
from benchmarks.strict import load_record


def records_of(benchmark: str, profile: Profile) -> list[Record]:
    """All records of a benchmark in one profile, by which their files' names begin; oldest first.

    Raises:
        UserError: one of them cannot be read, breaks the schema, or is of another benchmark, profile or run.
    """
    records = [record_at(path, benchmark, profile) for path in record_files(benchmark, profile)]
    return sorted(records, key=lambda record: (record.finished, record.run_id))


def record_files(benchmark: str, profile: Profile) -> list[Path]:
    """Where the records of a benchmark in one profile are, readable or not, in the order of their names.

    Raises:
        UserError: their folder may not be read.
    """
    return [path for path in entries(records_folder(benchmark)) if path.match(f"{profile}-*.json")]


def record_at(path: Path, benchmark: str, profile: Profile) -> Record:
    """The record at a path of `record_files`.

    Raises:
        UserError: it cannot be read, breaks the schema, or is of another benchmark, profile or run.
    """
    record, place = load_record(path), f"results/records/{benchmark}/{path.name}"
    if (record.benchmark, record.profile) != (benchmark, profile):
        raise UserError(
            f"{place} is a record of {record.benchmark!r}, profile {record.profile}. Move it to where it belongs."
        )
    if record.run_id != path.stem:
        raise UserError(
            f"{place} is the record of {record.run_id}. Move it away, or name it {record.run_id}.json if none is there."
        )
    return record
