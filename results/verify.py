"""`verify`: every record held against what is stored beside it. No torch, no network, no training code.

For each record: are the files that it vouches for unchanged, and its weights no other run's; does a third-party program
find the same in the predictions; does our own scoring, which alone gives intervals, against the run's data or else the
references stored; has the claim changed since. For each folder beside them: is its record there, or was a seed dropped.
For each reading with several runs: does a third-party program find the same interquartile mean.
"""

from __future__ import annotations

import csv
import importlib.metadata
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.claim import Claim
from benchmarks.config import last_stage
from benchmarks.errors import UserError
from benchmarks.files import sha256
from benchmarks.measure import HeldOut, measure
from benchmarks.modules import foreign, needs_data, scoring, truth
from benchmarks.paths import ROOT, benchmarks, record_file, records_folder, relative
from benchmarks.schema import Measurement, Profile, Record
from benchmarks.strict import load_claim
from results.collect import Row, measured_by, records_of, rows_of
from results.consistency import Finding, consistent, twins
from results.foreign import runs
from results.render import middle_of, several
from results.wording import number

TOLERANCE = 1e-10  # of a number in float64, whose last digits another order of adding may change
ANOTHER_ORDER = 0.1  # of a bootstrap's error, where others' files have another order than DATA: some 4 deviations of it
UNSCORABLE = (UserError, ValueError, LookupError, AssertionError, ArithmeticError, TypeError, csv.Error)  # as emptied
PROFILES: tuple[Profile, ...] = ("full", "mini")

Checked = tuple[str, list[Finding]]  # what was looked at, and what was found


@dataclass(frozen=True)
class Tested:
    """Predictions of a test set: what the record says of it, and the file, or a folder of those recorded, to score.

    `linked` is the folder that this path lies in or is, in the place of the recorded one.
    """

    prefix: str
    split: str
    path: Path
    linked: Path
    recorded: Path
    metrics: dict[str, Measurement]

    def told(self, error: Exception) -> str:
        """A message, by the recorded names."""
        return str(error).replace(str(self.linked), relative(self.recorded))


def verify() -> tuple[str, bool]:
    """Checks all records, and the interquartile means over their runs.

    Returns:
        What to print, a line for each, and whether none is contradicted.
    """
    records = [each for name in benchmarks() for each in (*_records(name), *strays(name))]
    rows = several(row for name in benchmarks() for row in rows_of(name))
    lines = [
        f"{verdict(findings):6} {subject}: {'; '.join(words for _, words in findings)}"
        for subject, findings in [*records, *interquartile_means(rows)]
    ]
    failed = sum(line.startswith("FAILED") for line in lines)
    counted = f"{len(records)} records and {len(rows)} interquartile means over runs"
    return "\n".join([*lines, f"{counted}, {failed} of them contradicted by what is stored"]), not failed


def _records(benchmark: str) -> Iterator[Checked]:
    claim = load_claim(benchmark)
    records = [record for profile in PROFILES for record in records_of(benchmark, profile)]
    for record in records:
        findings = [*check(claim.within(record.profile), record), *twins(record, records)]
        yield f"{benchmark} {record.run_id}", findings


def strays(benchmark: str) -> Iterator[Checked]:
    """What runs kept beside their records, and whose record is gone."""
    gone: list[Finding] = [("contradicts", "its record is not here; put it back, or finish the run")]
    for folder in sorted(records_folder(benchmark).glob("*/")):
        if not record_file(benchmark, folder.name).exists():
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
    if _same(ours, theirs):
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
    yield from _files(record)
    with TemporaryDirectory() as scratch:
        tests = [*_test_sets(claim, record, Path(scratch))]
        for prefix in dict.fromkeys(key.partition("/")[0] for key in record.metrics):
            found: list[Finding] = []
            for tested in tests:
                if tested.prefix == prefix:
                    found += [*_by_foreign_tool(claim, record, tested), *_by_us(claim, record, tested)]
            yield from found
            if not any(kind in ("agrees", "contradicts") for kind, _ in found):
                yield "unscored", f"nothing of {prefix} was scored again"
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


def _test_sets(claim: Claim, record: Record, scratch: Path) -> Iterator[Tested]:
    """Each that was measured and whose predictions are all here, linked so that nothing else lies beside them."""
    measured = {key.partition("/")[0] for key in record.metrics}
    variants = (*claim.variants, record.variant)  # predictions may be of any, and theirs are the last that count
    splits = {prefix: split for each in variants for prefix, split in claim.splits(each) if prefix in measured}
    files = [*dict.fromkeys(ROOT / each.path for each in record.predictions)]
    for place, folder in enumerate(sorted({file.parent for file in files})):
        its = [file for file in files if file.parent == folder]
        if not all(file.is_file() for file in its):
            continue
        path = _linked(its, scratch / str(place))
        for prefix, split in splits.items():
            if len(splits) == 1 or folder.name == split:
                metrics = {key: value for key, value in record.metrics.items() if key.partition("/")[0] == prefix}
                yield Tested(prefix, split, path, scratch / str(place), folder, metrics)


