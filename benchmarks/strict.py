"""Claims and records on disk: read strictly, written atomically, never edited. No torch."""

import dataclasses
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_type_hints

import msgspec
from pydantic import TypeAdapter, ValidationError

from benchmarks.claim import Claim, Reading
from benchmarks.config import NO_YAML, parse_yaml, read_yaml
from benchmarks.environment import content
from benchmarks.errors import UserError
from benchmarks.files import write_atomically, write_new
from benchmarks.forecast import Costs, Published
from benchmarks.modules import layouts, missing, needs_data, scoring
from benchmarks.paths import benchmark_folder, relative
from benchmarks.schema import Identity, Record, StageRecord, short_hash

MOST_PROBLEMS = 4
RESTORE = "Records are never edited: restore the file, or move it away."

T = TypeVar("T")


@lru_cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _parse(kind: type[T], text: str | bytes, path: Path) -> T:
    try:
        return cast(T, _adapter(kind).validate_json(text))  # type: ignore[arg-type]  # classes are hashable
    except ValidationError as error:
        problems = [f"{_dotted(each['loc'])}: {each['msg']}" for each in error.errors()[:MOST_PROBLEMS]]
        more = error.error_count() - len(problems)
        raise UserError(
            f"{relative(path)}: {'; '.join(problems)}{f'; and {more} more' if more else ''}. {_remedy(kind, error)}"
        ) from None


def _parse_yaml(kind: type[T], path: Path) -> T:
    return _parse(kind, json.dumps(read_yaml(path), default=str), path)


def _dotted(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place) or "the top level"


def _remedy(kind: type, error: ValidationError) -> str:
    """What to do: a record is restored, a claim is mended by the keys that are known where the first problem is."""
    if kind is Record and any(problem["loc"] == ("schema",) for problem in error.errors()):
        return "Another version of this suite wrote it: move it away, and make it anew."
    if kind is Record:
        return RESTORE
    if kind is StageRecord:
        return "It was changed since it was written: move it away, and the stage is fitted again."
    if kind is Identity:
        return "Another version of this suite wrote it, or it was changed since; use one that this version wrote."
    here, name = kind, kind.__name__.lower()
    for part in error.errors()[0]["loc"][:-1]:
        below = _dataclass_below(here, part)
        if below is not None:
            here, name = below, str(part).removesuffix("s")
    return f"Mend the file: a {name} has the keys {', '.join(get_type_hints(here))}."


def _dataclass_below(kind: type, key: int | str) -> type | None:
    """The dataclass that a key of another holds, alone, in a tuple or as an option."""
    hint = get_type_hints(kind).get(str(key))
    return next((each for each in (hint, *get_args(hint)) if dataclasses.is_dataclass(each)), None)  # type: ignore[return-value]


def load_claim(benchmark: str) -> Claim:
    """The claim of a benchmark.

    Raises:
        UserError: the file cannot be read, breaks the schema, names modules that are not there, has a margin without a
            reason, no headline, two readings of one name, or a metric that its task does not measure.
    """
    path = benchmark_folder(benchmark) / "claim.yaml"
    claim = _parse_yaml(Claim, path)
    for problem in _problems(claim):
        raise UserError(f"{relative(path)}: {problem}")
    return claim


@lru_cache
def seeds_then(benchmark: str, commit: str | None) -> tuple[int, ...] | None:
    """The seeds that the claim fixed at a commit; None where git does not know, or it fixed no whole numbers.

    Nothing else of that claim is read, whose form may have been another one.
    """
    text = commit and content(commit, f"benchmarks/{benchmark}/claim.yaml")
    try:
        seeds = tuple(parse_yaml(text)["seeds"]) if text else ()
    except (TypeError, *NO_YAML):
        return None
    return seeds if seeds and all(isinstance(seed, int) for seed in seeds) else None


