"""A checkpoint as a player of Go over GTP, for Sabaki, GoGui or another engine."""

import sys
from argparse import Namespace
from contextlib import redirect_stdout

from benchmarks.errors import UserError
from benchmarks.loaded import load, revived
from benchmarks.strict import load_claim


def play(options: Namespace) -> None:
    """Answers on stdout what stdin asks, until `quit` or the end of it.

    Raises:
        UserError: there is no such checkpoint, or it plays no board game.
        Failure: the player chose an illegal move.
    """
    if load_claim(options.benchmark).task != "go":
        raise UserError(f"{options.benchmark} plays no board game; `play` is for those whose claim has the task go.")
    if not options.checkpoint:
        raise UserError(f"say which player: make play-{options.benchmark} CHECKPOINT=run.ckpt")
    out = sys.stdout
    with redirect_stdout(sys.stderr):  # there is to be nothing on stdout but answers
        loaded = load(options)
        from benchmarks.show.gtp import serve

        player, data = revived(loaded)
        name = f"{options.benchmark} {loaded.run.run_id}"
        serve(player.choose, name, data.contest.size, data.contest.komi, sys.stdin, out)
