"""Crashes and returns of whole drives beside those of a driver model, from `episodes.csv`.

    environment,seed,episode,driver,return,length,crashed

Two rows an episode, one a `driver`: `agent`, who is judged, and `idm`, the yardstick, who drove the same episode from a
reset with the same `seed`. `return` is the sum of the task's own rewards, `length` counts its steps of a second,
`crashed` is 1 where a crash ended the episode and 0 where the time did. `episode` counts from 0. The names are those of
every task (the package lists them); in addition `truth` says what to expect, as no data do, `fixed_seeds` which resets
the episodes begin from, and `protocol` whether the yardstick is IDM as everybody knows it: its rows in `IDM`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import paths
from benchmarks.arrays import Bools, Floats, Integers
from benchmarks.errors import UserError
from benchmarks.files import write_atomically
from results.scoring.rows import csv_of, decimal, locate, read_rows, shown, whole_number
from results.statistics import mean_error

METRICS: dict[str, str] = {
    "crash_above_idm": "points", "return_above_idm": "reward", "crash": "%", "return": "reward", "length": "steps",
    "idm_crash": "%", "idm_return": "reward", "idm_length": "steps",
}  # fmt: skip

SHARED = True
"""All runs drive the same episodes, and so does the yardstick."""

FILE_NAME = "episodes.csv"
COLUMNS = ("environment", "seed", "episode", "driver", "return", "length", "crashed")
DRIVERS = ("agent", "idm")

LONGEST: Mapping[str, int] = {"highway-fast-v0": 30}
"""Environment -> steps after which the time is over; a step earns at most 1."""

IDM = "benchmarks/driving/idm.csv"
"""What IDM drove in all committed records: a file of episodes with its rows alone, which nobody's may contradict."""
KNOWN = 500  # episodes in it
SAME = 1e-6  # of a return, whose last digits another processor may round in another way

Driven = tuple[float, int, bool]  # return, length, whether it crashed


@dataclass(frozen=True)
class Truth:
    """As many episodes of one environment as `ids` has."""

    environment: str
    ids: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class DriverEpisodes:
    """One driver's episodes by number: return [n], length [n], and whether it crashed [n]."""

    returns: Floats
    lengths: Integers
    crashed: Bools

    def measures(self) -> dict[str, Floats]:
        """What each episode counts for in every metric of one driver, [n]."""
        crashes = np.where(self.crashed, 100.0, 0.0)
        return {"crash": crashes, "return": self.returns, "length": self.lengths.astype(np.float64)}


@dataclass(frozen=True, eq=False)
class Predictions:
    """Episodes by number: seed of the reset [n], and what either driver made of it.

    `scored` counts the episodes read, `unique` the different ones among them, `other` those that IDM drives in another
    way here than in the committed records, and `apart` says by how much in return at most: without end where a drive
    is longer or shorter, or crashes otherwise.
    """

    seeds: tuple[int, ...]
    agent: DriverEpisodes
    idm: DriverEpisodes
    scored: int
    unique: int
    other: int
    apart: float


def truth(split: str, examples: int) -> Truth:
    """The environment that `split` names, and as many episodes.

    Raises:
        UserError: there is no such environment.
    """
    if split not in LONGEST:
        raise UserError(f"there is no environment {split!r} here. Known: {', '.join(LONGEST)}.")
    return Truth(split, tuple(map(str, range(examples))))


def fixed_seeds(count: int, first: int = 0) -> list[int]:
    """The seeds by which every run resets its evaluation episodes: odd, where those of training are even."""
    return [2 * (first + number) + 1 for number in range(count)]


def write(folder: Path, predictions: Sequence[Mapping[str, Any]], truth: Truth) -> list[Path]:
    """Write `episodes.csv` into an existing folder, whole or not at all.

    Args:
        folder: where the file goes; one that is there is replaced.
        predictions: an episode each, with `seed`, and for each driver `return`, `length` and `crashed`.
        truth: what was to be driven.

    Raises:
        ValueError: an episode too many or too few.
        UserError: the disk is full, or the folder may not be written to.
    """
    rows: list[Sequence[object]] = [COLUMNS]
    for episode, driven in zip(truth.ids, predictions, strict=True):
        for driver in DRIVERS:
            by = driven[driver]
            result = (repr(float(by["return"])), int(by["length"]), int(by["crashed"]))
            rows.append((truth.environment, driven["seed"], episode, driver, *result))
    write_atomically(folder / FILE_NAME, csv_of(rows).encode())
    return [folder / FILE_NAME]


def files(path: Path) -> list[Path]:
    """The file of episodes itself, or the one in the folder."""
    return [locate(path, FILE_NAME)]


def read(path: Path, truth: Truth) -> Predictions:
    """Read `episodes.csv` (the file, or the folder that holds it), rows in any order.

    Raises:
        UserError: the file is missing or malformed, contradicts itself, or holds other episodes than were to be driven;
            the message names file and line.
    """
    file = locate(path, FILE_NAME)
    found = _found(file, truth)
    _refuse_missing(file, found, len(truth.ids))
    episodes = range(len(truth.ids))
    agent, idm = ([found[episode, driver] for episode in episodes] for driver in DRIVERS)
    count = len(episodes)
    apart = _apart(idm, truth)
    other = sum(each > SAME for each in apart)
    return Predictions(tuple(fixed_seeds(count)), _drives(agent), _drives(idm), count, count, other, max(apart))


