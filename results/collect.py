"""Records -> one row per reading, with its interval and its verdict. No torch, no data, no network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from textwrap import shorten
from typing import Literal

from benchmarks.claim import DEFAULT, Claim, Reading
from benchmarks.modules import scoring
from benchmarks.schema import Measurement, Record
from benchmarks.strict import load_claim
from results.groups import newest_group, several_commits, several_versions, validations
from results.statistics import (
    NORMAL_QUANTILE,
    Interval,
    Verdict,
    interval,
    pipeline_verdict,
    seeds_in_words,
    seeds_needed,
    verdict,
    wilson,
)
from results.stored import records_of
from results.wording import bounds, differing, listed, number

SHARES = ("%", "points")  # of examples, or differences of two
MOST_OF_A_NOTE = 120  # characters in a table; the record has the rest

Origin = Literal["trained", "re-evaluated", "miniature", ""]


@dataclass(frozen=True)
class Row:
    """What a table says of one reading; `interval` is None, and `origin` empty, where nothing was measured."""

    benchmark: str
    claim: Claim
    reading: Reading
    origin: Origin
    verdict: Verdict
    interval: Interval | None
    note: str
    records: tuple[Record, ...]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs that it is about."""
        return tuple(record.run_id for record in self.records)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of those that have one; other people's predictions have none."""
        return tuple(record.seed for record in self.records if record.seed is not None)

    @property
    def values(self) -> tuple[float, ...]:
        """What each of them measured."""
        return tuple(record.metrics[self.reading.metric].value for record in self.records)


