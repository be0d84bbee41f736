"""Which weights decay: the rule of every recipe here that spares norms and biases."""

from collections.abc import Iterable
from typing import Any

from torch import nn


def by_decay(parameters: Iterable[nn.Parameter]) -> list[dict[str, Any]]:
    """Groups for an optimizer: matrices, which decay as it has it, and norms and biases, which do not."""
    known = list(parameters)
    matrices = {"params": [p for p in known if p.ndim > 1]}
    others = {"params": [p for p in known if p.ndim <= 1], "weight_decay": 0.0}
    return [group for group in (matrices, others) if group["params"]]
