"""One game of Go, move by move, for matches, files of games and programs that play over GTP."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Bools
from results.scoring.go_rules import BLACK, WHITE, find_groups, find_legal, find_owners, keys, neighbours, put

COLUMNS = "ABCDEFGHJKLMNOPQRST"  # as GTP names them: without I
COLOURS = {BLACK: "black", WHITE: "white"}


class Game:
    """A game from an empty board; Black begins.

    Args:
        size: of the board, 2 to 19.
        komi: points that White is given.
    """

    def __init__(self, size: int, komi: float) -> None:
        self.size, self.komi = size, komi
        self.board: NDArray[np.int8] = np.zeros(size * size, np.int8)
        self.moves: list[int] = []
        self.colour = BLACK  # who is to move
        self.past: list[int] = [0]  # the keys of all positions so far

    @property
    def passing(self) -> int:
        """The move that puts no stone."""
        return self.size * self.size

    @property
    def longest(self) -> int:
        """Moves after which a match ends as it stands."""
        return 4 * self.size * self.size

    @property
    def over(self) -> bool:
        """Whether both have passed in turn, or the game has lasted the longest."""
        return self.moves[-2:] == [self.passing] * 2 or len(self.moves) >= self.longest

    def legal(self) -> Bools:
        """Which moves [n + 1] the rules allow who is to move; to pass always."""
        n, beside, table = self.passing, neighbours(self.size), keys(self.size)
        labels, liberties, sums = np.empty(n, np.int16), np.empty(n, np.int16), np.empty(n, np.uint64)
        found = np.empty(n + 1, np.bool_)
        past = np.array(self.past, np.uint64)
        find_groups(self.board, beside, labels, liberties, sums, table)
        find_legal(self.board, beside, labels, liberties, sums, table, past[-1], self.colour, past, found)
        return found

    def allows(self, move: int) -> bool:
        """Whether the number is a move that the rules allow to who is to move."""
        return 0 <= move <= self.passing and bool(self.legal()[move])

    def play(self, move: int) -> None:
        """Makes a move for who is to move.

        Raises:
            ValueError: the rules forbid it.
        """
        if not self.allows(move):
            raise ValueError(f"move {len(self.moves) + 1}, {COLOURS[self.colour]} {self.vertex(move)}, is illegal")
        key = np.uint64(self.past[-1])
        if move != self.passing:
            key = put(self.board, neighbours(self.size), keys(self.size), key, move, self.colour)
        self.past.append(int(key))
        self.moves.append(move)
        self.colour = -self.colour

    def owners(self) -> NDArray[np.int8]:
        """Who owns each point [n] as the board stands."""
        owners = np.empty_like(self.board)
        find_owners(self.board, neighbours(self.size), owners)
        return owners

    def margin(self) -> float:
        """Black's points less White's and komi, as the board stands: every stone on it counts as alive."""
        return float(self.owners().sum()) - self.komi

    def vertex(self, move: int) -> str:
        """A move as GTP names it: `A1` is the lower left corner."""
        if not 0 <= move < self.passing:
            return "pass" if move == self.passing else "off the board"
        row, column = divmod(move, self.size)
        return f"{COLUMNS[column]}{self.size - row}"

    def move(self, vertex: str) -> int:
        """The move of GTP's name, in either case.

        Raises:
            ValueError: there is no such point.
        """
        text = vertex.upper()
        if text == "PASS":
            return self.passing
        column, row = COLUMNS.find(text[:1]), text[1:]
        if text and 0 <= column < self.size and row.isascii() and row.isdigit() and 1 <= int(row) <= self.size:
            return (self.size - int(row)) * self.size + column
        raise ValueError(f"{vertex!r} is no point of a board of {self.size}x{self.size}")
