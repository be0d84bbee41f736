"""Learning rates and the chance of acting at random, as pure functions of the time in epochs or steps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lightning_modules.positive import require_positive


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


@dataclass(frozen=True)
class InverseSquareRoot:
    """Share of the peak: a linear rise, then a fall by the root of the step (Vaswani et al. 2017, section 5.3).

    Args:
        warm_up: steps of the rise.
    """

    warm_up: int

    def __post_init__(self) -> None:
        require_positive(warm_up=self.warm_up)

    def __call__(self, step: int, total: int) -> float:
        """The share at a step, counted from 0; `total` does not matter."""
        return min((step + 1) / self.warm_up, (self.warm_up / (step + 1)) ** 0.5)


@dataclass(frozen=True)
class Halvings:
    """Share of the peak: an exponential rise from a hundredth, and halvings at equal distances towards the end.

    As WarmupMultiStepLR in NVIDIA/DeepLearningExamples:PyTorch/Translation/GNMT/seq2seq/train/lr_scheduler.py.

    Args:
        warm_up: steps of the rise.
        first: share of all steps before the first halving.
        times: how often it is halved.
    """

    warm_up: int
    first: float
    times: int

    def __post_init__(self) -> None:
        require_positive(warm_up=self.warm_up, times=self.times)
        _require_share(first=self.first)

    def __call__(self, step: int, total: int) -> float:
        """The share at a step of `total`, counted from 0."""
        if step <= self.warm_up:
            return float(0.01 ** (1 - step / self.warm_up))
        start = int(self.first * total)
        if step < start:
            return 1.0
        distance = max(1, (total - start) // self.times)
        return float(0.5 ** min(self.times, (step - start) // distance + 1))


@dataclass(frozen=True)
class Cosine:
    """Share of the peak: a linear rise, then half a cosine; all steps count, as neither the first nor the last is at 0.

    Args:
        warm_up: share of all steps in which it rises; 0 begins at the peak.
    """

    warm_up: float

    def __post_init__(self) -> None:
        _require_share(warm_up=self.warm_up)

    def __call__(self, step: int, total: int) -> float:
        """The share at a step of `total`, counted from 0."""
        warm_up, risen = max(1, round(self.warm_up * total)), step + 1
        if risen < warm_up:
            return risen / warm_up
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (risen - warm_up) / max(1, total + 1 - warm_up))))


def _require_share(**shares: float) -> None:
    for name, share in shares.items():
        if not 0 <= share < 1:  # which nan is not either
            raise ValueError(f"{name} is {share}; it is a share of all steps, at least 0 and less than 1")


def at_every_step(optimizer: Optimizer, share: Callable[[int], float]) -> OptimizerLRScheduler:
    """What `configure_optimizers` returns where each step has its share of the learning rates."""
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, share), "interval": "step"}}


def chance(lived: int, exploration: float, least: float) -> float:
    """The chance of a random action after `lived` steps: it falls linearly from 1 to `least` in `exploration` steps."""
    return max(least, 1.0 - (1.0 - least) * lived / exploration)
