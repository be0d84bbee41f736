"""The player of Go that a checkpoint holds, and the board that it knows."""

from typing import Any

import torch

from benchmarks.assembly import Assembly
from benchmarks.config import machine_settings, merge
from benchmarks.loaded import Loaded
from results.scoring.contest import Contest


def revived(loaded: Loaded) -> tuple[Any, Contest]:
    """The module with its weights, and the contest that it was trained for. It needs no GNU Go."""
    assembly = Assembly(merge(loaded.settings, machine_settings(loaded.run.seed, None)))
    torch.set_num_threads(assembly.threads)
    player: Any = assembly.module
    data: Any = assembly.datamodule
    contest: Contest = data.contest
    player.build(contest.size)
    player.load_state_dict(loaded.checkpoint["state_dict"])
    return player.eval(), contest
