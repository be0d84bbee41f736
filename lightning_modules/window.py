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

    def to_come(self, share: float) -> int:
        """Bytes of the rows that it will hold more than now, if the rest of training adds as many as it has so far.

        Args:
            share: of training that is over.
        """
        rows = min(self.capacity, round(self.added / share)) - len(self)
        return rows * sum(values[0].nbytes for values in self.columns.values())

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, to be saved before more is added: rows that fill gigabytes are not copied."""
        # Through NumPy, which leaves the room for other rows out of the storage: torch saves all of one.
        columns = {name: torch.from_numpy(values[: len(self)].numpy()) for name, values in self.columns.items()}
        return {"columns": columns, "added": self.added}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint, bit for bit."""
        self.added = 0
        if state["columns"]:
            self.add(state["columns"])
        self.added = state["added"]
