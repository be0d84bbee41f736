"""The lost games as one self-contained page: how each board stood in the end, and who won with which colour."""

from __future__ import annotations

from typing import Any

import numpy as np

from datamodules.sheets.page import page
from results.scoring.contest import COLOURS, Contest, opening_and_colour
from results.scoring.go import SUFFIX, Predictions
from results.scoring.go_game import COLUMNS, Game
from results.scoring.go_rules import BLACK, WHITE
from results.scoring.sgf import GameRecord
from results.statistics import wilson

SHOWN = 30


def sheet(title: str, root: None, split: str, predictions: Predictions) -> str:
    """HTML of the games that were lost the most clearly, and of wins, draws and losses.

    Args:
        title: of the page.
        root: of the data; there are none.
        split: the contest.
        predictions: the games.
    """
    contest, margins = Contest.named(split), predictions.margins.ravel()
    worst = [i for i in np.argsort(margins, kind="stable") if margins[i] < 0]
    return page(
        "go.html", title=title, contest=contest, opponent=predictions.opponent, total=len(margins), lost=len(worst),
        columns=COLUMNS[: contest.size], stars=_stars(contest.size),
        tallies=[_tally(name, predictions.margins[:, i]) for i, name in enumerate(COLOURS)] + [_tally("both", margins)],
        boards=[_board(predictions.games[i], float(margins[i])) for i in worst[:SHOWN]],
    )  # fmt: skip


def _tally(name: str, margins: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What the agent came to with a colour, percentages with the Wilson interval of wins."""
    won, drawn, total = int((margins > 0).sum()), int((margins == 0).sum()), len(margins.ravel())
    return {
        "name": name, "won": won, "drawn": drawn, "lost": total - won - drawn, "score": 100 * (won + drawn / 2) / total,
        "share": 100 * won / total, "interval": [100 * bound for bound in wilson(won, total)],
    }  # fmt: skip


def _board(played: GameRecord, margin: float) -> dict[str, Any]:
    """The final position: a path of dots for each colour, and the numbers of the opening's stones and of the last."""
    assert played.komi is not None
    game = Game(played.size, played.komi)
    for move in played.moves:
        game.play(move)
    last = max((i for i, move in enumerate(game.moves) if move != game.passing), default=0)
    return {
        "name": f"{played.name}{SUFFIX}", "colour": opening_and_colour(played.name)[1], "margin": margin,
        "moves": len(game.moves), "black": _dots(game, BLACK), "white": _dots(game, WHITE),
        "marks": [_mark(game, number) for number in dict.fromkeys((0, 1, last))],
    }  # fmt: skip


def _dots(game: Game, colour: int) -> str:
    points = np.flatnonzero(game.board == colour).tolist()
    return "".join(f"M{point % game.size} {point // game.size}h0" for point in points)


def _mark(game: Game, number: int) -> dict[str, Any]:
    """A number where its move was made, in a colour that can be read there, and another where its stone is gone."""
    row, column = divmod(game.moves[number], game.size)
    stone, made = int(game.board[game.moves[number]]), WHITE if number % 2 else BLACK
    on = {BLACK: "on-black", WHITE: "on-white"}[made] if stone == made else "gone" if stone == 0 else "replaced"
    return {"text": number + 1, "x": column, "y": row, "on": on}


def _stars(size: int) -> str:
    """The points that boards have marked, as dots."""
    edge = 3 if size > 12 else 2
    lines = sorted({edge, size // 2, size - 1 - edge}) if size % 2 and size >= 9 else []
    return "".join(f"M{column} {row}h0" for row in lines for column in lines)