def standard_error_of(measurement: Measurement, drawn_together: int = 1) -> float:
    """The bootstrap's standard error, of which `ci95` is made; of a share at least that of none among its examples.

    Where all examples agree the bootstrap sees no error, and Wilson's interval of none among them says how large one
    may be: no crash in 500 drives is no proof that there are none, and one crash makes nothing more certain. Examples
    that it draws together count as one.
    """
    low, high = measurement.ci95
    half = (high - low) / 2
    if measurement.unit in SHARES:
        half = max(half, 100 * wilson(0, measurement.n // drawn_together)[1])
    return half / NORMAL_QUANTILE


def interval_of(claim: Claim, measured: Sequence[Measurement], *, higher_is_better: bool) -> Interval:
    """The interval of what runs measured of one metric."""
    task = scoring(claim)
    counted = task.SHARED or len(measured) == 1  # or the spread between runs holds it already
    together = getattr(task, "DRAWN_TOGETHER", 1)
    errors = [standard_error_of(m, together) if counted else 0.0 for m in measured]
    found = interval([m.value for m in measured], errors)
    return _within(found, higher_is_better=higher_is_better) if measured[0].unit == "%" else found


def _within(found: Interval, *, higher_is_better: bool) -> Interval:
    """An interval of a percentage ends at 0 and 100.

    Word errors can be above 100, and the words that are right, 100 less these, below 0; there it stays open.
    """
    least, most = 0.0 if found.mean >= 0 else -inf, 100.0 if higher_is_better else inf
    return replace(found, low=max(found.low, least), high=min(found.high, most))


def rows_of(benchmark: str) -> list[Row]:
    """The rows of the committed tables: one a reading from trained runs, and one from what was re-evaluated."""
    claim = load_claim(benchmark)
    records = records_of(benchmark, "full")
    rows = [trained_row(benchmark, claim, reading, records) for reading in claim.readings]
    for *others, record in validations(records):
        words = ["of " + what_was_scored(record), f"{len(others)} other record(s) of it" if others else ""]
        rows += [
            _noted(judge(claim, reading, [record]), *words, *_odd(reading, record))
            for reading in measured_by(claim, record)
        ]
    return rows


def _odd(reading: Reading, record: Record) -> list[str]:
    """The beginnings of what a record notes of the test set that a reading is about."""
    about = f"{reading.split}: "
    notes = [each.removeprefix(about) for each in record.notes if each.startswith(about)]
    return [shorten(each, MOST_OF_A_NOTE, placeholder=" ...") for each in notes]


def what_was_scored(record: Record) -> str:
    """The checkpoint or the predictions that a validation scored, by the first file; of one elsewhere, its name."""
    first, *others = record.predictions if record.checkpoint is None else (record.checkpoint,)
    path = Path(first.path)
    return (path.name if path.is_absolute() else str(path)) + (f" and {len(others)} more" if others else "")


def miniature_rows_of(benchmark: str) -> list[Row]:
    """One row a reading and miniature record."""
    claim = load_claim(benchmark)
    records = records_of(benchmark, "mini")
    return [judge(claim, reading, [record]) for record in records for reading in measured_by(claim, record)]


def measured_by(claim: Claim, record: Record) -> list[Reading]:
    """The readings that one record says something of.

    A model is of one variant, the one without a name in many a benchmark. Published weights and other people's
    predictions are of none unless their maker says so, be it `default`, and may hold the metrics of several.
    """
    of_a_model = record.mode == "train" or record.checkpoint is not None
    meant = record.variant or (DEFAULT if of_a_model else None)
    return [
        reading
        for reading in claim.testable
        if reading.metric in record.metrics and meant in (None, reading.variant or DEFAULT)
    ]


def trained_row(benchmark: str, claim: Claim, reading: Reading, records: Iterable[Record]) -> Row:
    """The row of a reading from the newest group of official training records of its variant."""
    if reading.ill_posed is not None:
        return Row(benchmark, claim, reading, "", "ill-posed", None, reading.ill_posed, ())
    candidates = [
        record
        for record in records
        if record.mode == "train" and record.variant == reading.variant and reading.metric in record.metrics
    ]
    official = [record for record in candidates if record.official]
    if official:
        unofficial = len(candidates) - len(official)
        row = _with_seeds(judge(claim, reading, newest_group(official)), official)
        return _noted(row, f"{unofficial} unofficial run(s)" if unofficial else "")
    incomparable = newest_group([record for record in candidates if not _comparable(claim, reading, record)])
    if incomparable:
        return judge(claim, reading, incomparable)
    note = f"{len(candidates)} unofficial run(s)" if candidates else ""
    return Row(benchmark, claim, reading, "", "not run", None, note, ())


def _with_seeds(row: Row, records: Sequence[Record]) -> Row:
    """The row, with notes on its seeds, as luck can be sought in them.

    They are not those that the claim fixed, or of several commits or versions of packages, or there are official
    records that do not count.
    """
    counted = {(record.seed, record.claim_hash): record for record in row.records}
    left_out = [each for each in records if each not in row.records]
    again = [_before(each, counted[key], row) for each in left_out if (key := (each.seed, each.claim_hash)) in counted]
    others = len(left_out) - len(again)
    return _noted(
        row,
        _other_seeds(row),
        several_commits(row.records),
        several_versions(row.records),
        f"other runs of the same seeds are not counted: {', '.join(again)}" if again else "",
        f"{others} more official run(s), of other seeds, settings, data or claims, are not counted" if others else "",
    )


def _before(earlier: Record, counted: Record, row: Row) -> str:
    """What an official run scored in whose place another one of its seed counts, or that this one merely repeats it."""
    ours, theirs = ([each.sha256 for each in record.predictions] for record in (counted, earlier))
    scored = "the same predictions" if ours == theirs else number(earlier.metrics[row.reading.metric].value)
    return f"seed {earlier.seed} ({scored})"


def _other_seeds(row: Row) -> str:
    """How a row's seeds differ from those that the claim fixed, and what these alone give where they are among them."""
    chosen, fixed = sorted(row.seeds), sorted(row.claim.seeds)
    if chosen == fixed:
        return ""
    words = f"seeds {listed(chosen)} instead of the claim's {listed(fixed)}"
    if not set(fixed) < set(chosen):
        return words
    alone = judge(row.claim, row.reading, [record for record in row.records if record.seed in fixed])
    assert alone.interval is not None
    return f"{words} (these alone: {alone.verdict}, {bounds(alone.interval, row.reading)})"


def _noted(row: Row, *words: str) -> Row:
    """The row, with more in its note; empty words say nothing."""
    return replace(row, note="; ".join(filter(None, (row.note, *words))))


def _comparable(claim: Claim, reading: Reading, record: Record) -> bool:
    measured = record.metrics[reading.metric]
    return (
        measured.n == reading.examples and measured.signature == reading.signature and record.claim_hash == claim.hash
    )


def judge(claim: Claim, reading: Reading, records: Sequence[Record]) -> Row:
    """The verdict on a reading from the records of one group."""
    first = records[0]
    measured = [record.metrics[reading.metric] for record in records]
    found = interval_of(claim, measured, higher_is_better=reading.higher_is_better)
    words, note = _decide(claim, reading, records, found)
    return Row(first.benchmark, claim, reading, _origin(first), words, found, note, tuple(records))


def _origin(record: Record) -> Origin:
    if record.profile == "mini":
        return "miniature"
    return "re-evaluated" if record.mode == "validate" else "trained"


def verdicts(claim: Claim, record: Record) -> dict[str, Verdict]:
    """Reading -> verdict from one record alone."""
    return {reading.name: judge(claim, reading, [record]).verdict for reading in measured_by(claim, record)}


def _decide(claim: Claim, reading: Reading, records: Sequence[Record], found: Interval) -> tuple[Verdict, str]:
    if records[0].profile == "mini":
        return _decide_miniature(reading, records[0])
    for record in records:
        if not _comparable(claim, reading, record):
            return "not comparable", _why_not_comparable(claim, reading, record)
    if unofficial := [record for record in records if not record.official]:
        return "unofficial", "; ".join(unofficial[0].deviations) or "uncommitted code"
    terms = (reading.target, reading.margin.value, reading.rounding, reading.higher_is_better)
    words = verdict(found, *terms)
    notes = [] if found.covers_training else ["training variance not covered"]
    if records[0].config is None:
        notes.append("protocol as stated by the predictions' maker")
    references = [record.references.get(reading.metric.partition("/")[0]) for record in records]
    if any(each is not None and each.official is None for each in references):
        notes.append("references were not compared with the official ones")
    if words == "inconclusive":
        notes.append(seeds_in_words(seeds_needed(found, *terms)))
    return words, "; ".join(notes)


def _decide_miniature(reading: Reading, record: Record) -> tuple[Verdict, str]:
    if reading.miniature is None:
        return "not judged", "no target set"
    same = {name: b.value for name, b in record.baselines.items() if b.metric == reading.metric}
    value = record.metrics[reading.metric].value
    goal = reading.miniature
    words = pipeline_verdict(value, goal.target, goal.against(same), goal.distance, reading.higher_is_better)
    notes = ["no evidence for the claim", *([] if same else ["no baselines, the target alone"]), *record.deviations]
    return words, "; ".join(notes)


def _why_not_comparable(claim: Claim, reading: Reading, record: Record) -> str:
    measured = record.metrics[reading.metric]
    if measured.n != reading.examples:
        return f"{measured.n} examples were scored, the claim is about {reading.examples}"
    if measured.signature != reading.signature:
        return f"the protocol differs: {differing(measured.signature, reading.signature)}"
    return f"the claim has changed since ({record.claim_hash} -> {claim.hash})"
