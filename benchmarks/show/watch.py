"""A checkpoint's policy, watched: one episode of its test as a short animation."""

import importlib
from argparse import Namespace
from typing import Any

from benchmarks.errors import UserError
from benchmarks.files import replacing
from benchmarks.loaded import load
from benchmarks.paths import relative, run_folder
from benchmarks.show.animation import Animation
from benchmarks.strict import load_claim

MOVING = {"control": "gait", "driving": "drive"}
"""Task -> the module that animates its episodes."""


def watch(options: Namespace) -> None:
    """Writes an animation into the folder of the run that CHECKPOINT is of.

    Raises:
        UserError: there is no such checkpoint, or nothing of it moves.
    """
    if not options.checkpoint:
        raise UserError(f"say which policy: make watch-{options.benchmark} CHECKPOINT=run.ckpt")
    task = load_claim(options.benchmark).task
    if task not in MOVING:
        raise UserError(f"{options.benchmark} has nothing that moves; the sheet.html of a run shows what went wrong.")
    loaded = load(options)
    moving: Any = importlib.import_module(f"benchmarks.show.{MOVING[task]}")  # which imports torch
    shown: Animation = moving.animate(loaded)
    path = run_folder(options.benchmark, loaded.run.run_id) / shown.name
    first, *rest = shown.pictures
    with replacing(path) as file:
        first.save(file, "GIF", save_all=True, append_images=rest, loop=0, duration=1000 // shown.a_second)
    print(shown.told)
    print(f"animation  {relative(path)} ({shown.how})")
