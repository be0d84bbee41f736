"""What a run will cost: estimated from its rehearsal, or from what others published."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.files import write_atomically
from benchmarks.schema import Strict, Throughput


@dataclass(frozen=True)
class Forecast:
    """What one stage will take: seconds, and GiB of memory (of a GPU, or else of the process) and of checkpoints."""

    stage: str  # empty where it is the whole run
    steps: int
    speed: Throughput
    training: float
    evaluation: float
    memory: float
    on_gpu: bool
    disk: float
    processes: int
    parts: int = 1
    """How many parts each step was measured in; `memory` is that of one part."""

    @property
    def seconds(self) -> float:
        """Seconds from the first step to the end of the test."""
        return self.training + self.evaluation

    def told(self) -> str:
        """The lines that a rehearsal prints at its end."""
        end = datetime.now().astimezone() + timedelta(seconds=self.seconds)
        speed = self.speed
        lines = (
            f"peak memory: {self.memory:.1f} GiB on {'the GPU of rank zero' if self.on_gpu else 'rank zero'}",
            f"speed: {speed.value:.0f} {speed.unit}, {speed.data_wait:.0%} of the time waiting for data",
            f"estimated end: {end:%Y-%m-%d %H:%M %Z}, {self.seconds / 3600:.2f} hours from a start now",
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class Published(Strict):
    """What somebody published of the cost of a recipe like a variant's."""

    variant: str | None
    gpu: str
    gpu_hours: float
    source: str
    examples: int | None = None
    """Examples that training reads, all epochs together."""


@dataclass(frozen=True)
class Costs(Strict):
    """The file `cost.yaml` of a benchmark."""

    published: tuple[Published, ...]


def write_forecasts(forecasts: Sequence[Forecast], path: Path) -> None:
    """Writes the forecasts of a run's stages as JSON."""
    write_atomically(path, json.dumps([asdict(each) for each in forecasts]).encode())


def load_forecasts(path: Path) -> tuple[Forecast, ...]:
    """The forecasts of a run's stages, in order."""
    return TypeAdapter(tuple[Forecast, ...]).validate_json(path.read_bytes())
