"""What `watch` shows: pictures of an episode, and what is said of it; and the agent that is watched."""

from dataclasses import dataclass
from typing import Any

from PIL import Image

from benchmarks.assembly import Assembly
from benchmarks.config import machine_settings, merge
from benchmarks.loaded import Loaded


@dataclass(frozen=True)
class Animation:
    """Pictures, so many a second, for a file called `name`.

    `told` is a line on the episode, `how` says in a few words which part of it is shown, and in which way.
    """

    name: str
    pictures: list[Image.Image]
    a_second: int
    told: str
    how: str


def revived(loaded: Loaded) -> tuple[Any, Any]:
    """The agent of a checkpoint with its weights, and its datamodule."""
    assembly = Assembly(merge(loaded.settings, machine_settings(loaded.run.seed, None)))
    agent: Any = assembly.module
    data: Any = assembly.datamodule
    data.setup("test")
    agent.build(*data.sizes)
    agent.load_state_dict(loaded.checkpoint["state_dict"])
    return agent, data
