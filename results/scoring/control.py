"""Returns of whole episodes from `episodes.csv`: `environment,seed,episode,return,length`, one row an episode.

`seed` is that of the episode's reset, `return` the sum of the task's own rewards, `episode` counts from 0. The names
are those of every task (the package lists them); in addition `truth` says what to expect where no data do, `split_of`
which environment a file is about, and `evaluation_seeds` which resets a run's episodes begin from.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arrays import Floats, Integers
from benchmarks.errors import UserError
from benchmarks.files import write_atomically
from results.scoring.film import Film, read_film, write_film
from results.scoring.rows import csv_of, decimal, locate, read_rows, shown, whole_number
from results.statistics import mean_error

METRICS: dict[str, str] = {"return": "reward"}

SHARED = False
"""Every run is scored on episodes of its own, so the spread between runs holds that of the episodes already."""

FILE_NAME = "episodes.csv"
COLUMNS = ("environment", "seed", "episode", "return", "length")
LONGEST = 1000
"""Steps after which Gymnasium's TimeLimit cuts an episode off, in all of its MuJoCo tasks."""
MOST_A_STEP = 100.0
"""A step earns the speed in m/s and at most 1 for being healthy, less a few units of costs. MuJoCo knows no greatest
speed; but nothing that walks or runs comes near 100 m/s (no episode of our records has 10 a step).
"""


@dataclass(frozen=True)
class Truth:
    """As many episodes of one environment as `ids` has."""

    environment: str
    ids: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Episodes by number: seed of the reset [n], return [n] and length [n].

    `scored` counts the rows read, `unique` the different episodes among them; `film` may show the worst of them.
    """

    seeds: tuple[int, ...]
    returns: Floats
    lengths: Integers
    scored: int
    unique: int
    film: Film | None = None


def truth(split: str, examples: int) -> Truth:
    """The environment that `split` names, and as many episodes."""
    return Truth(split, tuple(map(str, range(examples))))


def evaluation_seeds(seed: int, count: int, first: int = 0) -> list[int]:
    """The seeds by which evaluation episodes are reset: odd, where those of training are even."""
    return [2 * (1000 * seed + first + number) + 1 for number in range(count)]


def write(folder: Path, predictions: Sequence[Mapping[str, Any]], truth: Truth) -> list[Path]:
    """Write `episodes.csv`, maybe `film.json`, into an existing folder, each whole or not at all.

    Args:
        folder: where the files go; those that are there are replaced.
        predictions: an episode each, with `seed`, `return` and `length`. The one with the least return may have a
            `film`; where it has none, a stale file of one is removed.
        truth: what was to be played.

    Raises:
        ValueError: an episode too many or too few, or a film that is none.
        UserError: the disk is full, or the folder may not be written to.
    """
    rows = [
        (truth.environment, played["seed"], episode, repr(played["return"]), played["length"])
        for episode, played in zip(truth.ids, predictions, strict=True)
    ]
    film = write_film(folder, predictions)
    write_atomically(folder / FILE_NAME, csv_of([COLUMNS, *rows]).encode())
    return [folder / FILE_NAME, *film]


def files(path: Path) -> list[Path]:
    """The file of episodes itself, or the one in the folder."""
    return [locate(path, FILE_NAME)]


def split_of(path: Path, splits: Collection[str]) -> str:
    """The one environment, of those given, that a file of episodes is about.

    Raises:
        UserError: it is about none of them, or about several.
    """
    file = locate(path, FILE_NAME)
    found = sorted({environment for _, (environment, *_) in read_rows(file, COLUMNS)})
    if len(found) != 1 or found[0] not in splits:
        raise UserError(
            f"{file} holds episodes of {', '.join(map(shown, found)) or 'nothing'}; this benchmark is about "
            f"{', '.join(sorted(splits))}. Give a file of one of them."
        )
    return found[0]


def read(path: Path, truth: Truth) -> Predictions:
    """Read `episodes.csv` (the file, or the folder that holds it), rows in any order.

    Raises:
        UserError: the file is missing or malformed, or holds other episodes than were to be played; the message names
            file and line. Or a `film.json` beside it is malformed, or of another robot or episode.
    """
    file = locate(path, FILE_NAME)
    found: dict[int, tuple[int, float, int]] = {}
    seeds: dict[int, int] = {}  # seed -> line
    for line, fields in read_rows(file, COLUMNS):
        try:
            episode, seed, total, length = _episode(fields, truth)
            _refuse_repeated("episode", episode, found)
            _refuse_repeated("seed", seed, seeds)
        except ValueError as error:
            raise UserError(f"{file}, line {line}: {error}") from None
        found[episode], seeds[seed] = (seed, total, length), line
    if len(found) < len(truth.ids):
        raise UserError(f"{file} holds {len(found)} episodes; {len(truth.ids)} are needed, numbered from 0")
    ordered, totals, lengths = zip(*(found[episode] for episode in range(len(truth.ids))), strict=True)
    film = read_film(file.parent, truth.environment, totals) if file.name == FILE_NAME else None
    return Predictions(ordered, np.array(totals), np.array(lengths), len(ordered), len(seeds), film)


def standard_errors(predictions: Predictions, truth: Truth, metrics: Iterable[str]) -> dict[str, float]:
    """Return the standard error of each metric, by a bootstrap over episodes."""
    return {metric: mean_error(predictions.returns) for metric in metrics}


def score(predictions: Predictions, truth: Truth) -> dict[str, float]:
    """Return the mean return of the episodes.

    Raises:
        ValueError: the predictions are of more or fewer.
    """
    if len(predictions.returns) != len(truth.ids):
        raise ValueError(f"expected {len(truth.ids)} returns, got {len(predictions.returns)}")
    return {"return": math.fsum(predictions.returns) / len(predictions.returns)}


def _episode(fields: Sequence[str], truth: Truth) -> tuple[int, int, float, int]:
    environment, seed, episode, total, length = fields
    if environment != truth.environment:
        raise ValueError(f"the environment is {shown(environment)}, expected {truth.environment}")
    steps = whole_number("length", length, 1, LONGEST)
    return (
        whole_number("episode", episode, 0, len(truth.ids) - 1),
        whole_number("seed", seed, 0, 2**128),
        _return(total, steps),
        steps,
    )


def _return(text: str, steps: int) -> float:
    most = MOST_A_STEP * steps
    expected = f"a number from {-most:g} to {most:g}, {MOST_A_STEP:g} a step in either direction"
    return decimal("return", text, -most, most, expected)


def _refuse_repeated(what: str, number: int, known: Collection[int]) -> None:
    if number in known:
        raise ValueError(f"{what} {number} stands twice; every episode starts from a seed of its own")
