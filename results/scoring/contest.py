"""A contest over a board: its size and komi, GNU Go's level, and the games it is made of. No numba here.

Each opening, Black's and White's first stone, is played twice, once with each colour in the agent's hands. So a game's
id, such as `007-white`, says everything of how it begins: the opening's number and the agent's colour.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from benchmarks.errors import UserError
from results.scoring.sgf import GameRecord

AGENT = "agent"  # its name in files of games
RULES = "area scoring, positional superko, no suicide, all stones on the board alive"
COLOURS = ("black", "white")  # of the agent, in the order of an opening's two games

_NAME = re.compile(r"(?P<size>\d{1,2})x(?P=size)-komi(?P<komi>-?\d{1,3}(\.\d+)?)-level(?P<level>\d{1,2})", re.ASCII)
_ID = re.compile(r"(?P<opening>\d{3,})-(?P<colour>black|white)", re.ASCII)


@dataclass(frozen=True)
class Contest:
    """Games on a board of `size` x `size` against GNU Go's `level`; White is given `komi` points."""

    size: int
    komi: float
    level: int

    @classmethod
    def named(cls, split: str) -> Contest:
        """The contest that a name such as `7x7-komi9-level10` means.

        Raises:
            UserError: it means none.
        """
        found = _NAME.fullmatch(split)
        contest = None if found is None else cls(int(found["size"]), float(found["komi"]), int(found["level"]))
        if contest is None or not (2 <= contest.size <= 19 and 1 <= contest.level <= 10):
            raise UserError(
                f"{split!r} names no contest; a name is such as 7x7-komi9-level10, with a board of 2x2 to 19x19 and a "
                "level of 1 to 10"
            )
        return contest

    def openings(self, count: int) -> tuple[tuple[int, int], ...]:
        """Different openings at random, points row by row from the top; more of them begin with the same.

        Raises:
            UserError: the board has not so many.
        """
        known = _shuffled(self.size)
        if count > len(known):
            raise UserError(f"a board of {self.size}x{self.size} has {len(known)} openings, {count} are asked for")
        return known[:count]

    def game(self, name: str, moves: Sequence[int], engine: str, result: str) -> GameRecord:
        """One of its games as a file holds it: `name` is its id, `engine` such as `GNU Go 3.8`."""
        players = (AGENT, f"{engine} level {self.level}")
        black, white = players if opening_and_colour(name)[1] == "black" else players[::-1]
        event = f"{self.size}x{self.size}, komi {self.komi:g}, level {self.level}"
        return GameRecord(self.size, self.komi, tuple(moves), black, white, result, name, event, RULES)


def ids(examples: int, opening: int = 0) -> tuple[str, ...]:
    """The ids of a test's games: `000-black`, `000-white`, `001-black` and so on, or from another opening on.

    Raises:
        UserError: the number is odd, so that an opening would lack one of its games.
    """
    if examples % 2:
        raise UserError(
            f"{examples} games are asked for; an opening is two, one with each colour, so ask for an even number"
        )
    return tuple(f"{number:03}-{colour}" for number in range(opening, opening + examples // 2) for colour in COLOURS)


def opening_and_colour(name: str) -> tuple[int, str]:
    """The opening's number and the agent's colour that an id says.

    Raises:
        ValueError: it is no id.
    """
    found = _ID.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is no id of a game, such as 007-white")
    return int(found["opening"]), found["colour"]


@cache
def _shuffled(size: int) -> tuple[tuple[int, int], ...]:
    """All openings in the order of their SHA-256, which no library's generator can change."""
    points = range(size * size)
    pairs = [(black, white) for black in points for white in points if black != white]
    return tuple(sorted(pairs, key=lambda pair: sha256(f"{size} {pair[0]} {pair[1]}".encode()).digest()))
