"""What is told of episodes while an agent learns."""

import numpy as np
import torch

from datamodules.experience import Experience


class Pairs:
    """One environment whose episodes are of two steps, which pay 1 and 2."""

    num_envs, least, most = 1, -1.0, 1.0

    def __init__(self):
        self.steps = 0

    def reset(self, seed):
        return np.zeros((1, 1)), {}

    def step(self, actions):
        self.steps += 1
        second = self.steps % 2 == 0
        last = np.array([np.ones(1)], dtype=object) if second else None
        rewards, falls = np.array([2.0 if second else 1.0]), np.array([second])
        return np.zeros((1, 1)), rewards, falls, np.array([False]), {"final_obs": last}


def test_each_episode_has_a_return_of_its_own_and_is_told_once():
    experience = Experience(Pairs(), [0], 1)
    told = []
    for _ in range(5):
        experience.step(torch.zeros(1, 1))
        told.append(experience.returns())
    assert told == [[], [3.0], [], [3.0], []]
