"""The end of a run whose loss is not finite: its weights would not be either, however long it went on."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.errors import Failure
from lightning_modules.awaited import Awaited


class AwaitedLoss:
    """The loss of a batch, to be looked at.

    Args:
        loss: a scalar.
        step: optimizer steps taken so far.
        seen: what the loss came from, tensors and plain values, kept where it is not finite.
    """

    def __init__(self, loss: Tensor, step: int, seen: Mapping[str, Any]) -> None:
        self.loss, self.step, self.seen = Awaited(loss), step, seen

    def require_finite(self) -> None:
        """Looks at it once it is there.

        Raises:
            Failure: it is not finite.
        """
        if not torch.isfinite(self.loss.get()):
            found = {
                name: each.detach().cpu() if isinstance(each, Tensor) else each for name, each in self.seen.items()
            }
            raise Failure(f"at step {self.step} the loss is not finite", {"step": self.step} | found)
