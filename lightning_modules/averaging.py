"""The mean of the weights at several moments, as good as the mean of the checkpoints written then."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Averaging:
    """Which moments are averaged: the end of training, and those before it.

    Args:
        count: how many.
        every_n_steps: optimizer steps between two.
    """

    count: int
    every_n_steps: int

    def due(self, step: int, total: int) -> bool:
        """Whether the weights after `step` of `total` steps are one of them."""
        left = total - step
        return left % self.every_n_steps == 0 and left // self.every_n_steps < self.count


class MeanWeights:
    """The mean of the weights taken so far."""

    def __init__(self) -> None:
        self.count = 0
        self.weights: dict[str, Tensor] = {}

    @torch.no_grad()
    def take(self, network: nn.Module) -> None:
        """Adds the present weights of a network to the mean."""
        self.count += 1
        for name, weight in network.state_dict().items():
            # A checkpoint is loaded before the network moves to its device.
            mean = self.weights.get(name, torch.zeros_like(weight)).to(weight.device)
            self.weights[name] = mean + (weight - mean) / self.count

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: how many weights were taken, and their mean."""
        return {"count": self.count, "weights": self.weights}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from what a checkpoint has kept."""
        self.count, self.weights = state["count"], dict(state["weights"])
