"""What the report says of each claim: its rows, the plots of them, what they cost and where they can be checked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.claim import DEFAULT, Claim, Reading
from benchmarks.modules import scoring
from benchmarks.schema import Record
from benchmarks.speeds import Speeds
from results.collect import Row, judge, what_was_scored
from results.render import titled
from results.report.plots import Claimed, Mark, Plot, learning_curves, number_line
from results.report.sheets import Sheet, sheets_of
from results.statistics import Verdict, passing
from results.wording import bounds

SYMBOLS: dict[Verdict, str] = {
    "reproduced": "✓", "exceeded": "▲", "not reproduced": "✗", "inconclusive": "?", "not comparable": "~",
    "unofficial": "~", "ill-posed": "∅", "not run": "○", "pipeline ok": "✓", "pipeline short": "✗", "not judged": "○",
}  # fmt: skip
UNSETTLING: tuple[Verdict, ...] = ("not comparable", "unofficial")  # of runs that were made, but not as claimed
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class Part:
    """One row of the tables, and what its page section shows beside it."""

    row: Row
    curves: Plot | None

    @property
    def anchor(self) -> str:
        """The anchor of its heading; several records may be re-evaluated for one reading."""
        which = self.row.run_ids[0] if self.row.origin == "re-evaluated" else "trained"
        return re.sub(r"\W+", "-", f"{self.row.benchmark} {titled(self.row.reading)} {which}")


@dataclass(frozen=True)
class Section:
    """A benchmark: its claim, a number line for each metric, a part for each row, and sheets of what went wrong."""

    benchmark: str
    claim: Claim
    lines: tuple[Plot, ...]
    parts: tuple[Part, ...]
    sheets: tuple[Sheet, ...]
    speeds: Speeds | None


def section_of(benchmark: str, claim: Claim, rows: Sequence[Row], speeds: Speeds | None, room: int) -> Section:
    """A benchmark's section.

    Args:
        benchmark: its name.
        claim: what it is about.
        rows: of its tables.
        speeds: of its input, if they were measured.
        room: bytes that its sheets may take.
    """
    beside = [each.beside for each in claim.neighbours if each.beside is not None]
    metrics = dict.fromkeys([*(reading.metric for reading in claim.testable), *beside])
    lines = [line for metric in metrics if (line := _number_line(metric, claim, rows)) is not None]
    first = {row.run_ids: row for row in reversed(rows)}  # the readings of one run have its curves in common
    parts = [Part(row, _curves(row) if row is first[row.run_ids] else None) for row in rows]
    return Section(benchmark, claim, tuple(lines), tuple(parts), tuple(sheets_of(rows, room)), speeds)


def _number_line(metric: str, claim: Claim, rows: Sequence[Row]) -> Plot | None:
    """The number line of a metric; None where nothing stands beside the claim. An ill-posed reading claims nothing."""
    readings = [reading for reading in claim.readings if reading.metric == metric]
    meant = [reading for reading in readings if reading.ill_posed is None]
    claimed = dict.fromkeys(Claimed(reading.target, least(reading), reading.stand_in) for reading in meant)
    shown = [(_marked(title(row), row), row) for row in rows if row.reading.metric == metric]
    shown += _beside(readings[0], claim, rows) if not any(row.interval for _, row in shown) else []
    marks = [
        Mark(name, row.interval.mean, (row.interval.low, row.interval.high), row.values)
        for name, row in shown
        if row.interval is not None
    ]
    marks += [
        Mark(f"{each.system} ({each.metric})", each.value)
        for each in claim.neighbours
        if each.beside == metric and each.value is not None
    ]
    return number_line(metric, readings[0].unit, list(claimed), marks) if marks else None


def _beside(reading: Reading, claim: Claim, rows: Sequence[Row]) -> list[tuple[str, Row]]:
    """What the runs of other readings measured of a metric that none of them is judged by, and the runs' variant."""
    runs = {row.run_ids: row for row in rows if row.records and reading.metric in row.records[0].metrics}
    return [
        (_marked(f"{row.reading.variant or DEFAULT}, {row.origin}", row), judge(claim, reading, row.records))
        for row in runs.values()
    ]


def _marked(name: str, row: Row) -> str:
    """The name of a row's mark, which says so where the row settles nothing, as the mark itself looks like others."""
    return f"{name}, {row.verdict}" if row.verdict in UNSETTLING else name


def _curves(row: Row) -> Plot | None:
    curves = [record.curves for record in row.records if record.curves]
    return learning_curves(f"Learning curves of {title(row)}", curves, scoring(row.claim).METRICS)


def title(row: Row) -> str:
    """A reading with its variant, and which model or predictions were scored where nothing was trained."""
    return titled(row.reading) + (
        f", {what_was_scored(row.records[0])} re-evaluated" if row.origin == "re-evaluated" else ""
    )


def alone(row: Row, record: Record) -> str:
    """The interval of one run, which knows nothing of others."""
    found = judge(row.claim, row.reading, [record]).interval
    assert found is not None
    return bounds(found, row.reading)


def least(reading: Reading) -> float:
    """The worst value that still reproduces the claim."""
    return passing(reading.target, reading.margin.value, reading.rounding, reading.higher_is_better)


def cost(records: Sequence[Record]) -> str:
    """Hours that runs took, of GPUs where there were any."""
    if any(record.environment.gpus for record in records):
        used = sum(record.seconds * record.environment.world_size for record in records)
        return f"{used / SECONDS_AN_HOUR:.1f} GPU-hours"
    hours = sum(record.seconds for record in records) / SECONDS_AN_HOUR
    return f"{hours:.1f} h, no GPU" if hours >= 1 else f"{60 * hours:.0f} min, no GPU"


def packages(record: Record) -> str:
    """The versions that a run was made with."""
    where = record.environment
    return ", ".join([f"Python {where.python}", *(f"{name} {version}" for name, version in where.packages.items())])
