"""What all made-up input shares: as many examples as the real data have, and of their sizes, but nothing is read.

A network computes as long over them as over real ones; what it would learn is of no use.
"""

from typing import Any

import numpy as np

from datamodules.interface import BenchmarkData
from datamodules.sampling import Key


class Unread(BenchmarkData):
    """Goes before the datamodule whose input is made up; there is nothing to be evaluated on."""

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Nothing that a run could go on with."""
        return {}

    def setup(self, stage: str) -> None:
        """Opens nothing."""

    def held(self, batch: dict[str, Any]) -> float:
        """What a batch holds, in `unit`: examples, where these are what is counted."""
        return len(batch["index"])

    def val_dataloader(self) -> Any:
        """No batches."""
        return []

    def test_dataloader(self) -> Any:
        """No batches."""
        return []


class NoSubwords:
    """Stands in for a vocabulary where no text is written or read."""

    model = b"made up"


def random_ids(key: Key, count: float, first: int, size: int) -> list[int]:
    """Subwords of an example, from id `first` on, of a vocabulary of `size`."""
    found: list[int] = np.random.default_rng(key).integers(first, size, int(count)).tolist()
    return found
