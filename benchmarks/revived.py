"""What a checkpoint learnt, made to act again: for those who watch it, or play against it."""

from typing import Any

import torch

from benchmarks.assembly import Assembly
from benchmarks.config import machine_settings, merge
from benchmarks.loaded import Loaded


def revived(loaded: Loaded) -> tuple[Any, Any]:
    """The module of a checkpoint with its weights, and its datamodule."""
    assembly = Assembly(merge(loaded.settings, machine_settings(loaded.run.seed, None)))
    torch.set_num_threads(assembly.threads)
    learnt: Any = assembly.module
    data: Any = assembly.datamodule
    data.setup("test")
    learnt.build(*data.sizes)
    learnt.load_state_dict(loaded.checkpoint["state_dict"])
    return learnt.eval(), data
