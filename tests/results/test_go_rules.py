"""Go's rules: equal to OpenSpiel's in random games, ko, superko and suicide by hand, scores as GNU Go counts them."""

import random

import numpy as np
import pyspiel
import pytest

from datamodules.baselines.go import at_random
from datamodules.environments.gnugo import GnuGo
from results.scoring.go_game import COLOURS, Game
from results.scoring.go_rules import BLACK, WHITE, find_groups, key_after, keys, neighbours, put
from tests.datamodules.gnugo import final_score, needs_gnugo


def position(text, komi=0.0, colour=BLACK):
    """A game that stands as drawn: X black, O white; its past is that position alone."""
    rows = text.split()
    game = Game(len(rows), komi)
    game.board[:] = ["OX".find(stone) * 2 - 1 if stone != "." else 0 for stone in "".join(rows)]
    key = 0
    for point in np.flatnonzero(game.board):
        key ^= int(keys(game.size)[point, 0 if game.board[point] == BLACK else 1])
    game.colour, game.past = colour, [key]
    return game


def drawn(game):
    return "\n".join("".join(".XO"[stone] for stone in row) for row in game.board.reshape(game.size, game.size))


def legal(game):
    return {game.vertex(move) for move in np.flatnonzero(game.legal())}


def play(game, vertices):
    for vertex in vertices.split():
        game.play(game.move(vertex))


@pytest.mark.parametrize(
    ("size", "games", "longest"), [(2, 60, 40), (3, 40, 80), (5, 15, 150), (7, 6, 200), (9, 3, 250)]
)
def test_random_games_have_openspiels_moves(size, games, longest):
    """Where ours forbid more, the move repeats a position, which ends a game as a draw there."""
    spiel = pyspiel.load_game("go", {"board_size": size, "komi": 0.5, "max_game_length": 10_000})
    for seed in range(games):
        generator, state, game, repeating = random.Random(seed), spiel.new_initial_state(), Game(size, 0.5), 0
        for _ in range(longest):
            theirs = {state.action_to_string(action).split()[1].upper(): action for action in state.legal_actions()}
            mine = {vertex.upper() for vertex in legal(game)}
            assert mine <= theirs.keys()
            for vertex in theirs.keys() - mine:
                child = state.child(theirs[vertex])
                assert child.is_terminal()
                assert child.returns() == [0, 0]
                repeating += 1
            vertex = generator.choice(sorted(mine - {"PASS"}) or ["PASS"])
            state.apply_action(theirs[vertex])
            game.play(game.move(vertex))
            if state.is_terminal():
                break
        assert repeating or size > 3 or seed, "small boards meet superko at once"


def test_a_key_foretold_is_that_of_the_position_a_move_makes():
    """Also where a captured group touches the stone on two sides, and so would be counted twice."""
    game = position("""
        OOX
        O.X
        XX.
    """)
    beside, table = neighbours(game.size), keys(game.size)
    labels, liberties, sums = np.empty(9, np.int16), np.empty(9, np.int16), np.empty(9, np.uint64)
    find_groups(game.board, beside, labels, liberties, sums, table)
    before = np.uint64(game.past[-1])
    foretold, allowed = key_after(game.board, beside, labels, liberties, sums, table, before, 4, BLACK)
    assert allowed
    assert foretold == put(game.board, beside, table, before, 4, BLACK)
    assert drawn(game) == "..X\n.XX\nXX."


def test_scores_are_openspiels():
    for size in (3, 5, 7):
        spiel = pyspiel.load_game("go", {"board_size": size, "komi": 0.5, "max_game_length": 4 * size * size})
        for seed in range(40):
            generator, state, game = random.Random(seed), spiel.new_initial_state(), Game(size, 0.5)
            while not game.over:
                moves = sorted(legal(game))
                vertex = "PASS" if generator.random() < 0.15 else generator.choice(moves).upper()
                game.play(game.move(vertex))
                state.apply_action(
                    state.string_to_action(
                        f"{'WB'[len(game.moves) % 2]} {vertex if vertex == 'PASS' else vertex.lower()}"
                    )
                )
            assert state.is_terminal()
            assert np.sign(game.margin()) == state.returns()[0]


KO = """
    .XO..
    XO.O.
    .XO..
    .....
    .....
"""


def test_a_ko_may_not_be_taken_back_at_once():
    game = position(KO)
    play(game, "C4")  # takes B4
    assert drawn(game).split()[1] == "X.XO."
    assert "B4" not in legal(game)
    with pytest.raises(ValueError, match="move 2, white B4, is illegal"):
        play(game, "B4")
    play(game, "E1 D1")
    assert "B4" in legal(game), "with two more stones it is another position"
    play(game, "B4")
    assert drawn(game).split()[1] == "XO.O."
    assert "C4" not in legal(game)


