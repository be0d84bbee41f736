"""Stable-Baselines3's part of training.py, for an interpreter that has it: reads seconds, answers steps a second.

Its own PPO with its own settings: 8 environments in this process and one thread, which is where it was fastest.
"""

import sys
from time import perf_counter

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import Logger

ENVIRONMENTS, ROLLOUT = 8, 2048


class Turns(BaseCallback):
    """Trains for as many seconds as a line says, whole rollouts and their updates; then waits for the next."""

    first, seconds, start = 0, 0.0, 0.0

    def _on_rollout_start(self) -> None:
        now = perf_counter()
        if self.num_timesteps == 0:
            print("ready", flush=True)
        elif now - self.start < self.seconds:
            return
        else:
            print((self.num_timesteps - self.first) / (now - self.start), flush=True)
        line = sys.stdin.readline()
        if not line:
            sys.exit()
        self.seconds, self.first, self.start = float(line), self.num_timesteps, perf_counter()

    def _on_step(self) -> bool:
        return True


torch.set_num_threads(1)
agent = PPO("MlpPolicy", make_vec_env(sys.argv[1], ENVIRONMENTS), n_steps=ROLLOUT // ENVIRONMENTS, device="cpu")
agent.set_logger(Logger(folder=None, output_formats=[]))  # its default leaves a folder in /tmp for each run
agent.learn(10**9, callback=Turns())