def protocol(predictions: Predictions) -> dict[str, str]:
    """What IDM's rows themselves say of the yardstick; nothing where they are those of the committed records."""
    if not predictions.other:
        return {}
    return {"yardstick": f"an IDM that drives {predictions.other} of {predictions.scored} episodes unlike {IDM}"}


def notes(predictions: Predictions, truth: Truth) -> Iterator[str]:
    """By how much IDM's rows differ from those of the committed records."""
    if predictions.other:
        to = f"in return by up to {predictions.apart:.2g}" if math.isfinite(predictions.apart) else "in length or crash"
        yield f"IDM's rows differ from those of {IDM} {to}, in {predictions.other} episodes; copy those as they are."


def measured(predictions: Predictions) -> dict[str, Floats]:
    """What each episode counts for in every metric, [n]; a metric is their mean."""
    agent, idm = predictions.agent.measures(), predictions.idm.measures()
    above = {f"{name}_above_idm": agent[name] - idm[name] for name in ("crash", "return")}
    return above | agent | {f"idm_{name}": values for name, values in idm.items()}


def standard_errors(predictions: Predictions, truth: Truth, metrics: Iterable[str]) -> dict[str, float]:
    """Return the standard error of each metric, by a bootstrap over episodes, in which the drivers stay paired."""
    values = measured(predictions)
    return {metric: mean_error(values[metric]) for metric in metrics}


def score(predictions: Predictions, truth: Truth) -> dict[str, float]:
    """Return the mean over episodes of every metric."""
    return {name: math.fsum(values) / len(values) for name, values in measured(predictions).items()}


def _found(file: Path, truth: Truth) -> dict[tuple[int, str], Driven]:
    """(Episode, driver) -> what a row says of it."""
    found: dict[tuple[int, str], Driven] = {}
    for line, fields in read_rows(file, COLUMNS):
        try:
            episode, driver, driven = _row(fields, truth)
            if (episode, driver) in found:
                raise ValueError(f"episode {episode} of {driver} stands twice")
        except ValueError as error:
            raise UserError(f"{file}, line {line}: {error}") from None
        found[episode, driver] = driven
    return found


def _apart(idm: Sequence[Driven], truth: Truth) -> list[float]:
    """By how much IDM's return in each episode differs from the committed one; without end in another drive."""
    known = _found(paths.ROOT / IDM, Truth(truth.environment, tuple(map(str, range(KNOWN)))))
    return [_between(driven, known.get((episode, "idm"))) for episode, driven in enumerate(idm)]


def _between(driven: Driven, known: Driven | None) -> float:
    return math.inf if known is None or driven[1:] != known[1:] else abs(driven[0] - known[0])


def _row(fields: Sequence[str], truth: Truth) -> tuple[int, str, Driven]:
    environment, seed, episode, driver, total, length, crashed = fields
    if environment != truth.environment:
        raise ValueError(f"the environment is {shown(environment)}, expected {truth.environment}")
    if driver not in DRIVERS:
        raise ValueError(f"the driver is {shown(driver)}, expected {' or '.join(DRIVERS)}")
    steps = whole_number("length", length, 1, LONGEST[environment])
    ended = whole_number("crashed", crashed, 0, 1) == 1
    if not ended and steps < LONGEST[environment]:
        raise ValueError(f"it ends after {steps} of {LONGEST[environment]} steps, but not by a crash")
    number = whole_number("episode", episode, 0, len(truth.ids) - 1)
    _check_seed(seed, number)
    return number, driver, (_return(total, steps), steps, ended)


def _check_seed(text: str, episode: int) -> None:
    (expected,) = fixed_seeds(1, episode)
    if whole_number("seed", text, 0, 2**128) != expected:
        raise ValueError(
            f"seed is {text}, expected {expected}: in every run episode k of the test begins from a reset with seed "
            f"2 k + 1, as in {IDM}"
        )


def _return(text: str, steps: int) -> float:
    expected = f"a number from 0 to {steps}, as a step earns at most 1"
    return decimal("return", text, -1e-9, steps + 1e-9, expected)


def _refuse_missing(file: Path, found: Collection[tuple[int, str]], expected: int) -> None:
    episodes = {episode for episode, _ in found}
    if len(episodes) < expected:
        raise UserError(f"{file} holds {len(episodes)} episodes; {expected} are needed, numbered from 0")
    for episode in range(expected):
        for driver in DRIVERS:
            if (episode, driver) not in found:
                raise UserError(f"{file} has no row of {driver} for episode {episode}; both drivers drive every one")


def _drives(rows: Sequence[Driven]) -> DriverEpisodes:
    returns, lengths, crashed = zip(*rows, strict=True)
    return DriverEpisodes(np.array(returns), np.array(lengths), np.array(crashed))
