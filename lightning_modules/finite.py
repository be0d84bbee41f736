"""The end of a run whose loss is not finite: its weights would not be either, however long it went on."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.errors import Failure


def require_finite(loss: Tensor, step: int, seen: Mapping[str, Any]) -> None:
    """Looks at the loss of a batch. This waits for a GPU, as `ThroughputMeter` does at the end of the batch anyway.

    Args:
        loss: a scalar.
        step: optimizer steps taken so far.
        seen: what the loss came from, tensors and plain values, kept where it is not finite.

    Raises:
        Failure: it is not finite.
    """
    if not torch.isfinite(loss):
        found = {name: each.detach().cpu() if isinstance(each, Tensor) else each for name, each in seen.items()}
        raise Failure(f"at step {step} the loss is not finite", {"step": step} | found)
