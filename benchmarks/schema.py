"""The claim (what would settle it, fixed before any run) and the record (what one run measured).

Strict frozen dataclasses, checked by pydantic: an unknown or missing key, a wrong type or a number that is not finite
is refused with the file, the key and the remedy. Nothing here imports torch.
"""

import dataclasses
import hashlib
import importlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from benchmarks.errors import UserError
from benchmarks.files import write_atomically
from benchmarks.paths import ROOT, benchmark_folder, relative

SCHEMA = 1
MOST_PROBLEMS = 4
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

Signature = dict[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Source:
    """What was said, and where."""

    __pydantic_config__ = STRICT
    section: str
    statement: str
    value: float
    unit: str


@dataclass(frozen=True)
class Neighbour:
    """A published result near the claim."""

    __pydantic_config__ = STRICT
    system: str
    value: float
    metric: str
    citation: str


@dataclass(frozen=True)
class Margin:
    """How far below the target still counts as reproduced, fixed beforehand."""

    __pydantic_config__ = STRICT
    value: float
    reason: str


@dataclass(frozen=True)
class Miniature:
    """What a miniature run must show: a value, and its least distance from every baseline."""

    __pydantic_config__ = STRICT
    target: float
    distance: float


@dataclass(frozen=True)
class Reading:
    """One precise, testable meaning of the claim; `metric` is the key that a run logs, `<prefix>/<metric>`."""

    __pydantic_config__ = STRICT
    name: str
    metric: str
    target: float
    rounding: float
    unit: str
    higher_is_better: bool
    margin: Margin
    stand_in: bool
    ill_posed: str | None
    split: str
    examples: int
    signature: Signature
    miniature: Miniature | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Claim:
    """A claim, its audit and its readings; `dataset` and `task` name the modules that read the data and score."""

    __pydantic_config__ = STRICT
    dataset: str
    task: str
    source: Source
    audit: str
    neighbours: tuple[Neighbour, ...]
    readings: tuple[Reading, ...]
    checkpoint: Literal["last"]
    seeds: tuple[int, ...]

    @property
    def testable(self) -> tuple[Reading, ...]:
        """The readings that a run can settle; the first is the headline."""
        return tuple(reading for reading in self.readings if reading.ill_posed is None)

    @property
    def variants(self) -> tuple[str | None, ...]:
        """The variants that the readings name, the headline's first."""
        return tuple(dict.fromkeys(reading.variant for reading in self.testable))

    def splits(self) -> dict[str, str]:
        """Metric prefix -> split of the data it is measured on."""
        return {reading.metric.partition("/")[0]: reading.split for reading in self.testable}

    @cached_property
    def hash(self) -> str:
        """Of what decides the verdict, so that a typo mended in the audit voids no record."""
        keys = ("name", "metric", "target", "rounding", "split", "examples", "signature", "variant")
        readings = [
            {key: getattr(reading, key) for key in keys} | {"margin": reading.margin.value} for reading in self.testable
        ]
        return short_hash({"readings": readings, "checkpoint": self.checkpoint})


@dataclass(frozen=True)
class Measurement:
    """A value with the interval of a bootstrap over `n` examples; `signature` is the protocol it was measured by."""

    __pydantic_config__ = STRICT
    value: float
    unit: str
    ci95: tuple[float, float]
    n: int
    signature: Signature


@dataclass(frozen=True)
class Baseline:
    """What a trivial system scores on the same test set."""

    __pydantic_config__ = STRICT
    value: float
    metric: str


@dataclass(frozen=True)
class Examples:
    """What the data hold, what was scored, and how many different ones that were."""

    __pydantic_config__ = STRICT
    expected: int
    scored: int
    unique: int


@dataclass(frozen=True)
class StoredFile:
    """A file that the record vouches for."""

    __pydantic_config__ = STRICT
    path: str
    sha256: str


@dataclass(frozen=True)
class Environment:
    """The code and the machine."""

    __pydantic_config__ = STRICT
    commit: str | None
    dirty: bool
    python: str
    packages: dict[str, str]
    cpu: str
    gpus: tuple[str, ...]
    world_size: int
    precision: str
    normalised_batch: int | None


@dataclass(frozen=True)
class Throughput:
    """Speed of training: `value` in `unit`, `data_wait` the share of time spent waiting for data."""

    __pydantic_config__ = STRICT
    unit: str
    value: float
    data_wait: float


@dataclass(frozen=True)
class Tracking:
    """The Weights & Biases run."""

    __pydantic_config__ = STRICT
    id: str | None
    mode: str


@dataclass(frozen=True)
class Record:
    """What one run measured; written once, never edited."""

    __pydantic_config__ = STRICT
    schema: int
    benchmark: str
    profile: Literal["full", "mini"]
    mode: Literal["train", "validate"]
    variant: str | None
    run_id: str
    seed: int | None
    started: str
    finished: str
    seconds: float
    metrics: dict[str, Measurement]
    baselines: dict[str, Baseline]
    examples: Examples
    checkpoint: StoredFile | None
    predictions: tuple[StoredFile, ...]
    config: dict[str, Any] | None
    config_hash: str | None
    claim_hash: str
    deviations: tuple[str, ...]
    official: bool
    environment: Environment
    throughput: Throughput | None
    curves: dict[str, tuple[tuple[float, float], ...]]
    wandb: Tracking


@dataclass(frozen=True)
class Identity:
    """What a checkpoint says of its run: enough to build it again."""

    __pydantic_config__ = STRICT
    benchmark: str
    profile: Literal["full", "mini"]
    variant: str | None
    seed: int
    settings: dict[str, Any]
    config_hash: str
    run_id: str


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


def _dotted(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place) or "the top level"


def _remedy(kind: type, error: ValidationError) -> str:
    """What to do: a record is restored, a claim is mended by the keys that are known where the first problem is."""
    if kind is Record:
        return "Records are never edited: restore the file, or move it away."
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
        UserError: the file cannot be read, breaks the schema, has a margin without a reason, no headline, two readings
            of one name, or a metric that its task does not measure.
    """
    path = benchmark_folder(benchmark) / "claim.yaml"
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (a safe loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{relative(path)} cannot be read as YAML: {error}") from None
    claim = _parse(Claim, json.dumps(raw, default=str), path)
    for problem in _problems(claim):
        raise UserError(f"{relative(path)}: {problem}")
    return claim


def _problems(claim: Claim) -> list[str]:
    measured = scoring(claim).METRICS
    names = [reading.name for reading in claim.readings]
    found = [f"readings: the name {name!r} stands twice; rename one" for name in set(names) if names.count(name) > 1]
    if not claim.readings or not claim.seeds:
        found.append("readings and seeds need at least one entry each")
    if not (ROOT / "datamodules" / f"{claim.dataset}.py").is_file():
        found.append(f"dataset: there is no datamodules/{claim.dataset}.py; name one that is there")
    for reading in claim.readings:
        if not reading.margin.reason.strip():
            found.append(f"reading {reading.name!r}: margin.reason is empty; say why this margin, before any run")
        if reading.ill_posed is None and reading.metric.partition("/")[2] not in measured:
            found.append(
                f"reading {reading.name!r}: no run logs {reading.metric!r}; "
                f"the task {claim.task!r} measures <prefix>/{' or <prefix>/'.join(measured)}"
            )
    return found


def scoring(claim: Claim) -> Any:
    """The module that reads, writes and scores the predictions of the claim's task."""
    return _named_module("results.scoring", claim.task)


def needs_data(claim: Claim) -> bool:
    """Whether the claim's data lie on disk; environments make their own."""
    return (ROOT / "datamodules" / "layouts" / f"{claim.dataset}.py").is_file()


def layouts(claim: Claim) -> Any:
    """The module that recognises and reads the claim's data set on disk."""
    return _named_module("datamodules.layouts", claim.dataset)


def baseline_systems(claim: Claim) -> Any:
    """The module of the trivial systems that the claim's runs are compared with."""
    return _named_module("datamodules.baselines", claim.dataset)


def worst_examples(claim: Claim) -> Any:
    """The module that shows the worst predictions on a page."""
    return _named_module("datamodules.sheets", claim.dataset)


def miniature_writer(claim: Claim) -> Any:
    """The module that writes the embedded data."""
    return _named_module("datamodules.miniature", claim.dataset)


def preparation(claim: Claim) -> Any:
    """The module behind `data`: what to put where, checks and unpacking."""
    return _named_module("datamodules.preparation", claim.dataset)


def _named_module(package: str, name: str) -> Any:
    if not (ROOT / package.replace(".", "/") / f"{name}.py").is_file():
        raise UserError(f"claim.yaml names {name!r}, but there is no {package.replace('.', '/')}/{name}.py")
    return importlib.import_module(f"{package}.{name}")


def load_record(path: Path) -> Record:
    """One record.

    Raises:
        UserError: the file cannot be read or breaks the schema.
    """
    try:
        return _parse(Record, path.read_bytes(), path)
    except OSError as error:
        raise UserError(f"{relative(path)} cannot be read: {error.strerror}") from None


def load_identity(value: Any, path: Path) -> Identity:
    """What the checkpoint at `path` says of its run.

    Raises:
        UserError: a key is missing, unknown or has a wrong type.
    """
    return _parse(Identity, json.dumps(value, default=str), path)


def write_record(record: Record, path: Path) -> None:
    """Writes a record atomically; refuses to overwrite one."""
    if path.exists():
        raise UserError(f"{relative(path)} exists already, and records are never edited. Move it away first.")
    text = json.dumps(dataclasses.asdict(record), indent=1, allow_nan=False)
    _parse(Record, text, path)
    write_atomically(path, (text + "\n").encode())


def short_hash(value: Any) -> str:
    """Twelve hexadecimal digits that follow from a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
