"""`film.json` beside the episodes of a robot: how the one with the least return ended, for the sheet."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.errors import UserError
from results.scoring.beside import read_beside, write_beside

FILE_NAME = "film.json"
FRAMES = 10
DIGITS = 6  # of a time and of a position, beyond the point
FARTHEST = 1e10  # beyond which MuJoCo itself takes a position for a failure

COORDINATES: Mapping[str, int] = {"Walker2d-v5": 9, "Hopper-v5": 6, "HalfCheetah-v5": 9, "Ant-v5": 15}
"""Environment -> numbers that say where its robot is."""


class Film(msgspec.Struct, frozen=True):
    """Moments of an episode, as `film.json` has them: seconds since its reset [m], positions then [m, nq].

    Raises:
        ValueError: there is no moment or too many, they are not in order, or a position is of another size or none.
    """

    episode: int
    seconds: tuple[float, ...]
    positions: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.seconds) <= FRAMES or len(self.seconds) != len(self.positions):
            raise ValueError(f"{len(self.seconds)} seconds, {len(self.positions)} positions, expected 1 to {FRAMES}")
        if any(later <= earlier for earlier, later in pairwise(self.seconds)):
            raise ValueError("seconds must rise")
        if len({len(position) for position in self.positions}) > 1:
            raise ValueError("positions must have the same size")
        if not all(abs(number) < FARTHEST for position in self.positions for number in position):  # NaN is not either
            raise ValueError(f"each number of a position must be below {FARTHEST:g}")


def write_film(folder: Path, episodes: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Stores the `film` of the episode with the least `return`; where it has none, a stale file is removed.

    Raises:
        ValueError: it is no film.
        UserError: the disk is full, or the folder may not be written to.
    """
    worst = int(np.argmin([episode["return"] for episode in episodes]))
    moments = episodes[worst].get("film")
    if moments is None:
        return write_beside(folder / FILE_NAME, None)
    seconds, *positions = (tuple(round(n, DIGITS) for n in row) for row in (moments["seconds"], *moments["positions"]))
    return write_beside(folder / FILE_NAME, Film(worst, seconds, tuple(positions)))


def read_film(folder: Path, environment: str, returns: Sequence[float]) -> Film | None:
    """The film that is stored there, of one of the episodes with these returns; None where there is none.

    Raises:
        UserError: the file is malformed, of another robot, or of another episode than the one with the least return.
    """
    file = folder / FILE_NAME
    film = read_beside(file, Film, "the film of an episode")
    if film is None:
        return None
    if film.episode != (worst := int(np.argmin(returns))):
        raise UserError(f"{file}: of episode {film.episode}, but the least return is that of {worst}; remove the file.")
    if (found := len(film.positions[0])) != (size := COORDINATES.get(environment)):
        raise UserError(f"{file}: positions of {found} numbers, {environment} has {size}; remove the file.")
    return film
