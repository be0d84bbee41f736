"""Learning rates and resolutions as pure functions of the time in epochs."""

from collections.abc import Sequence

import numpy as np


def piecewise_linear(epoch: float, knots: Sequence[float], values: Sequence[float]) -> float:
    """The value at `epoch` of straight lines through (knot, value), constant outside."""
    return float(np.interp(epoch, knots, values))


def linearly_scaled(rate_per_256: float, batch_size: int) -> float:
    """Learning rate for a batch, from the rate for a batch of 256 (Goyal et al. 2017, section 2.1)."""
    return rate_per_256 * batch_size / 256
