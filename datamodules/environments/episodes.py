"""Whole episodes, each from a reset with a seed of its own to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Bools, Floats, Integers
from datamodules.experience import Environments
from datamodules.progress import bar

Policy = Callable[[NDArray[Any]], NDArray[Any]]
"""Actions [n, a] (or [n], where an action is a number) for observations [n, o]."""


class Episodes:
    """Episodes to be played, one an environment. No dataclass: Lightning copies those on their way to a device.

    Args:
        environments: n of them.
        seeds: of their resets.
        first: number of the first episode.
    """

    def __init__(self, environments: Environments, seeds: list[int], first: int = 0) -> None:
        self.environments, self.seeds, self.first = environments, seeds, first

    def predictions(self, played: Played) -> list[dict[str, Any]]:
        """What is to be written of them, once they are played: here as `results/scoring/control.py` does."""
        rows = zip(played.seeds, played.returns.tolist(), played.lengths.tolist(), strict=True)
        return [{"seed": seed, "return": total, "length": length} for seed, total, length in rows]


@dataclass(frozen=True)
class Played:
    """Episodes that were played to their end: returns [n], lengths [n], and whether a terminal state ended them [n]."""

    seeds: list[int]
    returns: Floats
    lengths: Integers
    terminated: Bools


def play(episodes: Episodes, policy: Policy) -> Played:
    """Plays every episode to its end; each counts once, whatever runs on beside it.

    Args:
        episodes: n of them.
        policy: whose actions are clipped to the task's range.
    """
    environments, count = episodes.environments, len(episodes.seeds)
    observations, _ = environments.reset(seed=episodes.seeds)
    returns, lengths, running = np.zeros(count), np.zeros(count, np.int64), np.ones(count, bool)
    fatal = np.zeros(count, bool)
    with bar(count, "playing", "episode") as shown:
        while running.any():
            observations, rewards, terminated, truncated, _ = environments.step(
                policy(observations).clip(environments.least, environments.most)
            )
            returns[running] += rewards[running]
            lengths[running] += 1
            fatal |= running & terminated
            running &= ~(terminated | truncated)
            shown.set_postfix(steps=int(lengths.max()), refresh=False)  # most end together, at the time limit
            shown.update(count - shown.n - int(running.sum()))
    return Played(episodes.seeds, returns, lengths, fatal)
