"""A file's game played over again by the rules: is it the one that its name means, and what did it come to?"""

from __future__ import annotations

from collections.abc import Sequence

from results.scoring.contest import Contest, opening_and_colour
from results.scoring.rows import shown
from results.scoring.sgf import GameRecord, agrees, result_of


def replayed(contest: Contest, moves: Sequence[int]) -> float:
    """Black's margin at the end.

    Raises:
        ValueError: a move is illegal, or the game does not end with the last one.
    """
    from results.scoring.go_game import Game  # numba takes its time, and tables need no game

    game = Game(contest.size, contest.komi)
    for number, move in enumerate(moves, 1):
        if game.over:
            raise ValueError(f"move {number} comes after the end, which is two passes or {game.longest} moves")
        game.play(move)
    if not game.over:
        raise ValueError(f"it ends after {len(moves)} moves, without two passes and before the longest, {game.longest}")
    return game.margin()


def margin_of(game: GameRecord, name: str, contest: Contest) -> float:
    """Black's margin by a replay.

    Raises:
        ValueError: the file is not the game that its name means.
    """
    if (game.size, game.komi) != (contest.size, contest.komi):
        raise ValueError(
            f"size {game.size} and komi {game.komi}, expected {contest.size} and {contest.komi:g} (SZ and KM)"
        )
    opening, _ = opening_and_colour(name)
    if game.moves[:2] != contest.openings(opening + 1)[opening]:
        raise ValueError(f"it does not begin with opening {opening}, as its name says")
    margin = replayed(contest, game.moves)
    if not agrees(game.result, margin):
        raise ValueError(f"RE is {shown(game.result)}, but the moves make it {result_of(margin)}")
    return margin


def opponent_of(game: GameRecord, name: str, contest: Contest) -> str:
    """The name of the player that is not the agent.

    Raises:
        ValueError: it is not GNU Go at the contest's level.
    """
    agent_is_black = opening_and_colour(name)[1] == "black"
    key, opponent = ("PW", game.white) if agent_is_black else ("PB", game.black)
    engine, _, level = opponent.partition(" level ")
    if not engine.startswith("GNU Go ") or not level:
        raise ValueError(f"{key} is {shown(opponent)}, expected an opponent such as 'GNU Go 3.8 level {contest.level}'")
    if level != str(contest.level):
        raise ValueError(f"{key} is {shown(opponent)}, expected level {contest.level}")
    return opponent
