"""What a Q-learning agent remembers: n-step transitions, in the order in which they were lived through."""

from collections import deque
from typing import Any

import torch
from torch import Tensor

from datamodules.experience import Transition
from lightning_modules.returns import n_step_return

COLUMNS = ("observations", "levels", "returns", "successors", "discounts")


class Replay:
    """A ring of the newest transitions, each of which says what n steps from it on returned and led to.

    Args:
        capacity: transitions kept; memory is taken as they come.
        observations: size of an observation.
        joints: numbers that an action consists of, each a place in a list: torques' levels, or one manoeuvre.
        steps: n.
        discount: gamma.
    """

    def __init__(self, capacity: int, observations: int, joints: int, steps: int, discount: float) -> None:
        self.capacity, self.steps, self.discount = capacity, steps, discount
        self.observations = torch.empty(capacity, observations)
        self.levels = torch.empty(capacity, joints, dtype=torch.uint8)
        self.returns = torch.empty(capacity)
        self.successors = torch.empty(capacity, observations)
        self.discounts = torch.empty(capacity)
        self.added = 0
        self.window: deque[tuple[Tensor, Tensor, Transition]] = deque(maxlen=steps)

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, observations: Tensor, levels: Tensor, transition: Transition) -> None:
        """Remembers N environments at once: what was seen [N, o], done [N, j], and what came of it.

        A step is kept once its n steps are over; those that the end of an episode cuts short are no exception.
        """
        self.window.append((observations, levels, transition))
        if len(self.window) < self.steps:
            return
        first, chosen, _ = self.window[0]
        following = n_step_return([each for *_, each in self.window], self.discount)
        places = torch.arange(self.added, self.added + len(first)) % self.capacity
        for name, values in zip(COLUMNS, (first, chosen, *following), strict=True):
            getattr(self, name)[places] = values.to(getattr(self, name).dtype)
        self.added += len(first)

    def sample(self, count: int) -> tuple[Tensor, ...]:
        """Observations [count, o], levels [count, j], returns [count], successors [count, o] and their discounts."""
        chosen = torch.randint(len(self), (count,))
        return tuple(getattr(self, name)[chosen] for name in COLUMNS)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: tensors and plain values."""
        kept = {name: getattr(self, name)[: len(self)].clone() for name in COLUMNS}
        window = [(seen, levels, vars(transition)) for seen, levels, transition in self.window]
        return {"columns": kept, "added": self.added, "window": window}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint, bit for bit."""
        self.added = state["added"]
        for name, values in state["columns"].items():
            getattr(self, name)[: len(values)] = values
        self.window.clear()
        self.window.extend((seen, levels, Transition(**transition)) for seen, levels, transition in state["window"])
