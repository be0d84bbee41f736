"""Learning rates and resolutions as pure functions of the time in epochs or steps."""

import math
from collections.abc import Sequence

import numpy as np


def piecewise_linear(epoch: float, knots: Sequence[float], values: Sequence[float]) -> float:
    """The value at `epoch` of straight lines through (knot, value), constant outside."""
    return float(np.interp(epoch, knots, values))


def linearly_scaled(rate_per_256: float, batch_size: int) -> float:
    """Learning rate for a batch, from the rate for a batch of 256 (Goyal et al. 2017, section 2.1)."""
    return rate_per_256 * batch_size / 256


def stepped(step: int, warm_up: int, start: float, drops: Sequence[float]) -> float:
    """Share of the learning rate: a linear rise from `start` over `warm_up` steps, and a tenth after each drop."""
    risen = min(1.0, step / warm_up) if warm_up else 1.0
    return float((start + (1 - start) * risen) * 0.1 ** sum(step >= drop for drop in drops))


def warmed_cosine(step: int, warm_up: int, total: int) -> float:
    """Share of the learning rate: a linear rise over `warm_up` steps, then half a cosine down to 0 at `total`."""
    if step < warm_up:
        return step / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, total - warm_up))))