def test_a_pass_does_not_lift_a_ko():
    game = position(KO)
    play(game, "C4 pass pass")
    assert "B4" not in legal(game), "the same stones, whoever is to move"


def test_two_are_sent_and_one_returns():
    """No ko in the simple sense: Black has taken two stones, and White would take one. But the position was there."""
    game = position(
        """
        .O.O
        XXOO
        .XXO
        ....
        """,
        colour=WHITE,
    )
    play(game, "A4 C4")  # which takes A4 and B4
    assert drawn(game).split()[0] == "..XO"
    assert "B4" not in legal(game)
    play(game, "D1 A1")
    assert "B4" in legal(game)


def test_two_kos_make_a_cycle():
    """What would repeat the first position is not the ko that was taken last."""
    game = position("""
        .XO....
        XO.O...
        .XO....
        .......
        .XO....
        X.XO...
        .XO....
    """)
    play(game, "C6 B2 pass B6")
    assert "C2" not in legal(game)
    play(game, "G7 G6")
    assert "C2" in legal(game)


def test_suicide_is_forbidden_to_stones_and_groups():
    game = position(
        """
        .X...
        X....
        .....
        .....
        .....
        """,
        colour=WHITE,
    )
    assert "A5" not in legal(game)
    game = position(
        """
        .OX..
        OOX..
        XX...
        .....
        .....
        """,
        colour=WHITE,
    )
    assert "A5" not in legal(game), "four would have no liberty"
    game.colour = BLACK
    play(game, "A5")
    assert drawn(game).split()[:2] == ["X.X..", "..X.."], "taking three gives one stone its liberties"


def test_what_takes_is_no_suicide():
    game = position(
        """
        .XO..
        XO...
        O....
        .....
        .....
        """,
        colour=WHITE,
    )
    play(game, "A5")
    assert drawn(game).split()[:2] == ["O.O..", ".O..."]


def test_a_snapback():
    """Black takes the stone that was thrown in, and is left with its point as the only liberty."""
    game = position(
        """
        OX..O
        OXXXO
        OOOOO
        .....
        .....
        """,
        colour=WHITE,
    )
    play(game, "C5 D5")
    assert drawn(game).split()[0] == "OX.XO"
    play(game, "C5")
    assert drawn(game).split()[:2] == ["O.O.O", "O...O"]


def test_a_neutral_line_is_nobodys():
    game = position(
        """
        .X.O.
        .X.O.
        .X.O.
        .X.O.
        .X.O.
        """,
        komi=1.5,
    )
    assert game.owners().reshape(5, 5).tolist() == [[1, 1, 0, -1, -1]] * 5
    assert game.margin() == -1.5, "ten points each, and komi"


def test_a_seki():
    """Two groups of four share two liberties, which are nobody's; the stones count, and the eyes of the others."""
    game = position("""
        OO.XX
        OO.XX
        XXXOO
        X.XO.
        .XXO.
    """)
    assert game.owners().reshape(5, 5).tolist() == [
        [-1, -1, 0, 1, 1], [-1, -1, 0, 1, 1], [1, 1, 1, -1, -1], [1, 1, 1, -1, -1], [1, 1, 1, -1, -1],
    ]  # fmt: skip
    assert game.margin() == 13 - 10


def test_an_empty_board_is_nobodys():
    assert Game(3, 2.5).margin() == -2.5
    game = Game(3, 2.5)
    play(game, "B2")
    assert game.margin() == 6.5, "all nine are black's"


ENDLESS = {(5, 181)}
"""Where GNU Go never ends to look for dead stones: two kos that superko forbids to take. A match never asks it to."""


@needs_gnugo
@pytest.mark.parametrize(("size", "games", "least"), [(5, 250, 200), (7, 120, 100)])
def test_scores_are_gnugos(size, games, least):
    """Of random games, where it holds no stone for dead: those it would take off, and ours leave them to be taken."""
    compared = 0
    with GnuGo(size, 3.5, 1, 0) as engine:
        for seed in range(games):
            if (size, seed) in ENDLESS:
                continue
            game = Game(size, 3.5)
            engine.ask("clear_board")
            for move in np.random.default_rng(seed).permutation(size * size)[: 2 + seed % 5]:
                if game.legal()[move]:
                    make(engine, game, int(move))
            while not game.over:
                make(engine, game, at_random(game))
            if not engine.ask("final_status_list dead"):
                assert final_score(engine) == game.margin(), drawn(game)
                compared += 1
    assert compared >= least


def make(engine, game, move):
    engine.play(COLOURS[game.colour], game.vertex(move))
    game.play(move)
