"""What those who make up texts draw."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


def pick(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """One of the items, each as likely."""
    return items[int(rng.integers(len(items)))]
