"""What every learning agent in a control task has: a deterministic policy, and how it is scored."""

from abc import abstractmethod
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.environments.episodes import Episodes, Played, play
from datamodules.experience import Experience
from lightning_modules.flat import compiler
from lightning_modules.interface import BenchmarkModule


class StepAdam(torch.optim.Adam):
    """One `step` is all the updates of a training step, so that Lightning's `global_step` counts training steps."""

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Runs the updates, each of which is a step of Adam."""
        assert closure is not None
        closure()

    def update(self) -> None:
        """One of these updates, from the gradients that the weights hold."""
        torch.optim.Adam.step(self)


class Learner(BenchmarkModule):
    """Base of what makes its own data: it decides when to update, and its networks wait for the sizes of the task."""

    build: Callable[..., None]
    """Makes the networks for a datamodule's `sizes`."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def configure_model(self) -> None:
        """Makes the networks once the task is known."""
        datamodule: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if not any(True for _ in self.parameters()):
            self.build(*datamodule.sizes)

    def anneal(self, optimizer: torch.optim.Optimizer, first: float, last: float = 0.0) -> float:
        """Sets the learning rate of a training step, on the line from `first` to `last`, and returns it."""
        rate = self.between(first, last)
        optimizer.param_groups[0]["lr"] = rate
        return rate

    def between(self, first: float, last: float) -> float:
        """The value at this step of what goes in a line from `first`, before training, to `last`, after it.

        Training ends with its epochs or with fewer `max_steps`.
        """
        return last + (first - last) * (1 - self.global_step / self.trainer.estimated_stepping_batches)


class Agent(Learner):
    """Base of the agents; a training step is `horizon` steps of all environments and what is learnt from them."""

    only_precision = "32-true"  # what simulators take
    unlogged: Collection[str] = ("return",)  # of episodes that are predictions as they were played
    env_steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("env_steps", torch.zeros((), dtype=torch.int64))

    @property
    def compiled(self) -> bool | None:
        """Whether updates are compiled: where there is a C++ compiler."""
        return compiler() is not None

    @abstractmethod
    def build(self, observations: int, actions: int, environments: int) -> None:
        """Makes the networks for observations and actions of these sizes, and for so many environments side by side.

        The size of an action is how many numbers it has; where it is one of a list, how long that is.
        """

    @abstractmethod
    def policy(self, observations: Tensor) -> Tensor:
        """Deterministic actions [n, a] (or [n], where an action is a number) for observations [n, o]."""

    def count(self, experience: Experience) -> None:
        """Counts the environment steps of a training step and logs the returns of the episodes that ended in it."""
        self.env_steps += experience.horizon * experience.environments.num_envs
        self.log("train/env_steps", self.env_steps.float())
        returns = experience.returns()
        if returns:
            self.log("train/return", float(np.mean(returns)), prog_bar=True)

    def play(self, episodes: Episodes) -> Played:
        """Plays episodes with the deterministic policy."""
        with torch.no_grad():
            return play(episodes, lambda observations: self.policy(torch.from_numpy(observations)).numpy())

    def validation_step(self, batch: Episodes, batch_idx: int) -> dict[str, Any]:
        """Logs the mean return; returns the episodes."""
        played = self.play(batch)
        self.log("val/return", float(played.returns.mean()), batch_size=len(batch.seeds), prog_bar=True)
        return {"predictions": batch.predictions(played)}

    def test_step(self, batch: Episodes, batch_idx: int) -> dict[str, Any]:
        """Number of every episode, and what is to be written of it."""
        numbers = range(batch.first, batch.first + len(batch.seeds))
        return {"index": list(numbers), "predictions": batch.predictions(self.play(batch))}
