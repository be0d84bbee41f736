"""A checkpoint's policy, watched: one episode of its test as a short animation."""

from argparse import Namespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.assembly import Assembly
from benchmarks.config import machine_settings, merge
from benchmarks.errors import UserError
from benchmarks.files import replacing
from benchmarks.loaded import Loaded, load
from benchmarks.paths import relative, run_folder
from datamodules.environments.batched import BatchedMujoco
from datamodules.environments.episodes import Episodes, Played, play
from datamodules.environments.pictures import painter
from datamodules.environments.tasks import Floats
from datamodules.locomotion import evaluation_seeds

SECONDS, A_SECOND = 8.0, 20  # of the animation, and its pictures


def watch(options: Namespace) -> None:
    """Writes `gait.gif` into the folder of the run that CHECKPOINT is of.

    Raises:
        UserError: there is no such checkpoint, or it is not of a robot.
    """
    if not options.checkpoint:
        raise UserError(f"say which policy: make watch-{options.benchmark} CHECKPOINT=run.ckpt")
    loaded = load(options)
    if loaded.asked.claim.task != "control":
        raise UserError(f"{options.benchmark} has nothing that moves; the sheet.html of a run shows what went wrong.")
    environments, positions, played = _episode(loaded)
    how, pictures = _pictures(environments, positions)
    path = run_folder(options.benchmark, loaded.run.run_id) / "gait.gif"
    with replacing(path) as file:
        pictures[0].save(
            file, "GIF", save_all=True, append_images=pictures[1:], loop=0, duration=1000 // A_SECOND
        )  # fmt: skip
    print(
        f"{environments.environment}, seed {played.seeds[0]}: return {played.returns[0]:.1f}, {played.lengths[0]} steps"
    )
    print(f"animation  {relative(path)} (the first {len(pictures) / A_SECOND:.0f} s, {how})")


def _episode(loaded: Loaded) -> tuple[BatchedMujoco, list[Floats], Played]:
    """The first episode of the run's test, with the positions before every step."""
    assembly = Assembly(merge(loaded.settings, machine_settings(loaded.run.seed, None)))
    agent: Any = assembly.module
    data: Any = assembly.datamodule
    data.setup("test")
    agent.build(*data.sizes)
    agent.load_state_dict(loaded.checkpoint["state_dict"])
    environments, positions = BatchedMujoco(data.environment, 1), []

    def policy(observations: Floats) -> Any:
        positions.append(environments.positions[0])
        return agent.policy(torch.from_numpy(observations)).numpy()

    with torch.no_grad():
        played = play(Episodes(environments, evaluation_seeds(loaded.run.seed, 1)), policy)
    return environments, positions, played


def _pictures(environments: BatchedMujoco, positions: list[Floats]) -> tuple[str, list[Image.Image]]:
    """How the first seconds are shown, and the pictures of them, each of the nearest step."""
    how, picture = painter(environments.model)
    times = np.arange(0, min(SECONDS, len(positions) * environments.dt), 1 / A_SECOND)
    steps = [int(time / environments.dt) for time in times]
    name = environments.environment
    return how, [picture(positions[step], f"{name}  {time:.1f} s") for step, time in zip(steps, times, strict=True)]
