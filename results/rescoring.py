"""The predictions that a record vouches for, scored again: by a third-party program, and by us.

Our own scoring, which alone gives intervals, goes by the run's data where they are here, else by the references or
labels that the run stored with its predictions.
"""

from __future__ import annotations

import csv
import importlib.metadata
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.claim import Claim
from benchmarks.config import last_stage
from benchmarks.errors import UserError
from benchmarks.measure import HeldOut, measure
from benchmarks.modules import foreign, needs_data, scoring, truth
from benchmarks.paths import ROOT, relative
from benchmarks.schema import Measurement, Record
from datamodules.layouts.digest import counted
from results.consistency import Finding, same
from results.wording import number

ANOTHER_ORDER = 0.1  # of a bootstrap's error, where others' files have another order than DATA: some 4 deviations of it
UNSCORABLE = (UserError, ValueError, LookupError, AssertionError, ArithmeticError, TypeError, csv.Error)  # as emptied


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


@dataclass(frozen=True)
class Data:
    """Where the data of a record lie, and the truth of a test set among them, as the task has it."""

    root: str
    truth: Any


def rescored(claim: Claim, record: Record) -> Iterator[Finding]:
    """What scoring the predictions of a record again says of each test set that it measured."""
    with TemporaryDirectory() as scratch:
        tests = [*_test_sets(claim, record, Path(scratch))]
        for prefix in dict.fromkeys(key.partition("/")[0] for key in record.metrics):
            found: list[Finding] = []
            for tested in tests:
                if tested.prefix == prefix:
                    data = _data(claim, record, tested.split)
                    found += [*_by_foreign_tool(claim, data, tested), *_by_us(claim, record, data, tested)]
            yield from found
            if not any(kind in ("agrees", "contradicts") for kind, _ in found):
                yield "unscored", f"nothing of {prefix} was scored again"


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


def _by_foreign_tool(claim: Claim, data: Data | None, tested: Tested) -> Iterator[Finding]:
    module = foreign(claim)
    if module is None:
        yield "unchecked", "no foreign tool scores this"
        return
    tool = module.TOOL or "Python"
    try:
        found = module.score(tested.path, data.root if data else None, tested.split)
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


def _by_us(claim: Claim, record: Record, data: Data | None, tested: Tested) -> Iterator[Finding]:
    here, root = data is not None or not needs_data(claim), data.root if data else None
    try:
        known = data.truth if data else truth(claim, None, tested.split) if here else _stored_truth(claim, tested)
        if known is None:
            lay = _lay(record)
            where = "its record does not say where they lay" if lay is None else f"{lay} does not hold them now"
            yield "unscored", f"our own scoring needs the data for the intervals of {tested.prefix}, and {where}"
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
    if not all(same(end, due) or abs(end - due) <= slack * abs(due - ours.value) for end, due in pairs):
        yield "contradicts", f"the interval of {key} is {recorded.ci95}, by our own scoring {ours.ci95}"
    for what, one, other in (("examples", recorded.n, ours.n), ("unit", recorded.unit, ours.unit)):
        if one != other:
            yield "contradicts", f"the {what} of {key}: {one} in the record, {other} by our own scoring"
    if not ours.signature.items() <= recorded.signature.items():
        yield "contradicts", f"the protocol of {key} is by the predictions themselves {dict(ours.signature)}"


def _compared(tested: Tested, by: str, found: dict[str, float]) -> Iterator[Finding]:
    agreed = []
    for key, value in found.items():
        recorded = tested.metrics[key].value
        if same(value, recorded):
            agreed.append(f"{key} {number(recorded)}")
        else:
            yield "contradicts", f"{key} is {recorded} in the record and {value} by {by}"
    if agreed:
        yield "agrees", f"{', '.join(agreed)} by {by}"


def _resets(record: Record, task: Any, path: Path, known: Any) -> Iterator[Finding]:
    """Where each run plays episodes of its own, whether these are: another seed's would be a copy of its run."""
    rule = getattr(task, "evaluation_seeds", None)
    if rule is None or record.seed is None:
        return
    seeds = [*task.read(path, known).seeds]
    if seeds != rule(record.seed, len(seeds)):
        yield "contradicts", f"its episodes do not begin from the resets of seed {record.seed}"


def _lay(record: Record) -> str | None:
    """Where the data lay that predictions were held against, as far as its record says."""
    root: str | None = last_stage(record.config or {}).get("data", {}).get("init_args", {}).get("root")
    return record.data.get("root") if root is None else root


def _data(claim: Claim, record: Record, split: str) -> Data | None:
    """The data that a test set's predictions were held against; None where they are gone, or others lie there now."""
    lay = _lay(record)
    if lay is None or not os.access(ROOT / lay, os.R_OK | os.X_OK):
        return None
    try:
        found = truth(claim, str(ROOT / lay), split)
    except UserError:
        return None
    now = counted(split, found)
    as_then = all(record.data.get(key, value) == value for key, value in now.items())
    return Data(str(ROOT / lay), found) if as_then else None
