"""Games against GNU Go from a folder of SGF files, `<opening>-<the agent's colour>.sgf`: the share of points won.

A win is one point, a draw a half. The names are those of every task (the package lists them); in addition
`truth` says what to expect where no data do, and `protocol` what the games themselves say of it. All that a verdict
needs is in the files: each is replayed by the rules, from the opening that its name means to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arrays import Floats
from benchmarks.errors import UserError
from benchmarks.files import write_atomically, writing
from results.scoring import sgf
from results.scoring.contest import COLOURS, Contest, ids
from results.scoring.replays import margin_of, opponent_of, replayed
from results.scoring.rows import NAME_IT
from results.statistics import ratio_error

METRICS: dict[str, str] = {"score": "%"}

SHARED = True
DRAWN_TOGETHER = 2
"""An opening's games, which are much alike."""

FOLDER = "games"
SUFFIX = ".sgf"

_PARTS: dict[str, tuple[int, ...]] = {"score": (0, 1)} | {f"score/{name}": (i,) for i, name in enumerate(COLOURS)}


@dataclass(frozen=True)
class Truth:
    """The games of a contest, by their ids: each opening's two after each other."""

    contest: Contest
    ids: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Games in truth order, and their margins [openings, 2]: the agent's points less GNU Go's, it being Black, White.

    `scored` counts the files read, `unique` the different games that they are of.
    """

    games: tuple[sgf.GameRecord, ...]
    margins: Floats
    opponent: str
    scored: int
    unique: int

    @property
    def points(self) -> Floats:
        """One for a win, a half for a draw [openings, 2]."""
        points: Floats = (np.sign(self.margins) + 1) / 2
        return points


def truth(split: str, examples: int) -> Truth:
    """The games of the contest that `split` names, such as `7x7-komi9-level10`."""
    return Truth(Contest.named(split), ids(examples))


def write(folder: Path, predictions: Sequence[Mapping[str, Any]], truth: Truth) -> list[Path]:
    """Write a file a game into `games` in an existing folder, each whole or not at all.

    Args:
        folder: where `games` goes; files of other games that are in there are removed.
        predictions: in truth order, each with `moves`, the opening's among them, and `engine`, such as `GNU Go 3.8`.
        truth: the games that were to be played.

    Raises:
        ValueError: a game too many or too few, or one that the rules do not allow.
        UserError: the disk is full, or the folder may not be written to.
    """
    contest = truth.contest
    texts = [
        sgf.written(
            contest.game(name, played["moves"], played["engine"], sgf.result_of(replayed(contest, played["moves"])))
        )
        for name, played in zip(truth.ids, predictions, strict=True)
    ]
    paths = [folder / FOLDER / f"{name}{SUFFIX}" for name in truth.ids]
    for path, text in zip(paths, texts, strict=True):
        write_atomically(path, text.encode())
    with writing(folder / FOLDER):
        for stale in set(_games(folder / FOLDER)) - set(paths):
            stale.unlink()
    return paths


def files(path: Path) -> list[Path]:
    """The games in a folder, or in `games` in it.

    Raises:
        UserError: it is no folder, or has none.
    """
    folder = path / FOLDER if (path / FOLDER).is_dir() else path
    try:
        found = _games(folder)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; name the folder of the games") from None
    if not found:
        raise UserError(f"{folder} has no game ({SUFFIX}); {NAME_IT}")
    return found


def read(path: Path, truth: Truth) -> Predictions:
    """Read and replay every game of a folder, or of `games` in it.

    Raises:
        UserError: a game is missing or too many, is broken, or is not what its name says; the message names the file.
    """
    found = {file.stem: file for file in files(path)}
    _require_same(path, found.keys(), truth.ids)
    games, margins = [], []
    opponents: dict[str, Path] = {}
    for name in truth.ids:
        game = sgf.read(found[name])
        try:
            margins.append(margin_of(game, name, truth.contest))
            opponents[opponent_of(game, name, truth.contest)] = found[name]
        except ValueError as error:
            raise UserError(f"{found[name]}: {error}") from None
        games.append(game)
    if len(opponents) > 1:
        told = " and ".join(f"{opponent} ({file})" for opponent, file in opponents.items())
        raise UserError(f"the games are against several opponents: {told}; play all against one")
    black, (opponent,) = np.array(margins).reshape(-1, 2), opponents
    return Predictions(tuple(games), black * [1, -1], opponent, scored=len(games), unique=len(found))


def protocol(predictions: Predictions) -> dict[str, str]:
    """What the games themselves say of how they came about, whoever made them."""
    return {"opponent": predictions.opponent}


def standard_errors(predictions: Predictions, truth: Truth, metrics: Iterable[str]) -> dict[str, float]:
    """Return the standard error of each metric, by a bootstrap over openings, whose two games stay together."""
    found = {}
    for metric in metrics:
        points = 100 * predictions.points[:, _PARTS[metric]]
        games = np.full(len(points), float(points.shape[1]))
        found[metric] = ratio_error(np.stack([points.sum(axis=1), games], axis=1))
    return found


def score(predictions: Predictions, truth: Truth) -> dict[str, float]:
    """Return the percentage of points, over all games and over those of each colour of the agent."""
    points = {metric: predictions.points[:, parts] for metric, parts in _PARTS.items()}
    return {metric: 100 * float(each.sum()) / each.size for metric, each in points.items()}


def _games(folder: Path) -> list[Path]:
    """Hidden files are none, such as those that macOS puts beside others."""
    return sorted(file for file in folder.iterdir() if file.suffix == SUFFIX and not file.name.startswith("."))


def _require_same(path: Path, found: Iterable[str], expected: Sequence[str]) -> None:
    missing, more = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    for names, what in ((missing, "are missing"), (more, "belong to no game of this test")):
        if names:
            raise UserError(
                f"{path}: {len(names)} files {what}, first {', '.join(name + SUFFIX for name in names[:3])}; "
                f"{len(expected)} are needed, {expected[0]}{SUFFIX} to {expected[-1]}{SUFFIX}"
            )
