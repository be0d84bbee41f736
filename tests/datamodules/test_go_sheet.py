"""The sheet of lost games: boards, table, size."""

import re

import numpy as np
import pytest

from datamodules.baselines.go import at_random
from datamodules.sheets.go import sheet
from results.scoring import go
from results.scoring.go_game import Game
from results.scoring.sgf import GameRecord


def predictions(split, openings, full=False):
    """Games of two that play at random, or at once pass."""
    truth, games, margins = go.truth(split, 2 * openings), [], []
    contest = truth.contest
    for name in truth.ids:
        game = Game(contest.size, contest.komi)
        for move in contest.openings(int(name[:3]) + 1)[-1]:
            game.play(move)
        while not game.over:
            game.play(at_random(game) if full else game.passing)
        games.append(contest.game(name, game.moves, "GNU Go 3.8", ""))
        margins.append(game.margin())
    black = np.array(margins).reshape(-1, 2) * [1, -1]
    return go.Predictions(tuple(games), black, f"GNU Go 3.8 level {contest.level}", len(games), len(games))


def test_who_won_and_how_the_boards_stood():
    page = sheet("a <title>", None, "5x5-komi24-level1", predictions("5x5-komi24-level1", 3))
    assert "<h1>a &lt;title&gt;</h1>" in page
    assert "5x5, komi 24, against GNU Go 3.8 level 1:\n  6 games, 3 of them lost" in page
    rows = [re.sub(r"<[^>]+>|\s+", " ", row).split() for row in re.findall(r"<tr><td>.*?</tr>", page, re.DOTALL)]
    assert [row[:4] for row in rows] == [["black", "0", "0", "3"], ["white", "3", "0", "0"], ["both", "3", "0", "3"]]
    assert rows[2][4:] == ["50.0", "%", "50.0", "%", "(18.8", "to", "81.2)"]  # Wilson's of 3 in 6
    assert page.count("<figure>") == 3
    assert "<code>000-black.sgf</code><br>black lost by 24, 4 moves" in page
    assert page.count("on-black") == 1 + 3, "the style, and the first stone of each"


def test_no_game_was_lost():
    won = predictions("5x5-komi24-level1", 2)
    won = go.Predictions(won.games, np.abs(won.margins), won.opponent, 4, 4)
    page = sheet("t", None, "5x5-komi24-level1", won)
    assert "No game was lost." in page
    assert "<figure>" not in page


def test_stones_that_are_gone_are_told_apart():
    """Black's first stone in the corner is taken by White's second, and White plays there."""
    moves = [0, 1, 24, 5, 25, 0, 25, 25]
    played = GameRecord(5, 24.0, tuple(moves), "agent", "GNU Go 3.8 level 1", "", "000-black")
    lost = go.Predictions((played,), np.array([[-1.0, 1.0]]), "GNU Go 3.8 level 1", 2, 2)
    page = sheet("t", None, "5x5-komi24-level1", lost)
    assert '<text class="replaced" x="0" y="0">1</text>' in page
    assert '<text class="on-white" x="1" y="0">2</text>' in page
    assert '<text class="on-white" x="0" y="0">6</text>' in page


@pytest.mark.parametrize("split", ["2x2-komi1-level1", "19x19-komi7.5-level10"])
def test_it_stays_small(split):
    few = predictions(split, 3, full=True)
    many = go.Predictions(few.games * 17, np.tile(-np.abs(few.margins) - 0.5, (17, 1)), few.opponent, 102, 102)
    page = sheet("t", None, split, many)
    assert page.count("<figure>") == 30
    assert len(page.encode()) < 300_000
