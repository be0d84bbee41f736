"""`verify`: every record held against what is stored beside it. No torch, no network, no training code.

For each record: are the files that it vouches for unchanged, and its weights no other run's; do its predictions still
score what it says (`rescoring.py`); has the claim changed since. For each folder beside them: is its record there, or
was a seed dropped. For each reading with several runs: does a third-party program find the same interquartile mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.claim import Claim
from benchmarks.errors import UserError
from benchmarks.files import closed, entries, sha256
from benchmarks.paths import ROOT, benchmarks, record_file, records_folder, relative
from benchmarks.schema import Profile, Record
from benchmarks.strict import load_claim
from results.collect import Row, measured_by, rows_of
from results.consistency import Finding, consistent, same, twins
from results.foreign import runs
from results.render import middle_of, several
from results.rescoring import rescored
from results.stored import record_at, record_files
from results.wording import number

PROFILES: tuple[Profile, ...] = ("full", "mini")

Checked = tuple[str, list[Finding]]  # what was looked at, and what was found


def verify() -> tuple[str, bool]:
    """Checks all records, and the interquartile means over their runs.

    Returns:
        What to print, a line for each, and whether none is contradicted.
    """
    found: list[Checked] = []
    rows: list[Row] = []
    for name in benchmarks():
        records, unreadable = _read(name)
        found += [*unreadable, *_checked(name, records), *strays(name)]
        rows += [] if unreadable else several(rows_of(name))
    lines = [
        f"{verdict(findings):6} {subject}: {'; '.join(words for _, words in findings)}"
        for subject, findings in [*found, *interquartile_means(rows)]
    ]
    failed = sum(line.startswith("FAILED") for line in lines)
    counted = f"{len(found)} records and {len(rows)} interquartile means over runs"
    return "\n".join([*lines, f"{counted}, {failed} of them contradicted by what is stored"]), not failed


def _read(benchmark: str) -> tuple[list[Record], list[Checked]]:
    """The records of a benchmark, and what is said of those that cannot be read, such as edited ones."""
    records: list[Record] = []
    unreadable: list[Checked] = []
    for profile in PROFILES:
        for path in record_files(benchmark, profile):
            try:
                records.append(record_at(path, benchmark, profile))
            except UserError as error:
                unreadable.append((f"{benchmark} {path.stem}", [("contradicts", str(error))]))
    return records, unreadable


def _checked(benchmark: str, records: Sequence[Record]) -> Iterator[Checked]:
    claim = load_claim(benchmark)
    for record in records:
        findings = [*check(claim.within(record.profile), record), *twins(record, records)]
        yield f"{benchmark} {record.run_id}", findings


def strays(benchmark: str) -> Iterator[Checked]:
    """What runs kept beside their records, and whose record is gone."""
    gone: list[Finding] = [("contradicts", "its record is not here; put it back, or finish the run")]
    here = entries(records_folder(benchmark))
    for folder in here:
        if folder.is_dir() and record_file(benchmark, folder.name) not in here:
            yield f"{benchmark} {folder.name}", gone


def interquartile_means(rows: Sequence[Row]) -> Iterator[Checked]:
    """What stands in `seeds.md`, held against rliable; not its intervals, as another bootstrap draws other runs."""
    if not rows:
        return
    named = {f"{row.benchmark}, {row.reading.name}": row for row in rows}
    try:
        version, means = runs.interquartile_means({name: row.values for name, row in named.items()})
    except ModuleNotFoundError:
        yield "interquartile means", [("unchecked", f"{runs.TOOL} is not installed (make peers)")]
        return
    except RuntimeError as error:
        yield "interquartile means", [("unchecked", str(error))]
        return
    for name, row in named.items():
        yield name, [_mean(row, means[name], f"{runs.TOOL} {version}")]


def _mean(row: Row, theirs: float, tool: str) -> Finding:
    ours, count = middle_of(row), f"of {len(row.values)} runs"
    if same(ours, theirs):
        return "agrees", f"interquartile mean {number(ours)} {count} by {tool}"
    return "contradicts", f"the interquartile mean {count} is {ours} by us and {theirs} by {tool}"


def verdict(findings: Iterable[Finding]) -> str:
    """One word for what was found: `ok` where all was scored again, intervals too, and by the claim as it is."""
    kinds = {kind for kind, _ in findings}
    if "contradicts" in kinds:
        return "FAILED"
    return "ok" if "agrees" in kinds and not kinds & {"unscored", "outdated"} else "unchecked"


def check(claim: Claim, record: Record) -> Iterator[Finding]:
    """What can be said of one record."""
    yield from consistent(claim, record)
    try:
        yield from _files(record)
        yield from rescored(claim, record)
    except PermissionError as error:
        yield "unscored", str(closed(error))
    if record.claim_hash != claim.hash and measured_by(claim, record):
        yield "outdated", "the claim has changed since, so its verdict is `not comparable`"


def _files(record: Record) -> Iterator[Finding]:
    """Whether files that the record vouches for are as recorded, as far as they are here."""
    checkpoints = [record.checkpoint, *(stage.checkpoint for stage in record.stages.values())]
    stored = [*record.predictions, *(each for each in checkpoints if each is not None)]
    there = [each for each in stored if (ROOT / each.path).is_file()]
    changed = [each for each in there if sha256(ROOT / each.path) != each.sha256]
    for each in changed:
        yield "contradicts", f"{each.path} is not the file that was recorded (SHA-256)"
    if same := len(there) - len(changed):
        yield "noted", f"{same} of {len(stored)} files as recorded"
    beside = f"{relative(records_folder(record.benchmark))}/"  # where what is kept goes with the record
    gone = [each.path for each in stored if each not in there and each.path.startswith(beside)]
    for path in gone:
        yield "contradicts", f"{path} is gone (if it was committed, `git checkout -- {path}` brings it back)"
    if missing := len(stored) - len(there) - len(gone):
        yield "unchecked", f"{missing} of {len(stored)} files are not in this clone"
