"""The end of a run whose loss is not finite: its weights would not be either, however long it went on."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.errors import Failure
from lightning_modules.awaited import Awaited

NAMED = 3  # examples in a message


class AwaitedLoss:
    """The loss of a batch, to be looked at.

    Args:
        loss: a scalar, or one of each example [N].
        step: optimizer steps taken so far.
        seen: what the loss came from, tensors and plain values, kept where it is not finite.
        name: of an example by its place in the batch, if there is a loss of each.
    """

    def __init__(
        self, loss: Tensor, step: int, seen: Mapping[str, Any], name: Callable[[int], str] | None = None
    ) -> None:
        self.loss, self.step, self.seen, self.name = Awaited(loss), step, seen, name

    def require_finite(self) -> None:
        """Looks at it once it is there.

        Raises:
            Failure: it is not finite.
        """
        finite = torch.isfinite(self.loss.get())
        if finite.all():
            return
        wrong = [] if self.name is None else [self.name(place) for place in (~finite).nonzero().flatten().tolist()]
        found = {name: each.detach().cpu() if isinstance(each, Tensor) else each for name, each in self.seen.items()}
        of = f" of {', '.join(wrong[:NAMED])}" if wrong else ""
        raise Failure(f"at step {self.step} the loss{of} is not finite", {"step": self.step, "ids": wrong} | found)
