"""What a Q-learning agent remembers: n-step transitions, in the order in which they were lived through."""

from collections import deque
from typing import Any

import torch
from torch import Tensor

from datamodules.experience import Transition
from lightning_modules.returns import n_step_return
from lightning_modules.window import Window

PLACES = 256  # that a list of actions has at most, each of which is kept as a byte
COLUMNS = ("observations", "levels", "returns", "successors", "discounts")


class Replay:
    """A window of the newest transitions, each of which says what n steps from it on returned and led to.

    Args:
        capacity: transitions kept; memory is taken as they come.
        steps: n.
        discount: gamma.
    """

    def __init__(self, capacity: int, steps: int, discount: float) -> None:
        self.steps, self.discount = steps, discount
        self.kept = Window(capacity)
        self.begun: deque[tuple[Tensor, Tensor, Transition]] = deque(maxlen=steps)

    def __len__(self) -> int:
        return len(self.kept)

    def add(self, observations: Tensor, levels: Tensor, transition: Transition) -> None:
        """Remembers N environments at once: what was seen [N, o], done [N, j], and what came of it.

        What is done consists of j places, less than `PLACES`, in a list: torques' levels, or one manoeuvre. A step is
        kept once its n steps are over; those that the end of an episode cuts short are no exception.
        """
        self.begun.append((observations, levels, transition))
        if len(self.begun) < self.steps:
            return
        first, chosen, _ = self.begun[0]
        returns, successors, discounts = n_step_return([each for *_, each in self.begun], self.discount)
        values = (first.float(), chosen.to(torch.uint8), returns.float(), successors.float(), discounts.float())
        self.kept.add(dict(zip(COLUMNS, values, strict=True)))

    def sample(self, count: int) -> tuple[Tensor, ...]:
        """Observations [count, o], levels [count, j], returns [count], successors [count, o] and their discounts."""
        return tuple(self.kept.sample(count).values())

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: tensors and plain values."""
        begun = [(seen, levels, vars(transition)) for seen, levels, transition in self.begun]
        return self.kept.state() | {"window": begun}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint, bit for bit."""
        self.kept.restore(state)
        self.begun.clear()
        self.begun.extend((seen, levels, Transition(**transition)) for seen, levels, transition in state["window"])
