"""Games of Go that an agent plays against itself, side by side, and what is left of each once it is over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.arrays import Bools, Floats32, Integers
from benchmarks.jit import jit
from datamodules.environments.go_positions import PLANES, Positions, look_at_all
from results.scoring.go_rules import BLACK, WHITE, find_owners, keys, neighbours, put, stone_key, worth

OPENING = 2  # plies


class Lived(NamedTuple):
    """Every position of games that are over, T of them, a game after the other.

    `planes` [T, planes, n]: what was seen; `moves` [T] made and `policies` [T, n + 1] that they were drawn from;
    `outcomes` [T]: what the end was worth to who was to move; `owners` [T, n]: 1 where who was to move owned a point
    in the end, -1 where the other did; `ends` [T]: the last position of a game.
    """

    planes: NDArray[np.uint8]
    moves: Integers
    policies: Floats32
    outcomes: Floats32
    owners: NDArray[np.int8]
    ends: Bools


class SelfPlay:
    """N games side by side; each begins anew when it is over. No dataclass: Lightning would play on with a copy.

    A game begins with a stone of each colour at random, as the games of the test do; the agent answers for the rest.

    Args:
        games: N.
        size: of the board.
        komi: points that White is given.
        share: games that a training step waits for.
        seed: of the openings, which follow from it and a game's number alone.
    """

    def __init__(self, games: int, size: int, komi: float, share: int, seed: int) -> None:
        self.games, self.size, self.komi, self.share, self.seed = games, size, komi, share, seed
        n = size * size
        self.positions = Positions.empty(self.games, n, self.longest)
        self.seen = np.zeros((self.games, self.longest, PLANES, n), np.uint8)
        self.moves = np.zeros((self.games, self.longest), np.int64)
        self.policies = np.zeros((self.games, self.longest, n + 1), np.float32)
        self.begun, self.over = 0, 0  # games so far that have, and that are
        self._begin(range(self.games))

    @property
    def longest(self) -> int:
        """Moves after which a game ends as it stands."""
        return 2 * self.size * self.size

    def look(self) -> tuple[NDArray[np.uint8], Bools]:
        """What is seen of each game [N, planes, n], and its legal moves [N, n + 1]."""
        seen: tuple[NDArray[np.uint8], Bools] = look_at_all(self.positions, neighbours(self.size), keys(self.size))
        return seen

    def play(self, moves: Integers, policies: Floats32) -> Lived | None:
        """Makes a legal move in each game.

        Args:
            moves: [N].
            policies: [N, n + 1].

        Returns:
            The games that are over with it, if any.
        """
        rows, plies = np.arange(self.games), self.positions.plies
        self.seen[rows, plies], _ = self.look()
        self.moves[rows, plies], self.policies[rows, plies] = moves, policies
        ended = advance(self.positions, moves, neighbours(self.size), keys(self.size), self.longest)
        over = np.flatnonzero(ended)
        if not len(over):
            return None
        lived = [self._lived(int(row)) for row in over]
        self._begin(over)
        self.over += len(over)
        return Lived(*map(np.concatenate, zip(*lived, strict=True)))

    def _begin(self, rows: Iterable[int]) -> None:
        """Sets up new games in these rows."""
        at, n = self.positions, self.size * self.size
        for row in rows:
            black, white = np.random.default_rng((self.seed, self.begun)).choice(n, 2, replace=False)
            at.boards[row] = 0
            at.boards[row, [black, white]] = BLACK, WHITE
            at.past[row, 1] = stone_key(keys(self.size), black, BLACK)
            at.past[row, 2] = at.past[row, 1] ^ stone_key(keys(self.size), white, WHITE)
            at.colours[row], at.last[row], at.plies[row] = BLACK, white, OPENING
            self.begun += 1

    def _lived(self, row: int) -> Lived:
        """What the agent lived through in a game that is over."""
        plies, owners = np.arange(OPENING, self.positions.plies[row]), np.empty(self.size * self.size, np.int8)
        margin = find_owners(self.positions.boards[row], neighbours(self.size), owners) - self.komi
        mover = np.where(plies % 2, WHITE, BLACK).astype(np.int8)
        return Lived(
            self.seen[row, plies], self.moves[row, plies], self.policies[row, plies],
            (mover * worth(margin, self.size)).astype(np.float32), mover[:, None] * owners, plies == plies[-1],
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: tensors and plain values."""
        kept = [torch.from_numpy(array.copy()) for array in self._arrays]
        return {"arrays": kept, "begun": self.begun, "over": self.over}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a checkpoint, bit for bit."""
        for array, kept in zip(self._arrays, state["arrays"], strict=True):
            array[:] = kept.numpy()
        self.begun, self.over = state["begun"], state["over"]

    @property
    def _arrays(self) -> list[NDArray[Any]]:
        """All that changes; torch knows little of unsigned numbers of 64 bits."""
        at = self.positions
        keys_so_far = at.past.view(np.int64)
        return [at.boards, at.colours, at.last, keys_so_far, at.plies, self.seen, self.moves, self.policies]


@jit
def advance(positions, moves, beside, table, longest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Makes a legal move [B] in each game; returns which games are over."""
    count, n = positions.boards.shape
    over = np.empty(count, np.bool_)
    for row in range(count):
        move, ply = moves[row], positions.plies[row]
        key = positions.past[row, ply]
        if move < n:
            key = put(positions.boards[row], beside, table, key, move, positions.colours[row])
        over[row] = (move == n and positions.last[row] == n) or ply + 1 >= longest
        positions.past[row, ply + 1], positions.plies[row] = key, ply + 1
        positions.colours[row], positions.last[row] = -positions.colours[row], move
    return over
