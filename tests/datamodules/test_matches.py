"""Whole games against GNU Go: the same in every batch, and errors that name the game."""

import numpy as np
import pytest

from benchmarks.errors import Failure, UserError
from datamodules.baselines.go import at_random, baselines, eyes
from datamodules.environments.matches import Matches, matches_of, play_matches
from results.scoring import go
from results.scoring.contest import Contest, ids
from results.scoring.go_game import Game
from tests.datamodules.gnugo import fake, needs_gnugo, remove
from tests.results.test_go_rules import position

SMALL = Contest(5, 24, 1)


def several(games):
    return [at_random(game) for game in games]


def test_a_test_is_cut_into_batches():
    cut = matches_of(SMALL, 10, 4)
    assert [(each.first, len(each.ids)) for each in cut] == [(0, 4), (4, 4), (8, 2)]
    assert [name for each in cut for name in each.ids] == [*ids(10)]
    assert matches_of(SMALL, 2, 5, 500)[0].ids == ["500-black", "500-white"]


@needs_gnugo
def test_games_are_the_same_in_every_batch_and_read_again(tmp_path):
    batches = []

    def choose(games):
        batches.append(len(games))
        assert all(game.colour == (1 if len(game.moves) % 2 == 0 else -1) for game in games)
        return several(games)

    together = play_matches(matches_of(SMALL, 8, 8)[0], choose)
    assert max(batches) == 8
    apart = [game for each in matches_of(SMALL, 8, 3) for game in play_matches(each, several)]
    assert together == apart
    truth = go.truth("5x5-komi24-level1", 8)
    go.write(tmp_path, together, truth)
    read = go.read(tmp_path, truth)
    assert read.opponent == "GNU Go 3.8 level 1"
    for name, game, played in zip(truth.ids, together, read.games, strict=True):
        assert played.moves == tuple(game["moves"])
        assert tuple(game["moves"][:2]) == SMALL.openings(4)[int(name[:3])]
        assert (played.black == "agent") == name.endswith("black")


@needs_gnugo
def test_a_game_may_last_the_longest():
    """On 2x2 an agent that never passes where it can move, against one that does."""
    (game, other) = play_matches(Matches(Contest(2, 0, 1), ["000-black", "000-white"], 0), several)
    assert all(len(each["moves"]) <= 16 for each in (game, other))


@needs_gnugo
def test_the_agents_illegal_move_names_the_game():
    with pytest.raises(Failure, match=r"game 001-black, move 3 \(black\): the agent's .* is illegal") as caught:
        play_matches(matches_of(SMALL, 4, 4)[0], lambda games: [several(games)[0], games[1].moves[0]])
    assert "GN[001-black]" in caught.value.state["sgf"]
    assert "RE[Void]" in caught.value.state["sgf"]
    with pytest.raises(Failure, match="the agent's off the board is illegal"):
        play_matches(matches_of(SMALL, 2, 2)[0], lambda games: [-1] * len(games))


@pytest.mark.parametrize(
    ("genmove", "words"),
    [
        ("print('= C9\\n'); sys.stdout.flush(); continue", "GNU Go's C9 is illegal"),
        ("print('= resign\\n'); sys.stdout.flush(); continue", "GNU Go's resign is illegal"),
        ("sys.exit('broken')", r"GNU Go ended with 1 \(broken\), after `genmove white`"),
    ],
)
def test_gnu_gos_failures_name_the_game(tmp_path, monkeypatch, genmove, words):
    fake(tmp_path, monkeypatch, genmove)
    with pytest.raises(Failure, match=rf"game 003-black, move 4 \(white\): {words}") as caught:
        play_matches(Matches(SMALL, ["003-black"], 6), several)
    assert caught.value.state["sgf"].count(";") == 1 + 3, "the game so far"


def test_one_hangs(tmp_path, monkeypatch):
    from datamodules.environments import gnugo

    fake(tmp_path, monkeypatch, "time.sleep(60)")
    monkeypatch.setattr(gnugo, "LIMIT", 1.0)
    with pytest.raises(Failure, match=r"game 000-.*GNU Go did not answer `genmove .*` within 1 s"):
        play_matches(matches_of(SMALL, 4, 4)[0], several)


def test_no_gnu_go(tmp_path, monkeypatch):
    remove(monkeypatch, tmp_path)
    with pytest.raises(UserError, match="apt install gnugo"):
        play_matches(matches_of(SMALL, 2, 2)[0], several)


@needs_gnugo
def test_the_baseline():
    played = baselines("5x5-komi24-level1", 6)
    assert [*played] == ["random_moves"]
    assert played == baselines("5x5-komi24-level1", 6)


def test_a_player_at_random_fills_no_eye():
    game = position(
        """
        .X.X
        XXXX
        .XOO
        OOO.
        """
    )
    assert np.flatnonzero(eyes(game)).tolist() == [0, 2]
    assert at_random(game) == 8, "the one move that is no eye: D1 would be suicide"
    game.play(8)
    game.colour = 1
    assert at_random(game) == 15, "which now takes all of white's"
    assert len({at_random(each) for each in started()}) > 5


def started():
    for move in range(25):
        game = Game(5, 0)
        game.play(move)
        yield game
