"""One episode of a driver's policy, and the pictures of it."""

from typing import Any

import torch

from benchmarks.loaded import Loaded, revived
from benchmarks.show.animation import Animation
from datamodules.environments.highway import Car
from datamodules.environments.road_pictures import Moment, moment, picture
from results.scoring.driving import fixed_seeds

A_SECOND = 10  # pictures of the animation, each of a fifth of a second of the drive


def animate(loaded: Loaded) -> Animation:
    """The first episode of the test from above, as `drive.gif`."""
    agent, data = revived(loaded)
    (seed,) = fixed_seeds(1)
    moments, returns, crashed = episode(agent, Car(data.scene), seed)
    shown = [picture(each, _caption(each, total)) for each, total in moments]
    end = "a crash" if crashed else "the time was over"
    told = f"{data.scene.environment}, seed {seed}: {len(returns)} steps, return {sum(returns):.2f}, {end}"
    return Animation("drive.gif", shown, A_SECOND, told, "the whole episode at twice its speed, drawn from above")


def episode(agent: Any, car: Car, seed: int) -> tuple[list[tuple[Moment, float]], list[float], bool]:
    """Every moment that is simulated with the return until then, the reward of each step, and whether it crashed."""
    observation, simulation = car.begin(seed), car.simulation
    rewards: list[float] = []
    moments = [(moment(simulation), 0.0)]
    # Called between two moments of a step, for those who watch.
    simulation._automatic_rendering = lambda: moments.append((moment(simulation), sum(rewards)))
    crashed = over = False
    while not (crashed or over):
        with torch.no_grad():
            action = int(agent.policy(torch.from_numpy(observation[None])))
        observation, reward, crashed, over = car.step(action)
        rewards.append(reward)
        moments.append((moment(simulation), sum(rewards)))
    return moments, rewards, crashed


def _caption(shown: Moment, total: float) -> str:
    return f"{shown.speed:.1f} m/s   return {total:.1f}{'   crashed' if shown.crashed else ''}"