def _problems(claim: Claim) -> list[str]:
    if absent := missing(claim):
        return [
            f"dataset {claim.dataset!r} and task {claim.task!r} need {', '.join(absent)}, not there. Name "
            "others, or write what README.md lists under `Adding a benchmark`"
        ]
    measured = scoring(claim).METRICS
    names = [reading.name for reading in claim.readings]
    found = [f"readings: the name {name!r} stands twice; rename one" for name in set(names) if names.count(name) > 1]
    if not claim.readings or not claim.seeds:
        found.append("readings and seeds need at least one entry each")
    try:
        _ = claim.best_on
    except ValueError as error:
        found.append(str(error))
    for reading in claim.readings:
        if not reading.margin.reason.strip():
            found.append(f"reading {reading.name!r}: margin.reason is empty; say why this margin, before any run")
        metric = reading.metric.partition("/")[2]
        if reading.ill_posed is None and metric not in measured:
            found.append(
                f"reading {reading.name!r}: no run logs {reading.metric!r}; "
                f"the task {claim.task!r} measures <prefix>/{' or <prefix>/'.join(measured)}"
            )
        elif measured.get(metric, reading.unit) != reading.unit:
            found.append(f"reading {reading.name!r}: unit is {reading.unit!r}, but {metric} is in {measured[metric]!r}")
        found += _not_official(claim, reading)
    known = {reading.metric for reading in claim.readings}
    found += [
        f"neighbour {each.system!r}: it stands beside {each.beside!r}, which no reading is about; name one of "
        f"{', '.join(sorted(known))}, or leave `beside` out"
        for each in claim.neighbours
        if each.beside is not None and each.beside not in known
    ]
    return found


def _not_official(claim: Claim, reading: Reading) -> Iterator[str]:
    """What a reading says of its test set other than the data set's layout, after which no run of it is official."""
    if reading.ill_posed is not None or not needs_data(claim):
        return
    official = {split: count for split, count in layouts(claim).OFFICIAL.items() if isinstance(count, int)}
    split = reading.split.partition(".")[0]  # without the direction of WMT's
    where = f"datamodules/layouts/{claim.dataset}.py"
    if split not in official:
        yield f"reading {reading.name!r}: split is {split!r}, but OFFICIAL in {where} has {', '.join(official)}"
    elif reading.examples != official[split]:
        said = f"OFFICIAL[{split!r}] in {where} is {official[split]}"
        yield f"reading {reading.name!r}: examples is {reading.examples}, but {said}"


def load_published(benchmark: str) -> tuple[Published, ...]:
    """What others published of the cost of a benchmark's recipes: `cost.yaml`, if there is one.

    Raises:
        UserError: the file breaks the schema.
    """
    path = benchmark_folder(benchmark) / "cost.yaml"
    return _parse_yaml(Costs, path).published if path.is_file() else ()


def load_record(path: Path) -> Record:
    """One record.

    Raises:
        UserError: the file cannot be read, breaks the schema, or was edited.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"{relative(path)} cannot be read: {error.strerror}. {RESTORE}") from None
    record = _parse(Record, text, path)
    if record.digest != digest(msgspec.json.decode(text)):
        raise UserError(f"{relative(path)} was edited: its digest is not that of its contents. {RESTORE}")
    return record


def digest(contents: dict[str, Any]) -> str:
    """A hash of a record's file without its digest: of the file, not of `Record`, which may gain keys."""
    return short_hash({key: value for key, value in contents.items() if key != "digest"})


def load_identity(value: Any, path: Path) -> Identity:
    """What the checkpoint at `path` says of its run.

    Raises:
        UserError: a key is missing, unknown or has a wrong type.
    """
    return _parse(Identity, json.dumps(value, default=str), path)


def write_record(record: Record, path: Path) -> None:
    """Writes a record atomically.

    Raises:
        UserError: there is one, or the disk refuses it.
    """
    if not write_new_record(record, path):
        raise UserError(f"{relative(path)} exists already, and records are never edited. Move it away first.")


def write_new_record(record: Record, path: Path) -> bool:
    """Writes a record atomically unless there is one, and says whether it did.

    Raises:
        UserError: the disk refuses it.
    """
    contents = json.loads(json.dumps(dataclasses.asdict(record), allow_nan=False))  # as it is read again
    text = json.dumps(contents | {"digest": digest(contents)}, indent=1)
    _parse(Record, text, path)
    return write_new(path, (text + "\n").encode())


def load_stage(path: Path) -> StageRecord:
    """What a stage that has ended came to.

    Raises:
        UserError: the file breaks the schema.
    """
    return _parse(StageRecord, path.read_bytes(), path)


def write_stage(stage: StageRecord, path: Path) -> None:
    """Writes down that a stage has ended, whole or not at all."""
    write_atomically(path, json.dumps(dataclasses.asdict(stage), indent=1, allow_nan=False).encode())
