"""The newest rows of an agent's experience."""

from typing import Any

import torch
from torch import Tensor


class Window:
    """A ring of rows; a row has a value in each of some columns, which the first rows name.

    Args:
        capacity: rows kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.added = 0
        self.columns: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, rows: dict[str, Tensor]) -> None:
        """Keeps T rows, columns [T, ...], in place of the oldest."""
        count = len(next(iter(rows.values())))
        places = torch.arange(self.added, self.added + count) % self.capacity
        for name, values in rows.items():
            if name not in self.columns:
                self.columns[name] = values.new_empty((self.capacity, *values.shape[1:]))
            self.columns[name][places] = values
        self.added += count

    def sample(self, count: int) -> dict[str, Tensor]:
        """Columns [count, ...] of rows drawn at random, with replacement."""
        chosen = torch.randint(len(self), (count,))
        return {name: values[chosen] for name, values in self.columns.items()}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {
            "columns": {name: values[: len(self)].clone() for name, values in self.columns.items()},
            "added": self.added,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint, bit for bit."""
        self.added = 0
        if state["columns"]:
            self.add(state["columns"])
        self.added = state["added"]
