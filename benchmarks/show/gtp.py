"""A player over GTP 2, the Go Text Protocol, as Sabaki, GoGui and engines speak it: www.lysator.liu.se/~gunnar/gtp.

A session keeps the whole game, so that superko and `undo` are as the rules have them. Nothing but GTP is written.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable
from typing import TextIO

from benchmarks.errors import Failure
from results.scoring.go_game import COLUMNS, Game
from results.scoring.go_rules import BLACK, WHITE
from results.scoring.rows import whole_number
from results.scoring.sgf import result_of

VERSION = "1"
LARGEST_INT = 2**31 - 1  # of the protocol
STONES = {BLACK: "X", WHITE: "O", 0: "."}
_VERTEX = re.compile(r"pass|[a-hj-z]\d{1,2}", re.ASCII | re.IGNORECASE)
_COLOURS = {"b": BLACK, "black": BLACK, "w": WHITE, "white": WHITE}


def serve(
    choose: Callable[[list[Game]], list[int]], name: str, size: int, komi: float, lines: Iterable[str], out: TextIO
) -> None:
    """Answers commands until `quit`, or until there are no more.

    Args:
        choose: a move in each of some games.
        name: of the player.
        size: of the only board that it knows.
        komi: until another is given.
        lines: the commands.
        out: where the answers go.
    """
    session = Session(choose, name, size, komi)
    for line in lines:
        words = _words(line)
        if not words:
            continue
        number, (command, *arguments) = _numbered(words)
        mark, answer = session.answer(command, arguments)
        out.write(f"{mark}{number} {answer}".rstrip() + "\n\n")
        out.flush()
        if command == "quit":
            return


def _words(line: str) -> list[str]:
    """The words of a line without its comment; a tab counts as a blank, other control characters as nothing (GTP 2)."""
    plain = "".join(each for each in line.replace("\t", " ") if each.isprintable())
    return plain.partition("#")[0].split()


def _numbered(words: list[str]) -> tuple[str, list[str]]:
    """The command's number, if it has one, and the command."""
    first, *rest = words
    return (first, rest or [""]) if first.isascii() and first.isdigit() else ("", words)


class Refused(ValueError):
    """A command that fails; the message is the answer."""


class Session:
    """A game, and the commands on it: the methods `do_<command>`.

    Args:
        choose: a move in each of some games.
        name: of the player.
        size: of the board.
        komi: points that White is given.
    """

    def __init__(self, choose: Callable[[list[Game]], list[int]], name: str, size: int, komi: float) -> None:
        self.choose, self.name, self.game = choose, name, Game(size, komi)
        # How many moves of the game each `play` and `genmove` made: its own, and maybe a pass before it.
        self.counts: list[int] = []
        self._passed = 0

    def answer(self, command: str, arguments: list[str]) -> tuple[str, str]:
        """The mark of an answer, `=` or `?`, and its text.

        Raises:
            Failure: the player chose an illegal move.
        """
        if command not in self.commands():
            return "?", "unknown command"
        method = getattr(self, f"do_{command}")
        try:
            inspect.signature(method).bind(*arguments)
        except TypeError:
            return "?", "syntax error"
        try:
            return "=", method(*arguments) or ""
        except Refused as refusal:
            return "?", str(refusal)

    @classmethod
    def commands(cls) -> list[str]:
        """The names of all commands."""
        return sorted(name.removeprefix("do_") for name in dir(cls) if name.startswith("do_"))

    def do_protocol_version(self) -> str:
        """The version of GTP."""
        return "2"

    def do_name(self) -> str:
        """The name of the player."""
        return self.name

    def do_version(self) -> str:
        """The version of this program."""
        return VERSION

    def do_known_command(self, command: str) -> str:
        """Whether there is such a command: `true` or `false`."""
        return "true" if command in self.commands() else "false"

    def do_list_commands(self) -> str:
        """All commands, a line each."""
        return "\n".join(self.commands())

    def do_quit(self) -> None:
        """Does nothing; `serve` ends after it."""

    def do_boardsize(self, size: str) -> None:
        """Begins a game on the one board that the player knows."""
        if _whole(size) != self.game.size:
            raise Refused("unacceptable size")
        self.do_clear_board()

    def do_clear_board(self) -> None:
        """Begins a new game."""
        self.game, self.counts = Game(self.game.size, self.game.komi), []

    def do_komi(self, komi: str) -> None:
        """Sets the komi, whatever has been played."""
        try:
            points = float(komi)
        except ValueError:
            points = math.nan
        if not math.isfinite(points):
            raise Refused("syntax error")
        self.game.komi = points

    def do_play(self, colour: str, vertex: str) -> None:
        """Makes somebody's move, also twice in a row, as the protocol allows."""
        side = _colour(colour)
        if not _VERTEX.fullmatch(vertex):
            raise Refused("syntax error")
        self._turn(side)
        try:
            self.game.play(self.game.move(vertex))
        except ValueError:
            self._undo(self._passed)
            raise Refused("illegal move") from None
        self.counts.append(1 + self._passed)

    def do_genmove(self, colour: str) -> str:
        """Makes the player's move; where the game is over, a pass."""
        side = _colour(colour)
        self._turn(side)
        move = self.game.passing if self.game.over else int(self.choose([self.game])[0])
        if not self.game.allows(move):
            where = f"after {len(self.game.moves)} moves: {' '.join(map(self.game.vertex, self.game.moves))}"
            raise Failure(f"the player chose {self.game.vertex(move)}, which is illegal, {where}", {})
        self.game.play(move)
        self.counts.append(1 + self._passed)
        return self.game.vertex(move)

    def do_undo(self) -> None:
        """Takes the last move back."""
        if not self.counts:
            raise Refused("cannot undo")
        self._undo(self.counts.pop())

    def do_showboard(self) -> str:
        """The board as people read it: X is black, O is white."""
        size = self.game.size
        letters = "   " + " ".join(COLUMNS[:size])
        rows = [
            f"{size - row:2} {' '.join(STONES[int(stone)] for stone in stones)} {size - row}"
            for row, stones in enumerate(self.game.board.reshape(size, size))
        ]
        return "\n".join(["", letters, *rows, letters])

    def do_final_score(self) -> str:
        """Who has won as the board stands, every stone on it alive."""
        return result_of(self.game.margin())

    def _turn(self, side: int) -> None:
        """Lets the other pass where it is not the side's turn."""
        self._passed = int(self.game.colour != side)
        if self._passed:
            self.game.play(self.game.passing)

    def _undo(self, count: int) -> None:
        moves = self.game.moves[: len(self.game.moves) - count]
        self.game = Game(self.game.size, self.game.komi)
        for move in moves:
            self.game.play(move)


def _whole(text: str) -> int:
    try:
        return whole_number("size", text, 0, LARGEST_INT)
    except ValueError:
        raise Refused("syntax error") from None


def _colour(text: str) -> int:
    if text.lower() not in _COLOURS:
        raise Refused("syntax error")
    return _COLOURS[text.lower()]
