"""The GTP server: commands and answers as the protocol has them, a game against GNU Go, and what `play` refuses."""

import io
import subprocess
import sys

import pytest

from benchmarks import cli
from benchmarks.errors import Failure
from benchmarks.show.gtp import Session, serve
from datamodules.baselines.go import at_random
from datamodules.environments.gnugo import GnuGo
from results.scoring.go_game import Game
from tests.conftest import ROOT
from tests.datamodules.gnugo import final_score, needs_gnugo

BOARD = """
   A B C D E
 5 . . . . . 5
 4 . . . . . 4
 3 . . X . . 3
 2 . . . O . 2
 1 . . . . . 1
   A B C D E"""


def choose(games):
    return [at_random(game) for game in games]


def ask(*lines, choose=choose):
    """The answers on a board of 5x5."""
    out = io.StringIO()
    serve(choose, "player", 5, 9.0, [f"{line}\n" for line in lines], out)
    text = out.getvalue()
    assert text == "" or text.endswith("\n\n")
    return text.split("\n\n")[:-1]


def test_who_it_is():
    answers = ask("protocol_version", "name", "version", "known_command genmove", "known_command foo", "list_commands")
    assert answers[:2] == ["= 2", "= player"]
    assert answers[3:5] == ["= true", "= false"]
    commands = answers[5].removeprefix("= ").split("\n")
    asked = "protocol_version name version known_command list_commands quit boardsize clear_board komi play genmove"
    assert {*asked.split(), "undo", "showboard", "final_score"} == set(commands)
    assert ask(*(f"known_command {name}" for name in commands)) == ["= true"] * len(commands)


def test_lines_are_read_as_the_protocol_has_them():
    lines = ["17 name", "", "   ", "# a comment", "name # of whom", "\tname\t", "na\x07me\r", "3 foo", "4", "0 quit"]
    assert ask(*lines) == [
        "=17 player", "= player", "= player", "= player", "?3 unknown command", "?4 unknown command", "=0",
    ]  # fmt: skip
    assert ask("quit", "name") == ["="]
    assert ask() == []


@pytest.mark.parametrize(
    "line",
    ["name 3", "play black", "play purple C3", "play black 33", "komi", "komi much", "komi nan",
     "boardsize big", f"boardsize {'9' * 5000}", "boardsize", "genmove", "genmove C3", "play black C3 D4",
     "known_command"],
)  # fmt: skip
def test_syntax_errors(line):
    assert ask(line) == ["? syntax error"]


def test_a_game():
    answers = ask(
        "boardsize 5", "clear_board", "komi 6.5", "play black C3", "play W d2", "play b C3", "play b F1", "play b I1",
        "showboard", "final_score", "undo", "final_score", "undo", "undo", "final_score",
    )  # fmt: skip
    assert answers == [
        "=", "=", "=", "=", "=", "? illegal move", "? illegal move", "? syntax error", f"= {BOARD}",
        "= W+6.5", "=", "= B+18.5", "=", "? cannot undo", "= W+6.5",
    ]  # fmt: skip
    assert ask("boardsize 7", "boardsize 19", "7 boardsize 5") == ["? unacceptable size"] * 2 + ["=7"]
    assert ask("komi 0", "final_score") == ["=", "= 0"]


def test_a_colour_may_move_twice():
    session = Session(choose, "player", 5, 9.0)
    assert session.answer("play", ["white", "C3"]) == ("=", "")
    assert session.answer("play", ["white", "A1"]) == ("=", "")
    assert session.answer("play", ["white", "A1"]) == ("?", "illegal move")
    assert session.game.moves == [25, 12, 25, 20]
    assert session.answer("undo", []) == ("=", "")
    assert session.game.moves == [25, 12]
    assert session.answer("clear_board", [])[0] == "="
    assert session.answer("undo", []) == ("?", "cannot undo")


def test_superko_is_known_after_undo():
    stones = ["play b B4", "play w C4", "play b A3", "play w D3", "play b B2", "play w C2", "play b E1", "play w B3"]
    answers = ask(
        *stones, "play b C3", "play w B3", "undo", "play b C3", "play w B3", "play w E5", "play b A1", "play w B3"
    )
    assert answers[8:] == ["=", "? illegal move", "=", "=", "? illegal move", "=", "=", "="]


def test_moves_of_its_own():
    seen = []

    def watched(games):
        seen.extend(games)
        return [12 if len(games[0].moves) < 2 else games[0].passing]

    assert ask("genmove black", "play white C4", "genmove b", "play w pass", "genmove b", choose=watched) == [
        "= C3", "=", "= pass", "=", "= pass",
    ]  # fmt: skip
    assert len(seen) == 2, "where both have passed there is nothing to choose"
    assert isinstance(seen[0], Game)


def test_an_illegal_choice_is_a_failure():
    with pytest.raises(Failure, match="the player chose C3, which is illegal, after 1 moves: C3"):
        ask("play b C3", "genmove w", choose=lambda games: [12])


@needs_gnugo
def test_a_game_against_gnu_go():
    """Both over GTP, the server as a process; GNU Go allows every move, and counts the same in the end."""
    script = (
        "import sys; from benchmarks.show.gtp import serve; from datamodules.baselines.go import at_random; "
        "serve(lambda games: [*map(at_random, games)], 'random', 5, 4.5, sys.stdin, sys.stdout)"
    )
    command = [sys.executable, "-c", script]
    player = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(line):
        player.stdin.write(f"{line}\n")
        player.stdin.flush()
        answer = player.stdout.readline()
        assert player.stdout.readline() == "\n"
        assert answer.startswith("=")
        return answer[1:].strip()

    with GnuGo(5, 4.5, 1, 3) as engine:
        moves = []
        while [move.lower() for move in moves[-2:]] != ["pass", "pass"] and len(moves) < 100:
            if len(moves) % 2:
                moves.append(engine.genmove("white"))
                say(f"play white {moves[-1]}")
            else:
                moves.append(say("genmove black"))
                engine.play("black", moves[-1])
        margin = final_score(engine)
        assert say("final_score") == (f"B+{margin:g}" if margin > 0 else f"W+{-margin:g}")
    say("quit")
    out, _ = player.communicate(timeout=30)
    assert (player.returncode, out) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["imagenet", "--checkpoint=x.ckpt"], "imagenet plays no board game"),
        (["go"], "make play-go CHECKPOINT=run.ckpt"),
        (["go", "--checkpoint=gone.ckpt"], "CHECKPOINT=gone.ckpt: there is no such file"),
        (["goo", "--checkpoint=gone.ckpt"], "Did you mean go?"),
    ],
)
def test_what_cannot_be_played(capsys, arguments, words):
    assert cli.main(["play", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("error: ")) == ("", 1)
    assert words in err
