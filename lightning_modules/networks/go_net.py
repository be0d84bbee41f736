"""A residual network that sees a position of Go (Silver et al., 2017, Nature 550; an ownership head as KataGo's)."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class NormedConv(nn.Module):
    """A convolution without bias and its batch normalisation."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, values: Tensor) -> Tensor:
        """Convolves and normalises [B, inputs, size, size] to [B, outputs, size, size]."""
        normed: Tensor = self.norm(self.convolution(values))
        return normed


class Residual(nn.Module):
    """Two convolutions beside which the input passes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = NormedConv(channels, channels, 3)
        self.second = NormedConv(channels, channels, 3)

    def forward(self, values: Tensor) -> Tensor:
        """ReLU of the values plus two convolutions of them, [B, channels, size, size]."""
        return torch.relu(values + self.second(torch.relu(self.first(values))))


class GoNet(nn.Module):
    """Trunk and heads for one size of board.

    Args:
        size: of the board.
        planes: of the input.
        blocks: residual blocks.
        channels: of the trunk.
        hidden: units of the value head.
    """

    def __init__(self, size: int, planes: int, blocks: int, channels: int, hidden: int) -> None:
        super().__init__()
        points = size * size
        self.size = size
        self.stem = NormedConv(planes, channels, 3)
        self.blocks = nn.Sequential(*(Residual(channels) for _ in range(blocks)))
        self.policy = NormedConv(channels, 2, 1)
        self.moves = nn.Linear(2 * points, points + 1)
        self.value = NormedConv(channels, 2, 1)
        self.hidden = nn.Linear(2 * points, hidden)
        self.outcome = nn.Linear(hidden, 1)
        self.owner = nn.Conv2d(channels, 1, 1)
        # oneDNN's convolutions of such small boards are several times as fast with channels last.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of moves [B, n + 1], value [B] and logits of owning each point [B, n], for who is to move.

        Args:
            planes: [B, planes, n], what is seen of a position.
        """
        board = planes.view(len(planes), -1, self.size, self.size).to(memory_format=torch.channels_last)
        trunk = self.blocks(torch.relu(self.stem(board)))
        logits = self.moves(torch.relu(self.policy(trunk)).flatten(1))
        hidden = torch.relu(self.hidden(torch.relu(self.value(trunk)).flatten(1)))
        return logits, torch.tanh(self.outcome(hidden).squeeze(1).float()), self.owner(trunk).flatten(1)

    @torch.no_grad()
    def fused(self) -> GoNet:
        """A copy that plays: normalisation is part of its convolutions, as it is while evaluating."""
        copy = deepcopy(self).eval()
        for name, module in [*copy.named_modules()]:
            if isinstance(module, NormedConv):
                parent, _, last = name.rpartition(".")
                fused = fuse_conv_bn_eval(module.convolution, module.norm)
                setattr(copy.get_submodule(parent), last, fused)
        return copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
