"""Robots of Gymnasium's MuJoCo v5 tasks: running environments for training, whole episodes for evaluation.

The seed of an environment's first reset is even while training and odd while evaluating, so that no evaluation ever
starts from a state that training could have started from by design; all follow from the run's seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.schema import Signature
from datamodules.environments.batched import BatchedMujoco
from datamodules.environments.episodes import Episodes
from datamodules.interface import BenchmarkData

VALIDATION = 500  # the numbers of validation episodes begin here, those of test episodes at 0


def training_seeds(seed: int, count: int) -> list[int]:
    """Of the first resets of the environments that a run trains in."""
    return [2 * (1000 * seed + number) for number in range(count)]


def evaluation_seeds(seed: int, count: int, first: int = 0) -> list[int]:
    """Of the resets of evaluation episodes."""
    return [2 * (1000 * seed + first + number) + 1 for number in range(count)]


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
        seed: of the run.
        horizon: steps of all environments in one training step.
    """

    def __init__(self, environments: BatchedMujoco, seed: int, horizon: int) -> None:
        self.environments, self.horizon = environments, horizon
        first, _ = environments.reset(seed=training_seeds(seed, environments.num_envs))
        self.observations = torch.from_numpy(first)  # [N, o], float64: what to act on next
        self.running = np.zeros(environments.num_envs)  # return of each episode so far
        self.finished: list[float] = []  # returns of the episodes that ended since somebody asked

    def step(self, actions: Tensor) -> Transition:
        """Acts [N, a]; actions out of range are clipped to it."""
        clipped = actions.numpy().clip(self.environments.least, self.environments.most)
        observations, rewards, terminated, truncated, infos = self.environments.step(clipped)
        ended = terminated | truncated
        successors = observations.copy()
        if ended.any():
            successors[ended] = np.stack(infos["final_obs"][ended])
        self._count(rewards, ended)
        self.observations = torch.from_numpy(observations)
        return Transition(*map(torch.from_numpy, (rewards.astype(np.float32), successors, terminated, ended)))

    def _count(self, rewards: NDArray[np.float64], ended: NDArray[np.bool_]) -> None:
        self.running += rewards
        self.finished += self.running[ended].tolist()
        self.running[ended] = 0

    def returns(self) -> list[float]:
        """Of the episodes that ended since the last call."""
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


class TrainingSteps:
    """An epoch for Lightning's loop: the same running environments in every batch, from the present step on."""

    def __init__(self, data: "LocomotionData") -> None:
        self.data = data

    def __len__(self) -> int:
        return self.data.rollouts

    def __iter__(self) -> Iterator[Experience]:
        assert self.data.trainer is not None
        assert self.data.experience is not None
        for _ in range(self.data.trainer.global_step % self.data.rollouts, self.data.rollouts):
            yield self.data.experience


class LocomotionData(BenchmarkData):
    """One task for training and evaluation.

    Args:
        environment: Gymnasium's name of the task.
        num_envs: environments that an agent trains in, side by side.
        horizon: steps of each in one training step.
        rollouts: training steps in an epoch.
        episodes: of a test.
        validation_episodes: of a validation.
        seed: of the run.
    """

    unit = "steps"
    one_process = True

    def __init__(
        self, environment: str, num_envs: int, horizon: int, rollouts: int, episodes: int, validation_episodes: int,
        seed: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.environment, self.num_envs, self.horizon, self.rollouts = environment, num_envs, horizon, rollouts
        self.episodes, self.validation_episodes, self.seed = episodes, validation_episodes, seed
        self.global_batch_size = num_envs * horizon
        self.experience: Experience | None = None
        self.sizes = (0, 0, num_envs)

    @property
    def identity(self) -> dict[str, Any]:
        """The task and the physics."""
        return {"environment": self.environment, "mujoco": version("mujoco"), "gymnasium": version("gymnasium")}

    @property
    def signature(self) -> Signature:
        """The protocol, with the environment steps that the tested agent was trained for."""
        assert self.trainer is not None
        agent: Any = self.trainer.lightning_module
        return {
            "environment": self.environment, "mujoco": version("mujoco"), "steps": int(agent.env_steps),
            "episodes": self.episodes, "longest_episode": 1000, "policy": "deterministic",
        }  # fmt: skip

    @property
    def steps_per_epoch(self) -> int:
        """Training steps in an epoch."""
        return self.rollouts

    def setup(self, stage: str) -> None:
        """Makes the environments that the stage needs.

        Raises:
            UserError: there is no such task.
        """
        if stage == "fit" and self.experience is None:
            environments = BatchedMujoco(self.environment, self.num_envs)
            self.experience = Experience(environments, self.seed, self.horizon)
        self.sizes = (*BatchedMujoco(self.environment, 1).sizes, self.num_envs)

    def verify(self, training: bool) -> None:
        """Makes the environments, which is all that can be wrong."""
        self.setup("fit" if training else "test")

    def state_dict(self) -> dict[str, Any]:
        """The running environments: a resumed run goes on in the middle of their episodes."""
        return {} if self.experience is None else {"experience": self.experience.state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where a checkpoint was written; testing has no environments that run."""
        if self.experience is not None and state_dict:
            self.experience.restore(state_dict["experience"])

    def train_dataloader(self) -> TrainingSteps:
        """The running environments, once a training step."""
        return TrainingSteps(self)

    def val_dataloader(self) -> DataLoader[Episodes]:
        """A few episodes, to see an agent learn."""
        return self._episodes(self.validation_episodes, VALIDATION)

    def test_dataloader(self) -> DataLoader[Episodes]:
        """The episodes that the score is made of."""
        return self._episodes(self.episodes, 0)

    def _episodes(self, count: int, first: int) -> DataLoader[Episodes]:
        episodes = Episodes(BatchedMujoco(self.environment, count), evaluation_seeds(self.seed, count, first))
        return DataLoader([episodes], batch_size=None)  # type: ignore[arg-type]  # a list is a data set