def _linked(files: Sequence[Path], folder: Path) -> Path:
    """Links to files of one folder in another; the only one, whatever its name, or that folder."""
    folder.mkdir()
    links = [folder / file.name for file in files]
    for link, file in zip(links, files, strict=True):
        link.symlink_to(file)
    return links[0] if len(links) == 1 else folder


def _by_foreign_tool(claim: Claim, record: Record, tested: Tested) -> Iterator[Finding]:
    module = foreign(claim)
    if module is None:
        yield "unchecked", "no foreign tool scores this"
        return
    tool = module.TOOL or "Python"
    try:
        found = module.score(tested.path, _root(record), tested.split)
        name = f"{tool} {importlib.metadata.version(tool)}" if module.TOOL else tool
    except ModuleNotFoundError:
        yield "unchecked", f"{tool} is not installed"
    except FileNotFoundError as error:
        yield "unchecked", f"{tool} needs {Path(str(error.filename or error)).name}, which is not here"
    except UNSCORABLE as error:
        yield "contradicts", f"{tool} cannot score the predictions: {tested.told(error)}"
    else:
        known = {key: found[metric] for key in tested.metrics if (metric := key.partition("/")[2]) in found}
        yield from _compared(tested, name, known)
        for metric in found:
            if metric.partition("/")[0] in scoring(claim).METRICS and f"{tested.prefix}/{metric}" not in tested.metrics:
                yield "contradicts", f"{tested.prefix}/{metric} is by {name} alone, and not in the record"


def _by_us(claim: Claim, record: Record, tested: Tested) -> Iterator[Finding]:
    root = _root(record)
    here = root is not None or not needs_data(claim)
    try:
        known = truth(claim, root, tested.split) if here else _stored_truth(claim, tested)
        if known is None:
            remedy = "give them to `make validate-<benchmark> PREDICTIONS=`"
            yield "unscored", f"our own scoring needs the data for the intervals of {tested.prefix}: {remedy}"
            return
        scored = measure(HeldOut(claim, root, tested.prefix, tested.split, "", known), tested.path, {}, [])
    except UNSCORABLE as error:
        yield "contradicts", f"our own scoring refuses the predictions: {tested.told(error)}"
        return
    by = "our own scoring" if here else "our own scoring with the references stored"
    slack = ANOTHER_ORDER if record.config is None and not here else 0.0
    yield from _measured_again(tested, scored.metrics, by, slack)
    yield from _resets(record, scoring(claim), tested.path, known)


def _stored_truth(claim: Claim, tested: Tested) -> Any:
    """What the run stored of it with its predictions; None where it is not there, or never is, as COCO's objects."""
    of_task = getattr(scoring(claim), "stored_truth", None)
    return None if of_task is None else of_task(tested.path)


def _measured_again(tested: Tested, ours: dict[str, Measurement], by: str, slack: float) -> Iterator[Finding]:
    for key in sorted(ours.keys() ^ tested.metrics.keys()):
        where = "in the record, and not by our own scoring" if key in tested.metrics else "by our own scoring alone"
        yield "contradicts", f"{key} is {where}"
    again = {key: value for key, value in ours.items() if key in tested.metrics}
    yield from _compared(tested, by, {key: value.value for key, value in again.items()})
    for key, value in again.items():
        yield from _as_measured(key, tested.metrics[key], value, slack)


def _as_measured(key: str, recorded: Measurement, ours: Measurement, slack: float) -> Iterator[Finding]:
    """What a record says of a metric beside its value; an end may be off by `slack` times its distance from that."""
    pairs = zip(recorded.ci95, ours.ci95, strict=True)
    if not all(_same(end, due) or abs(end - due) <= slack * abs(due - ours.value) for end, due in pairs):
        yield "contradicts", f"the interval of {key} is {recorded.ci95}, by our own scoring {ours.ci95}"
    for what, one, other in (("examples", recorded.n, ours.n), ("unit", recorded.unit, ours.unit)):
        if one != other:
            yield "contradicts", f"the {what} of {key}: {one} in the record, {other} by our own scoring"
    if not ours.signature.items() <= recorded.signature.items():
        yield "contradicts", f"the protocol of {key} is by the predictions themselves {dict(ours.signature)}"


def _resets(record: Record, task: Any, path: Path, known: Any) -> Iterator[Finding]:
    """Where each run plays episodes of its own, whether these are: another seed's would be a copy of its run."""
    rule = getattr(task, "evaluation_seeds", None)
    if rule is None or record.seed is None:
        return
    seeds = [*task.read(path, known).seeds]
    if seeds != rule(record.seed, len(seeds)):
        yield "contradicts", f"its episodes do not begin from the resets of seed {record.seed}"


def _root(record: Record) -> str | None:
    """Where the run's data lie, if they still do."""
    root = last_stage(record.config or {}).get("data", {}).get("init_args", {}).get("root")
    return str(ROOT / root) if root is not None and (ROOT / root).is_dir() else None


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _compared(tested: Tested, by: str, found: dict[str, float]) -> Iterator[Finding]:
    same = []
    for key, value in found.items():
        recorded = tested.metrics[key].value
        if _same(value, recorded):
            same.append(f"{key} {number(recorded)}")
        else:
            yield "contradicts", f"{key} is {recorded} in the record and {value} by {by}"
    if same:
        yield "agrees", f"{', '.join(same)} by {by}"
