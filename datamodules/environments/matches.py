"""Whole games against GNU Go, many side by side: an agent answers in all of them at once, GNU Go in threads.

A game's beginning and GNU Go's seed follow from its id alone, so every run and every batch meets the same opponent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from benchmarks.errors import Failure
from datamodules.environments.gnugo import EngineError, GnuGo, known
from datamodules.progress import bar
from results.scoring.contest import COLOURS as OF_THE_AGENT
from results.scoring.contest import Contest, ids, opening_and_colour
from results.scoring.go_game import COLOURS, Game
from results.scoring.go_rules import BLACK, WHITE
from results.scoring.sgf import written

Choose = Callable[[list[Game]], list[int]]
"""A move for each of several games."""


class Matches:
    """Games to be played side by side. No dataclass: Lightning copies those on their way to a device.

    Args:
        contest: what is played.
        ids: of the games.
        first: the place of the first of them in the whole test.
    """

    def __init__(self, contest: Contest, ids: list[str], first: int) -> None:
        self.contest, self.ids, self.first = contest, ids, first


def matches_of(contest: Contest, examples: int, batch: int, opening: int = 0) -> list[Matches]:
    """A whole test from an opening on, cut into batches of at most `batch` games."""
    names = ids(examples, opening)
    return [Matches(contest, [*names[first : first + batch]], first) for first in range(0, examples, batch)]


def play_matches(matches: Matches, choose: Choose) -> list[dict[str, Any]]:
    """Plays every game to its end.

    Args:
        matches: the games.
        choose: the agent's moves in some of them, where it is to move.

    Returns:
        A prediction a game, as `results/scoring/go.py` writes them.

    Raises:
        UserError: GNU Go is not installed.
        Failure: a side made an illegal move, or GNU Go ended or hung; the message names the game.
    """
    engine = known()
    # However this ends, GNU Go's processes go first, so that no thread waits for one; then the threads, then the pipes.
    with ExitStack() as closing, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads, ExitStack() as killing:
        shown = closing.enter_context(bar(len(matches.ids), "playing GNU Go", "game"))
        tables = []
        for name in matches.ids:
            tables.append(closing.enter_context(_Table(matches.contest, name, engine)))
            killing.callback(tables[-1].engine.kill)
        while running := [table for table in tables if not table.game.over]:
            waiting = [table for table in running if table.agent_moves]
            if waiting:
                _answer(waiting, choose([table.game for table in waiting]))
            list(threads.map(_Table.reply, [table for table in running if not table.agent_moves]))
            shown.update(sum(table.game.over for table in running))
    return [{"moves": table.game.moves, "engine": engine} for table in tables]


def _answer(waiting: Sequence[_Table], moves: Sequence[int]) -> None:
    for table, move in zip(waiting, moves, strict=True):
        table.take(int(move))


class _Table:
    """One game with GNU Go on its other side; a context, at whose end GNU Go's process ends.

    Args:
        contest: what is played.
        name: the game's id.
        known: GNU Go's name and version.
    """

    def __init__(self, contest: Contest, name: str, known: str) -> None:
        self.contest, self.name, self.known, self.game = contest, name, known, Game(contest.size, contest.komi)
        opening, colour = opening_and_colour(name)
        self.agent = BLACK if colour == "black" else WHITE
        seed = 1 + 2 * opening + OF_THE_AGENT.index(colour)
        try:
            self.engine = GnuGo(contest.size, contest.komi, contest.level, seed)
        except EngineError as error:
            raise self._failure(str(error)) from None
        try:
            for move in contest.openings(opening + 1)[opening]:
                self.take(move)
        except Failure:
            self.engine.close()
            raise

    @property
    def agent_moves(self) -> bool:
        """Whether the agent is to move."""
        return self.game.colour == self.agent and not self.game.over

    def take(self, move: int) -> None:
        """Makes the agent's move."""
        if not self.game.allows(move):
            raise self._failure(f"the agent's {self.game.vertex(move)} is illegal")
        self._tell(move)
        self.game.play(move)

    def reply(self) -> None:
        """Makes GNU Go's move, unless the game is over."""
        if self.game.over:
            return
        try:
            vertex = self.engine.genmove(COLOURS[self.game.colour])
        except EngineError as error:
            raise self._failure(str(error)) from None
        try:
            self.game.play(self.game.move(vertex))
        except ValueError:
            raise self._failure(f"GNU Go's {vertex} is illegal") from None

    def _tell(self, move: int) -> None:
        try:
            self.engine.play(COLOURS[self.game.colour], self.game.vertex(move))
        except EngineError as error:
            raise self._failure(str(error)) from None

    def _failure(self, what: str) -> Failure:
        """A failure of this game, with its moves so far in SGF, which is kept beside the checkpoints of a run."""
        number, colour = len(self.game.moves) + 1, COLOURS[self.game.colour]
        text = written(self.contest.game(self.name, self.game.moves, self.known, "Void"))
        return Failure(f"game {self.name}, move {number} ({colour}): {what}. It counts for nobody", {"sgf": text})

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *raised: object) -> None:
        self.engine.close()
