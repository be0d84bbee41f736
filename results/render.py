"""Rows -> Markdown and CSV, and one record -> the lines that its run ends with. Pure code."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.claim import DEFAULT, Claim, Reading
from benchmarks.modules import scoring
from benchmarks.schema import Measurement, Record
from results.collect import Row, interval_of, judge, measured_by
from results.robust import ENOUGH, interquartile_interval, interquartile_mean
from results.scoring.rows import csv_of
from results.wording import bounds, claimed, number

COLUMNS = ("benchmark", "reading", "origin", "claimed", "measured", "95 % interval", "seeds", "verdict", "note", "runs")

FIELDS = (
    "benchmark", "reading", "variant", "origin", "metric", "target", "margin", "unit", "mean", "low", "high", "seeds",
    "verdict", "note", "runs", "rounding", "higher_is_better", "stand_in", "seed_spread", "example_error",
)  # fmt: skip
"""The columns of CSV; later ones stand at the end, as programs may count columns."""

SEED_COLUMNS = (
    "benchmark", "reading", "mean",
    f"interquartile mean (95 % bootstrap over {ENOUGH} or more runs; no verdict rests on it)", "worst", "each run",
)  # fmt: skip

MINIATURE_WARNING = "A miniature tests the pipeline. Its numbers are no evidence for any claim."


def titled(reading: Reading) -> str:
    """A reading's name, with its variant."""
    return reading.name if reading.variant is None else f"{reading.name} ({reading.variant})"


def cells(row: Row) -> tuple[str, ...]:
    """What the columns say of a row."""
    reading, found = row.reading, row.interval
    asked = claimed(reading)
    if row.origin == "miniature":
        asked = f"{reading.miniature.target:g} {reading.unit} (miniature)" if reading.miniature else "none"
    measured = f"{number(found.mean)} {reading.unit}" if found else ""
    within = bounds(found, reading) if found else ""
    seeds = str(found.seeds) if found else ""
    runs = " ".join(row.run_ids[:3]) + (f" and {len(row.run_ids) - 3} more" if len(row.run_ids) > 3 else "")
    return (row.benchmark, titled(reading), row.origin, asked, measured, within, seeds, row.verdict, row.note, runs)


def markdown(rows: Sequence[Row]) -> str:
    """A table that GitHub renders."""
    return table([COLUMNS, *map(cells, rows)])


def markdown_without_runs(rows: Sequence[Row]) -> str:
    """The same without the runs of each row, narrow enough for the README."""
    return table([line[:-1] for line in (COLUMNS, *map(cells, rows))])


def table(lines: Sequence[Sequence[str]]) -> str:
    """Cells as a table that GitHub renders; the first line is the header."""
    header, *body = lines
    ruled = [header, ("---",) * len(header), *body]
    return "".join("| " + " | ".join(map(_in_table, line)) + " |\n" for line in ruled)


def _in_table(cell: str) -> str:
    """A cell on one line, without what would end it, or be HTML, an image or the end of README's block."""
    return re.sub(r"[\\|<>]|(?<=!)\[", r"\\\g<0>", " ".join(cell.split()))


def _in_sheet(cell: str | float) -> str | float:
    """A cell that spreadsheets do not take for a formula, which could send what stands beside it elsewhere."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell


def comma_separated(rows: Sequence[Row]) -> str:
    """The same table with unrounded numbers, for programs."""
    lines: list[Sequence[str | float]] = [FIELDS]
    for row in rows:
        reading, found = row.reading, row.interval
        numbers = (found.mean, found.low, found.high, found.seeds) if found else ("", "", "", "")
        spread, error = (found.seed_spread, found.example_error) if found else ("", "")
        asked: tuple[str | float, ...] = (reading.target, reading.margin.value)
        if row.origin == "miniature":
            asked = (reading.miniature.target if reading.miniature else "", "")
        lines.append(
            (row.benchmark, reading.name, reading.variant or "", row.origin, reading.metric, *asked, reading.unit,
             *numbers, row.verdict, row.note, " ".join(row.run_ids), reading.rounding,
             str(reading.higher_is_better).lower(), str(reading.stand_in).lower(), "" if spread is None else spread,
             error)
        )  # fmt: skip
    return csv_of(map(_in_sheet, line) for line in lines)


def seeds_markdown(rows: Sequence[Row]) -> str:
    """The runs of every reading one by one, the worst of them, and the interquartile mean; none is left out."""
    return table([SEED_COLUMNS, *map(_seed_cells, several(rows))])


def seeds_comma_separated(rows: Sequence[Row]) -> str:
    """Every run of every reading on a line of its own, unrounded."""
    runs = [
        (row.benchmark, row.reading.name, row.reading.metric, run_id, value, row.reading.variant or "", seed,
         row.reading.unit)
        for row in several(rows)
        for run_id, value, seed in zip(row.run_ids, row.values, row.seeds, strict=True)
    ]  # fmt: skip
    return csv_of([("benchmark", "reading", "metric", "run", "value", "variant", "seed", "unit"), *runs])


def several(rows: Iterable[Row]) -> list[Row]:
    """The rows of trained readings that have two runs or more."""
    return [row for row in rows if row.origin == "trained" and len(row.values) > 1]


def middle_of(row: Row) -> float:
    """The interquartile mean of a row's runs."""
    return float(interquartile_mean(np.array(row.values)))


