"""Observations scaled by what was seen so far."""

import torch
from torch import Tensor, nn

from benchmarks.errors import UserError

LARGEST = 10.0
"""Standard deviations that values are clipped to."""


class RunningNorm(nn.Module):
    """Subtracts the running mean and divides by the running standard deviation, then clips.

    The moments are part of the module's state, so a checkpoint of a policy holds them.

    Args:
        size: of an observation.
        observed: how many of its numbers are used, the first ones; all where None.

    Raises:
        UserError: an observation has fewer numbers.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int, observed: int | None = None) -> None:
        super().__init__()
        self.observed = size if observed is None else observed
        if not 0 < self.observed <= size:
            raise UserError(
                f"model.init_args.observed: {observed}, where it must be 1 to {size}, the size of an observation."
            )
        self.register_buffer("mean", torch.zeros(self.observed, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(self.observed, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, observations: Tensor) -> Tensor:
        """Observations [..., size] to float32 [..., observed]."""
        scaled = (observations[..., : self.observed] - self.mean) / (self.variance + 1e-8).sqrt()
        return scaled.clamp(-LARGEST, LARGEST).float()

    @torch.no_grad()
    def update(self, observations: Tensor) -> None:
        """Takes observations [n, size] into account (Chan et al., 1979: moments of two samples joined)."""
        seen = observations[:, : self.observed].double()
        mean, variance, number = seen.mean(0), seen.var(0, unbiased=False), len(seen)
        total = self.count + number
        shift = mean - self.mean
        squares = self.variance * self.count + variance * number + shift.square() * self.count * number / total
        self.mean += shift * number / total
        self.variance.copy_(squares / total)
        self.count.copy_(total)


class ReturnScale(nn.Module):
    """Divides rewards by the running standard deviation of discounted returns (Engstrom et al., arXiv 2005.12729).

    Args:
        discount: gamma of those returns.
        environments: N.
    """

    returns: Tensor

    def __init__(self, discount: float, environments: int) -> None:
        super().__init__()
        self.discount = discount
        self.norm = RunningNorm(1)
        self.register_buffer("returns", torch.zeros(environments, dtype=torch.float64))

    def forward(self, rewards: Tensor, ended: Tensor) -> Tensor:
        """Rewards [T, N], scaled by what was seen up to and with them; the returns start anew where episodes end."""
        running, seen = self.returns, []
        for reward, end in zip(rewards, ended, strict=True):
            running = running * self.discount + reward
            seen.append(running)
            running = running * ~end
        self.returns.copy_(running)
        self.norm.update(torch.cat(seen)[:, None])
        return (rewards / (self.norm.variance + 1e-8).sqrt()).float()
