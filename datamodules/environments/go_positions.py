"""Many positions of Go at once, as arrays, and what a network sees of them; compiled by numba."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Integers
from benchmarks.jit import jit
from results.scoring.go_game import Game
from results.scoring.go_rules import find_groups, find_legal

PLANES, LEGAL = 10, 5
"""What a network sees, [planes, n] of 0 and 1: stones of who is to move and of the other; groups with one, two and more
liberties; legal points (plane `LEGAL`); the last move; and all ones where Black is to move, where the last move was a
pass, and everywhere, so that a convolution tells the edge."""


class Positions(NamedTuple):
    """B games where they stand.

    `boards` [B, n]; `colours` [B] of who is to move; `last` [B]: the last move, n for a pass, -1 for none; `past`
    [B, m]: the keys of all positions so far, of which the first `plies + 1` count; `plies` [B]: moves so far.
    """

    boards: NDArray[np.int8]
    colours: NDArray[np.int8]
    last: NDArray[np.int16]
    past: NDArray[np.uint64]
    plies: Integers

    @staticmethod
    def empty(count: int, points: int, longest: int) -> Positions:
        """Games that begin, of at most so many moves."""
        return Positions(
            np.zeros((count, points), np.int8), np.ones(count, np.int8), np.full(count, -1, np.int16),
            np.zeros((count, longest + 1), np.uint64), np.zeros(count, np.int64),
        )  # fmt: skip

    @staticmethod
    def of(games: Sequence[Game]) -> Positions:
        """Games as they stand, all of one size."""
        found = Positions.empty(len(games), games[0].passing, games[0].longest)
        for row, game in enumerate(games):
            found.boards[row], found.colours[row] = game.board, game.colour
            found.last[row] = game.moves[-1] if game.moves else -1
            found.past[row, : len(game.past)] = game.past
            found.plies[row] = len(game.moves)
        return found


@jit
def look(board, beside, table, key, colour, last, past, planes, legal):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Fills what a network sees [planes, n] and which moves are legal [n + 1]."""
    n = len(board)
    labels, liberties, sums = np.empty(n, np.int16), np.empty(n, np.int16), np.empty(n, np.uint64)
    find_groups(board, beside, labels, liberties, sums, table)
    find_legal(board, beside, labels, liberties, sums, table, key, colour, past, legal)
    planes[:] = 0
    planes[7], planes[8], planes[9] = colour == 1, last == n, 1
    for point in range(n):
        planes[LEGAL, point] = legal[point]
        if board[point] != 0:
            planes[0 if board[point] == colour else 1, point] = 1
            planes[1 + min(liberties[labels[point]], 3), point] = 1
    if 0 <= last < n:
        planes[6, last] = 1


@jit
def look_at_all(positions, beside, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """What a network sees of each position [B, planes, n], and its legal moves [B, n + 1]."""
    count, n = positions.boards.shape
    planes, legal = np.empty((count, PLANES, n), np.uint8), np.empty((count, n + 1), np.bool_)
    for row in range(count):
        past = positions.past[row, : positions.plies[row] + 1]
        look(
            positions.boards[row], beside, table, past[-1], positions.colours[row], positions.last[row], past,
            planes[row], legal[row],
        )  # fmt: skip
    return planes, legal
