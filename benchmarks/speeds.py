"""What `make bench-imagenet` measured of ways to feed training: a file that the report and `make plan` read."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from benchmarks.errors import UserError
from benchmarks.files import write_atomically
from benchmarks.paths import ROOT
from benchmarks.schema import Strict

OURS = "ours"
"""The way that training takes."""

Spread = tuple[float, float, float]
"""Minimum, median and maximum over rounds."""


@dataclass(frozen=True)
class Way(Strict):
    """One way: how fast, and how many times as fast as the first way with as many processes, round by round."""

    name: str
    processes: int
    """Processes that load side by side; 0 where the measuring process does all on one core."""
    speed: Spread
    ratio: Spread


@dataclass(frozen=True)
class Speeds(Strict):
    """Measured speeds of a benchmark's input pipelines on one machine, in `unit`."""

    unit: str
    cpu: str
    inputs: str
    rounds: int
    ways: tuple[Way, ...]

    @property
    def ours(self) -> Way:
        """Ours, with as many processes as were measured."""
        return max((way for way in self.ways if way.name == OURS), key=lambda way: way.processes)


def speeds_file(benchmark: str) -> Path:
    """The file of a benchmark's measured speeds."""
    return ROOT / "results" / "speed" / f"{benchmark}.json"


def write_speeds(benchmark: str, speeds: Speeds) -> Path:
    """Writes the speeds; returns the path."""
    path = speeds_file(benchmark)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(asdict(speeds), indent=1) + "\n").encode())
    return path


def load_speeds(benchmark: str) -> Speeds | None:
    """What was measured last; None where nothing was.

    Raises:
        UserError: the file is no such file.
    """
    path = speeds_file(benchmark)
    if not path.exists():
        return None
    try:
        speeds = TypeAdapter(Speeds).validate_json(path.read_bytes())
    except ValidationError as error:
        raise UserError(f"{path} is damaged ({error.errors()[0]['msg']}). Remove it, or measure again.") from None
    if not any(way.name == OURS and min(way.speed) > 0 for way in speeds.ways):
        raise UserError(f"{path} has no speed of {OURS!r}. Remove it, or measure again.")
    return speeds
