"""One episode of a robot's policy, and the pictures of it."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.arrays import Floats
from benchmarks.loaded import Loaded, revived
from benchmarks.show.animation import Animation
from datamodules.environments.episodes import Episodes, Played, play
from datamodules.environments.film import Filmed
from datamodules.environments.pictures import painter
from results.scoring.control import evaluation_seeds

SECONDS, A_SECOND = 8.0, 20  # of the animation, and its pictures


def animate(loaded: Loaded) -> Animation:
    """The first seconds of the first episode of the run's test, as `gait.gif`."""
    environments, played = episode(loaded)
    how, shown = pictures(environments)
    told = (
        f"{environments.environment}, seed {played.seeds[0]}: {played.lengths[0]} steps, return {played.returns[0]:.1f}"
    )
    return Animation("gait.gif", shown, A_SECOND, told, f"the first {len(shown) / A_SECOND:.0f} s, {how}")


def episode(loaded: Loaded) -> tuple[Filmed, Played]:
    """The first episode of the run's test, filmed; alone, its sums round otherwise than in the test's batch."""
    agent, data = revived(loaded)
    environments = Filmed(data.environment, 1)

    def policy(observations: Floats) -> Any:
        return agent.policy(torch.from_numpy(observations)).numpy()

    with torch.no_grad():
        played = play(Episodes(environments, evaluation_seeds(loaded.run.seed, 1)), policy)
    return environments, played


def pictures(environments: Filmed) -> tuple[str, list[Image.Image]]:
    """How the first seconds are shown, and the pictures of them, each of the nearest step."""
    how, picture = painter(environments.model)
    times = np.arange(0, min(SECONDS, len(environments.film) * environments.dt), 1 / A_SECOND)
    steps = [int(time / environments.dt) for time in times]
    name = environments.environment
    return how, [
        picture(environments.film[step][0], f"{name}  {time:.1f} s") for step, time in zip(steps, times, strict=True)
    ]
