"""A policy of torques and a value function, two hidden layers each."""

import math

import torch
from torch import Tensor, nn


class ActorCritic(nn.Module):
    """Gaussian policy with a standard deviation for each torque that no state changes, and a value function.

    Each has hidden layers of its own, of one shape. Orthogonal weights, the policy's last layer a hundredth of them
    (Andrychowicz et al., 2021, arXiv 2006.05990). `lightning_modules/ppo_epoch.cpp` knows where each weight stands.

    Args:
        observations: size of an observation.
        actions: number of torques.
        width: of a hidden layer.
        deviation: standard deviation of every torque to begin with.
    """

    def __init__(self, observations: int, actions: int, width: int, deviation: float) -> None:
        super().__init__()
        self.first = nn.Parameter(_orthogonal(observations, width))
        self.first_bias = nn.Parameter(torch.zeros(2, 1, width))
        self.second = nn.Parameter(_orthogonal(width, width))
        self.second_bias = nn.Parameter(torch.zeros(2, 1, width))
        self.action = nn.Linear(width, actions)
        self.value = nn.Linear(width, 1)
        self.log_deviation = nn.Parameter(torch.full((actions,), math.log(deviation)))
        for head, gain in ((self.action, 0.01), (self.value, 1.0)):
            nn.init.orthogonal_(head.weight, gain)
            nn.init.zeros_(head.bias)

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean action [n, a], its log standard deviation [a] and value [n] of normalised observations [n, o]."""
        return self.mean(observations), self.log_deviation, self.values(observations)

    def mean(self, observations: Tensor) -> Tensor:
        """Mean action [n, a]."""
        mean: Tensor = self.action(self._hidden(0, observations))
        return mean

    def values(self, observations: Tensor) -> Tensor:
        """Value [n]."""
        values: Tensor = self.value(self._hidden(1, observations))
        return values.squeeze(-1)

    def _hidden(self, which: int, observations: Tensor) -> Tensor:
        hidden = torch.tanh(torch.addmm(self.first_bias[which], observations, self.first[which]))
        return torch.tanh(torch.addmm(self.second_bias[which], hidden, self.second[which]))  # n, width


def _orthogonal(inputs: int, outputs: int) -> Tensor:
    weights = torch.empty(2, inputs, outputs)
    for weight in weights:
        nn.init.orthogonal_(weight, math.sqrt(2))
    return weights


def log_probability(actions: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Log density [n] of actions [n, a] under independent normal distributions."""
    standard = (actions - mean) * (-log_deviation).exp()
    return (-0.5 * standard.square() - log_deviation - 0.5 * math.log(2 * math.pi)).sum(-1)
