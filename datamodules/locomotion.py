"""Robots of Gymnasium's MuJoCo v5 tasks: running environments for training, whole episodes for evaluation.

The seed of an environment's first reset is even while training and odd while evaluating, so that no evaluation ever
starts from a state that training could have started from by design; all follow from the run's seed.
"""

from importlib.metadata import version
from typing import Any

from torch.utils.data import DataLoader

from benchmarks.schema import Signature
from datamodules.environments.batched import BatchedMujoco
from datamodules.environments.episodes import Episodes
from datamodules.environments.film import Filmed, FilmedEpisodes
from datamodules.experience import EnvironmentData, as_they_are
from results.scoring.control import LONGEST, evaluation_seeds

VALIDATION = 500  # the numbers of validation episodes begin here, those of test episodes at 0


def training_seeds(seed: int, count: int) -> list[int]:
    """The seeds of the first resets of the environments that a run trains in."""
    return [2 * (1000 * seed + number) for number in range(count)]


class LocomotionData(EnvironmentData):
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

    def __init__(
        self, environment: str, num_envs: int, horizon: int, rollouts: int, episodes: int, validation_episodes: int,
        seed: int,
    ) -> None:  # fmt: skip
        super().__init__(num_envs, horizon, rollouts, seed)
        self.environment, self.episodes, self.validation_episodes = environment, episodes, validation_episodes

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The task and the physics."""
        return {"environment": self.environment, "mujoco": version("mujoco"), "gymnasium": version("gymnasium")}

    @property
    def signature(self) -> Signature:
        """The protocol, with the environment steps that the tested agent was trained for."""
        return {
            "environment": self.environment, "mujoco": version("mujoco"), "steps": int(self.agent.env_steps),
            "episodes": self.episodes, "longest_episode": LONGEST, "policy": "deterministic",
        }  # fmt: skip

    def environments(self) -> tuple[BatchedMujoco, list[int]]:
        """Robots to train, and the seeds of their first resets."""
        return BatchedMujoco(self.environment, self.num_envs), training_seeds(self.seed, self.num_envs)

    def space_sizes(self) -> tuple[int, int]:
        """Numbers that a robot observes, and its torques."""
        return BatchedMujoco(self.environment, 1).sizes

    def stretch(self, outputs: Any) -> float:
        """Episodes are played until the longest is over, and robots that have learnt do not fall."""
        return LONGEST / max(int(episode["length"]) for episode in outputs["predictions"])

    def val_dataloader(self) -> DataLoader[Episodes]:
        """A few episodes, to see an agent learn."""
        robots = BatchedMujoco(self.environment, self.validation_episodes)
        return as_they_are([Episodes(robots, evaluation_seeds(self.seed, self.validation_episodes, VALIDATION))])

    def test_dataloader(self) -> DataLoader[FilmedEpisodes]:
        """The episodes that the score is made of, filmed for the sheet."""
        robots = Filmed(self.environment, self.episodes)
        return as_they_are([FilmedEpisodes(robots, evaluation_seeds(self.seed, self.episodes))])
