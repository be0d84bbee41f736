"""What trivial policies return: torques at random, and none at all."""

from typing import Any

import numpy as np

from datamodules.environments.batched import BatchedMujoco
from datamodules.environments.episodes import Episodes, play
from results.scoring.control import evaluation_seeds


def baselines(split: str, examples: int) -> dict[str, list[dict[str, Any]]]:
    """Name -> so many episodes of the environment `split`, the same for every run."""
    episodes = Episodes(BatchedMujoco(split, examples), evaluation_seeds(0, examples))
    shape = (examples, episodes.environments.sizes[1])
    generator = np.random.default_rng(0)
    policies = {
        "random_torques": lambda _: generator.uniform(-1, 1, shape).astype(np.float32),
        "no_torques": lambda _: np.zeros(shape, np.float32),
    }
    return {name: episodes.predictions(play(episodes, policy)) for name, policy in policies.items()}
