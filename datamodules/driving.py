"""Cars on highway-env's motorway: running environments for training, whole drives for evaluation.

Test episodes are the same for every run and for the yardstick, so that agent and yardstick, and runs among each other,
can be compared episode by episode. Seeds of resets are even while training and odd while evaluating.
"""

from importlib.metadata import version
from typing import Any

from torch.utils.data import DataLoader

from benchmarks.schema import Signature
from datamodules.environments.drives import Drives, in_batches
from datamodules.environments.highway import APART, Scene
from datamodules.environments.motorway import Motorway
from datamodules.experience import EnvironmentData, as_they_are
from results.scoring.driving import fixed_seeds

VALIDATION = 1_000_000  # the numbers of validation episodes begin here, those of test episodes at 0

MOST_CARS, MOST_EPISODES = 2**10, 2**32
"""The most cars of a run, and the most episodes of a car, for which seeds are set apart."""


def training_seeds(seed: int, count: int) -> list[int]:
    """The seeds of the first resets of a run's cars in training; those of a car's later episodes follow each of these.

    The k-th episode of a car is seeded with its first seed plus `APART` k, which follows from run, car and k alone.
    """
    return [APART * MOST_EPISODES * (MOST_CARS * seed + number) for number in range(count)]


class DrivingData(EnvironmentData):
    """A road for training and evaluation.

    Args:
        environment: highway-env's name of the task.
        vehicles: that are observed, the ego among them.
        see_behind: whether those behind the ego are observed too.
        num_envs: cars that an agent trains in, side by side.
        horizon: steps of each in one training step.
        rollouts: training steps in an epoch.
        episodes: of a test.
        validation_episodes: of a validation.
        workers: processes beside this one that simulate; 0: this one does.
        seed: of the run.
    """

    def __init__(
        self, environment: str, vehicles: int, see_behind: bool, num_envs: int, horizon: int, rollouts: int,
        episodes: int, validation_episodes: int, workers: int, seed: int,
    ) -> None:  # fmt: skip
        super().__init__(num_envs, horizon, rollouts, seed)
        self.scene = Scene(environment, vehicles, see_behind)
        self.episodes, self.validation_episodes, self.workers = episodes, validation_episodes, workers

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The task and its simulator."""
        return {"environment": self.scene.environment, "highway_env": version("highway-env")}

    @property
    def signature(self) -> Signature:
        """The protocol, with the environment steps that the tested agent was trained for."""
        return {
            "environment": self.scene.environment, "highway_env": version("highway-env"),
            "steps": int(self.agent.env_steps), "episodes": self.episodes, "observation": self.scene.observed,
            "policy": "deterministic", "yardstick": "IDM/MOBIL, target 30 m/s",
        }  # fmt: skip

    def environments(self) -> tuple[Motorway, list[int]]:
        """Cars to train in, and the seeds of their first episodes."""
        return Motorway(self.scene, self.num_envs, self.workers), training_seeds(self.seed, self.num_envs)

    def space_sizes(self) -> tuple[int, int]:
        """Numbers that are observed, and actions to choose from."""
        return Motorway(self.scene, 1).sizes

    def val_dataloader(self) -> DataLoader[Drives]:
        """A few episodes, to see an agent learn."""
        return self._drives(self.validation_episodes, VALIDATION)

    def test_dataloader(self) -> DataLoader[Drives]:
        """The episodes that the score is made of."""
        return self._drives(self.episodes, 0)

    def _drives(self, count: int, first: int) -> DataLoader[Drives]:
        return as_they_are(in_batches(self.scene, fixed_seeds(count, first), self.workers))
