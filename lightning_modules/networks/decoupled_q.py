"""Values of torques chosen from a few levels a joint, decomposed over the joints."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm


class DecoupledQ(nn.Module):
    """Q(s, a) as the mean over joints of Q_j(s, a_j) (Seyde et al., 2023, arXiv 2210.12566, eq. 2), several times over.

    Each critic has two hidden layers with LayerNorm and ReLU; all critics are computed as one batch.

    Args:
        observations: size of an observation.
        joints: number of torques.
        levels: that each torque is chosen from.
        width: of a hidden layer.
        critics: that look at the same states, each with weights of its own.
    """

    def __init__(self, observations: int, joints: int, levels: int, width: int, critics: int) -> None:
        super().__init__()
        self.shape = (joints, levels)
        self.first, self.first_bias = _layer(critics, observations, width)
        self.second, self.second_bias = _layer(critics, width, width)
        self.head, self.head_bias = _layer(critics, width, joints * levels)
        self.scale = nn.Parameter(torch.ones(2, critics, 1, width))
        self.shift = nn.Parameter(torch.zeros(2, critics, 1, width))

    def forward(self, observations: Tensor) -> Tensor:
        """Values [critics, n, joints, levels] of normalised observations [n, o]."""
        hidden = observations.expand(len(self.first), -1, -1)
        layers = ((self.first, self.first_bias), (self.second, self.second_bias))
        for (weight, bias), scale, shift in zip(layers, self.scale, self.shift, strict=True):
            hidden = torch.baddbmm(bias, hidden, weight)
            hidden = torch.relu(layer_norm(hidden, hidden.shape[-1:]) * scale + shift)
        return torch.baddbmm(self.head_bias, hidden, self.head).unflatten(-1, self.shape)


def _layer(critics: int, inputs: int, outputs: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Weights and biases of `critics` linear layers, as `nn.Linear` begins with."""
    bound = 1 / math.sqrt(inputs)
    weight = torch.empty(critics, inputs, outputs).uniform_(-bound, bound)
    return nn.Parameter(weight), nn.Parameter(torch.empty(critics, 1, outputs).uniform_(-bound, bound))