def _seed_cells(row: Row) -> tuple[str, ...]:
    values, middle = np.array(row.values), number(middle_of(row))
    if len(values) >= ENOUGH and not scoring(row.claim).SHARED:
        low, high = interquartile_interval(values)
        middle += f" ({number(low)} to {number(high)})"
    worst = (min if row.reading.higher_is_better else max)(row.values)
    each = ", ".join(map(number, row.values))
    return (row.benchmark, row.reading.name, number(float(values.mean())), middle, number(worst), each)


def summary(claim: Claim, record: Record) -> str:
    """The end of a run: the claim, what was measured, the baselines and the verdict, a reading at a time."""
    lines = [f"claim      {claim.source.statement} ({claim.source.section})"]
    for reading in measured_by(claim, record):
        row = judge(claim, reading, [record])
        assert row.interval is not None
        measured = f"{number(row.interval.mean)} {reading.unit}"
        within = bounds(row.interval, reading)
        lines += [
            f"reading    {reading.name}: {reading.metric}, claimed {claimed(reading)}",
            f"  measured {measured}, 95 % interval {within}, {record.metrics[reading.metric].n} examples, each once",
        ]
        lines += [
            f"  baseline {name}: {number(baseline.value)} {reading.unit}"
            for name, baseline in record.baselines.items()
            if baseline.metric == reading.metric
        ]
        if record.profile == "mini" and reading.miniature is not None:
            goal = reading.miniature
            but = f" but {', '.join(goal.spared)}" if goal.spared else ""
            beside = any(baseline.metric == reading.metric for baseline in record.baselines.values())
            better = f", and {goal.distance:g} better than each baseline{but}" if beside else ""
            lines.append(f"  needed   {goal.target:g}{better}")
        lines.append(f"  verdict  {row.verdict}" + (f" ({row.note})" if row.note else ""))
    lines += _unjudged(claim, record) + _no_verdict(claim, record)
    lines += [f"machine    between starts, {change}" for change in record.between_starts]
    if record.profile == "mini":
        lines.append(MINIATURE_WARNING)
    else:
        lines += [f"references of {prefix}: {each.checked}" for prefix, each in record.references.items()]
    return "\n".join(lines)


def _no_verdict(claim: Claim, record: Record) -> list[str]:
    """Why there is no verdict, where no reading fits."""
    if measured_by(claim, record):
        return []
    made = f"variant {record.variant}" if record.variant else "any of these metrics"
    about = ", ".join(f"{each.metric} (variant {each.variant or DEFAULT})" for each in claim.testable)
    return [f"note: no reading of the claim is about {made}, so there is no verdict; they are about {about}"]


def _unjudged(claim: Claim, record: Record) -> list[str]:
    """Metrics that no reading is about; those of one part, such as a category, are only counted."""
    judged = {reading.metric for reading in measured_by(claim, record)}
    others = {key: measured for key, measured in record.metrics.items() if key not in judged}
    whole = {key: measured for key, measured in others.items() if key.count("/") == 1}
    lines = [f"also       {key} {_with_interval(claim, measured)}" for key, measured in whole.items()]
    parts = [key for key in others if key.count("/") > 1]
    return lines + ([f"           and {len(parts)} more in the record, such as {parts[0]}"] if parts else [])


def _with_interval(claim: Claim, measured: Measurement) -> str:
    """A value with the interval that a row would have; nobody says that more of it is better, so none ends at 100."""
    found = interval_of(claim, [measured], higher_is_better=False)
    return f"{number(found.mean)} {measured.unit}, 95 % interval {number(found.low)} to {number(found.high)}"
