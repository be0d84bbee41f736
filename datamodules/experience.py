"""Running environments that an agent learns in: what a step of them tells, and what a checkpoint keeps of them."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.arrays import Bools, Floats
from benchmarks.checkpointing import EXPERIENCE
from datamodules.interface import BenchmarkData


class Environments(Protocol):
    """N environments that are stepped together and begin anew in the step that ends an episode.

    That step returns the first observation of the next episode, and the last of the old one in `infos["final_obs"]`
    [N], as Gymnasium's vector environments do in the autoreset mode SAME_STEP. Actions lie between `least` and `most`;
    `sizes` are those of an observation and of an action (where that is a place in a list, of the list).
    """

    num_envs: int
    sizes: tuple[int, int]
    least: Any
    most: Any

    def reset(self, *, seed: list[int]) -> tuple[NDArray[Any], dict[str, Any]]:
        """First observations [N, o] of episodes with these seeds, and infos."""
        ...

    def step(self, actions: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], Bools, Bools, dict[str, Any]]:
        """Observations [N, o], rewards [N], terminated [N], truncated [N] and infos."""
        ...

    def state(self) -> dict[str, Any]:
        """All that going on bit for bit needs, as tensors and plain values."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state, as if nothing had happened."""
        ...


@dataclass(frozen=True)
class Transition:
    """One step of N environments: `successors` [N, o] are the states it led to, at an episode's end its last one.

    `rewards` [N] as the task gives them; `ended` [N] is true where `terminated` is, and where the time limit cut off.
    """

    rewards: Tensor
    successors: Tensor
    terminated: Tensor
    ended: Tensor


class Experience:
    """Environments that an agent acts in, step by step, through all of its training.

    Args:
        environments: N of them, which this object resets.
        seeds: of their first resets.
        horizon: steps of all environments in one training step.
    """

    def __init__(self, environments: Environments, seeds: list[int], horizon: int) -> None:
        self.environments, self.horizon = environments, horizon
        first, _ = environments.reset(seed=seeds)
        self.observations = torch.from_numpy(first)  # [N, o], in the task's own type: what to act on next
        self.running = np.zeros(environments.num_envs)  # return of each episode so far
        self.finished: list[float] = []  # returns of the episodes that ended since somebody asked

    def step(self, actions: Tensor) -> Transition:
        """Acts [N, a], or [N] where an action is a number; actions out of range are clipped to it."""
        clipped = actions.numpy().clip(self.environments.least, self.environments.most)
        observations, rewards, terminated, truncated, infos = self.environments.step(clipped)
        ended = terminated | truncated
        successors = observations.copy()
        if ended.any():
            successors[ended] = np.stack(infos["final_obs"][ended])
        self._count(rewards, ended)
        self.observations = torch.from_numpy(observations)
        return Transition(*map(torch.from_numpy, (rewards.astype(np.float32), successors, terminated, ended)))

    def _count(self, rewards: Floats, ended: Bools) -> None:
        self.running += rewards
        self.finished += self.running[ended].tolist()
        self.running[ended] = 0

    def returns(self) -> list[float]:
        """The returns of the episodes that ended since the last call."""
        returns, self.finished = self.finished, []
        return returns

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: tensors and plain values."""
        return {
            "environments": self.environments.state(), "observations": self.observations,
            "running": torch.from_numpy(self.running), "finished": self.finished,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint, bit for bit."""
        self.environments.restore(state["environments"])
        self.observations, self.running = state["observations"].clone(), state["running"].numpy().copy()
        self.finished = list(state["finished"])


Batch = TypeVar("Batch")


def as_they_are(batches: Sequence[Batch]) -> DataLoader[Batch]:
    """A loader of batches that are whole already."""
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # a list is a data set


class TrainingSteps:
    """An epoch for Lightning's loop: the same running environments or games in every batch, from the present step on.

    Args:
        data: a datamodule whose `experience` they are.
    """

    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        return int(self.data.steps_per_epoch)

    def __iter__(self) -> Iterator[Any]:
        assert self.data.trainer is not None
        assert self.data.experience is not None
        steps = self.data.steps_per_epoch
        for _ in range(self.data.trainer.global_step % steps, steps):
            yield self.data.experience


class ExperienceData(BenchmarkData):
    """Base of what an agent makes its own data in, through all of its training.

    Args:
        rollouts: training steps in an epoch.
        seed: of the run.

    Attributes:
        experience: what is learnt from, which has a `state` and can `restore` it; after `setup("fit")`.
        sizes: what the agent's `build` takes; after `setup`.
    """

    one_process = True
    sizes: tuple[int, ...]

    def __init__(self, rollouts: int, seed: int) -> None:
        super().__init__()
        self.rollouts, self.seed = rollouts, seed
        self.experience: Any = None

    @abstractmethod
    def begin(self) -> Any:
        """What is learnt from, at its beginning.

        Raises:
            UserError: there is no such task.
        """

    @property
    def agent(self) -> Any:
        """The agent that learns, or is tested."""
        assert self.trainer is not None
        return self.trainer.lightning_module

    @property
    def trained_on(self) -> dict[str, int]:
        """Nothing, as no data are read: the agent makes its own."""
        return {}

    @property
    def steps_per_epoch(self) -> int:
        """Training steps in an epoch."""
        return self.rollouts

    def setup(self, stage: str) -> None:
        """Makes what the stage needs.

        Raises:
            UserError: there is no such task.
        """
        if stage == "fit" and self.experience is None:
            self.experience = self.begin()

    def state_dict(self) -> dict[str, Any]:
        """What is running: a resumed run goes on in the middle of it."""
        return {} if self.experience is None else {EXPERIENCE: self.experience.state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where a checkpoint was written; testing has nothing that runs."""
        if self.experience is not None and state_dict:
            self.experience.restore(state_dict[EXPERIENCE])

    def train_dataloader(self) -> TrainingSteps:
        """What is running, once a training step."""
        return TrainingSteps(self)


class EnvironmentData(ExperienceData):
    """Base of what an agent acts in, environments side by side.

    Args:
        num_envs: how many.
        horizon: steps of each in one training step.
        rollouts: training steps in an epoch.
        seed: of the run.
    """

    unit = "steps"

    def __init__(self, num_envs: int, horizon: int, rollouts: int, seed: int) -> None:
        super().__init__(rollouts, seed)
        self.num_envs, self.horizon = num_envs, horizon
        self.global_batch_size = num_envs * horizon

    @abstractmethod
    def environments(self) -> tuple[Environments, list[int]]:
        """The environments to train in, and the seeds of their first resets.

        Raises:
            UserError: there is no such task.
        """

    @abstractmethod
    def space_sizes(self) -> tuple[int, int]:
        """The sizes of an observation and of an action.

        Raises:
            UserError: there is no such task.
        """

    def begin(self) -> Experience:
        """The environments, after their first resets."""
        return Experience(*self.environments(), self.horizon)

    def setup(self, stage: str) -> None:
        """Makes the environments that the stage needs.

        Raises:
            UserError: there is no such task.
        """
        super().setup(stage)
        self.sizes = (*self.space_sizes(), self.num_envs)
