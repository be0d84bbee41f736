"""The eight ways in which a square board can be turned and mirrored."""

from functools import cache

import torch
from torch import Tensor


@cache
def symmetries(size: int) -> Tensor:
    """Which point [8, n + 1] stands at each place of a turned board; to pass, n, is to pass."""
    board = torch.arange(size * size).view(size, size)
    turned = [board.rot90(turns) for turns in range(4)]
    turned += [each.flip(1) for each in turned]
    passing = torch.full((8, 1), size * size)
    return torch.cat([torch.stack(turned).flatten(1), passing], dim=1)


def turn(values: Tensor, maps: Tensor) -> Tensor:
    """Values of points [B, ..., m] on boards turned by maps [B, m]."""
    places = maps.view(len(maps), *[1] * (values.dim() - 2), -1)
    return values.gather(-1, places.expand_as(values))
