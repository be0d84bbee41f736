"""`metrics.csv`: every logged value as a row `step,name,value`, appended, and cut back to the checkpoint on resume."""

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.files import write_atomically, writing

METRICS = "metrics.csv"
HEADER = "step,name,value\n"
MOST_POINTS = 200


class Curves(Callback):
    """Writes what the module logs: training values every `log_every_n_steps` steps, validation values as they come.

    A callback, not a Lightning logger: a step's row must be on disk before the step's checkpoint, or a kill between
    the two loses it. It therefore stands before `Checkpoints`.

    Args:
        path: of the file.
        send: also takes what is logged, by its step.
    """

    def __init__(self, path: Path, send: Callable[[int, Mapping[str, float]], None] | None) -> None:
        self.path, self.send = path, send

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            cut(self.path, trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        due = trainer.global_step % every == 0 and not trainer.fit_loop._should_accumulate()
        if due:
            here = {key: v for key, v in sorted(trainer.callback_metrics.items()) if key.startswith("train/")}
            values = {key: trainer.strategy.reduce(value.clone(), reduce_op="mean") for key, value in here.items()}
            rate = trainer.optimizers[0].param_groups[0]["lr"]  # of the step to come
            self._append(trainer, values | {"train/learning_rate": rate})

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            values = {key: v for key, v in trainer.callback_metrics.items() if not key.startswith("train/")}
            self._append(trainer, values)

    def _append(self, trainer: Trainer, values: dict[str, Any]) -> None:
        if not trainer.is_global_zero:
            return
        plain = {name: float(torch.as_tensor(value)) for name, value in sorted(values.items())}
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"{trainer.global_step},{name},{value!r}\n" for name, value in plain.items())
            file.flush()
            os.fsync(file.fileno())
        if self.send is not None:
            self.send(trainer.global_step, plain)


def cut(path: Path, step: int) -> None:
    """Drops the rows after `step`, and a last row that was not written whole; starts the file if there is none."""
    kept = [HEADER]
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
        kept += [line for line in lines if line.endswith("\n") and int(line.partition(",")[0]) <= step]
    write_atomically(path, "".join(kept).encode())


def rows(path: Path) -> Iterator[tuple[int, str, float]]:
    """(step, name, value) in the order written."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield int(row["step"]), row["name"], float(row["value"])


def curves(path: Path) -> dict[str, tuple[tuple[float, float], ...]]:
    """Name -> (step, value) points, thinned evenly to at most 200, the last one kept."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for step, name, value in rows(path):
        found[name].append((step, value))
    return {name: _thin(points) for name, points in found.items()}


def _thin(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    stride = -(-len(points) // MOST_POINTS)
    return tuple(points[::-1][::stride][::-1])
