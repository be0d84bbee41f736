"""How a row is repeated and checked: the commands, and the files of its runs that are here."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.claim import DEFAULT
from benchmarks.modules import needs_data
from benchmarks.paths import ROOT
from benchmarks.schema import Record
from results.collect import Row

LISTED = 4  # files of predictions; of more their folder is named
SHOWN = 12  # digits of a commit


@dataclass(frozen=True)
class Kept:
    """A file of a run with its SHA-256, or the folder of many with None, and whether it lies here."""

    path: str
    sha256: str | None
    here: bool


def kept(record: Record) -> Iterator[Kept]:
    """The files of a run: predictions, and weights where they are here; large ones are only where they were made."""
    if len(record.predictions) <= LISTED:
        for each in record.predictions:
            yield Kept(each.path, each.sha256, (ROOT / each.path).is_file())
    else:
        folder = _predictions(record)
        yield Kept(folder, None, (ROOT / folder).is_dir())
    if record.checkpoint is not None and (ROOT / record.checkpoint.path).is_file():
        yield Kept(record.checkpoint.path, record.checkpoint.sha256, True)


def reproduce(row: Row) -> str:
    """The command that runs what a row is about, with the claim's own seeds."""
    return f"make reproduce-{_named(row)} VARIANT={row.reading.variant or DEFAULT}"


def repeat(row: Row) -> tuple[str, ...]:
    """What makes all records of a row once more: for each commit that they were made from, the commands one a line."""
    commits = dict.fromkeys(record.environment.commit for record in row.records)
    return tuple(_repeat_at(row, commit) for commit in commits)


def _repeat_at(row: Row, commit: str | None) -> str:
    records = [record for record in row.records if record.environment.commit == commit]
    seeds = ",".join(str(record.seed) for record in records)
    # FRESH, as a run that is finished is shown and not repeated, and records may lie there
    command = f"{reproduce(row)} SEEDS={seeds} FRESH=1" if row.origin == "trained" else _validate(row, records[0])
    return f"git checkout {commit[:SHOWN]}\n{command}" if commit else command


def score_again(row: Row) -> str | None:
    """The command that tests the weights of one of its runs once more; None where they are not here."""
    files = [record.checkpoint.path for record in row.records if record.checkpoint is not None]
    there = next((path for path in files if (ROOT / path).is_file()), None)
    return there and f"make validate-{_named(row)} CHECKPOINT={there}"


def _validate(row: Row, record: Record) -> str:
    """The command that made a record without training; published weights are no file, but their predictions are."""
    if record.checkpoint is not None:
        return f"make validate-{_named(row)} CHECKPOINT={record.checkpoint.path}"
    variant = f" VARIANT={record.variant}" if record.variant else ""
    return f"make validate-{_named(row)} PREDICTIONS={_predictions(record)}{variant}"


def _named(row: Row) -> str:
    """The benchmark, with its data where it needs some."""
    return f"{row.benchmark} DATA=/path" if needs_data(row.claim) else row.benchmark


def _predictions(record: Record) -> str:
    """The folder of the predictions; of several test sets the one around all of theirs."""
    return posixpath.commonpath([posixpath.dirname(each.path) for each in record.predictions])
