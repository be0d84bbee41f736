"""Sheets of worst examples, which runs leave, as parts of the report: those of the runs that did worst."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.paths import record_file, relative, run_folder
from benchmarks.schema import Record
from results.collect import Row


@dataclass(frozen=True)
class Sheet:
    """A run's page of worst examples; `html` is None where the report has no room for it."""

    run_id: str
    path: str
    html: str | None


def sheets_of(rows: Sequence[Row], room: int) -> Iterator[Sheet]:
    """The sheet of each row's worst run that is here, a run once.

    Args:
        rows: of one benchmark.
        room: bytes that they may take together; one that does not fit is named alone.

    Raises:
        UserError: one cannot be read as text.
    """
    for run_id in dict.fromkeys(_worst(row).run_id for row in rows if row.records):
        path = _sheet(rows[0].benchmark, run_id)
        if path is None:
            continue
        html = _text(path)
        fits = len(html.encode()) <= room
        room -= len(html.encode()) if fits else 0
        yield Sheet(run_id, relative(path), html if fits else None)


def _worst(row: Row) -> Record:
    sign = 1 if row.reading.higher_is_better else -1
    return min(row.records, key=lambda record: sign * record.metrics[row.reading.metric].value)


def _sheet(benchmark: str, run_id: str) -> Path | None:
    """The sheet of a run: beside the record where it was small enough to be kept, else where the run left it."""
    folders = (record_file(benchmark, run_id).with_suffix(""), run_folder(benchmark, run_id))
    return next((folder / "sheet.html" for folder in folders if (folder / "sheet.html").is_file()), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{relative(path)} cannot be read: {error}. Restore it, or move it away.") from None
