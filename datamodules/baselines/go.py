"""What a player scores that only knows not to fill its own eyes, in the same games against the same opponent."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arrays import Bools
from benchmarks.files import make_once, sha256, write_atomically
from benchmarks.paths import ROOT
from benchmarks.schema import short_hash
from datamodules.environments import gnugo, matches
from datamodules.environments.matches import Matches, matches_of, play_matches
from results.scoring.contest import Contest
from results.scoring.go_game import Game
from results.scoring.go_rules import neighbours

BESIDE = 32  # games side by side


def baselines(split: str, examples: int) -> dict[str, list[dict[str, Any]]]:
    """Name -> games of the contest `split`, the same for every run; what was played here before is not played again.

    Raises:
        UserError: GNU Go is not installed, or the disk is full.
        Failure: GNU Go ended, hung or made an illegal move.
    """
    batches = matches_of(Contest.named(split), examples, BESIDE)
    return {"random_moves": [game for batch in batches for game in _played(batch)]}


def _played(batch: Matches) -> list[dict[str, Any]]:
    """A batch's games, played once per machine; in minutes, as GNU Go thinks longest where moves make no sense."""
    sources = [sha256(Path(path)) for path in (__file__, gnugo.__file__, matches.__file__)]
    key = short_hash([repr(batch.contest), batch.ids, gnugo.known(), sources])
    path = ROOT / "data" / "games" / f"random_moves-{key}" / "games.json"
    make_once(path.parent, lambda draft: _play(batch, draft / path.name))
    played: list[dict[str, Any]] = json.loads(path.read_bytes())
    return played


def _play(batch: Matches, path: Path) -> None:
    write_atomically(path, json.dumps(play_matches(batch, lambda games: [*map(at_random, games)])).encode())


def at_random(game: Game) -> int:
    """A legal move that fills no eye of its own, each as likely; it passes where there is none.

    What is drawn follows from the game so far, so it is the same whatever is played beside it.
    """
    moves = np.flatnonzero(game.legal()[:-1] & ~eyes(game))
    generator = np.random.Generator(np.random.PCG64([7, *game.moves]))
    return int(generator.choice(moves)) if len(moves) else game.passing


def eyes(game: Game) -> Bools:
    """Empty points [n] beside which stand only stones of who is to move."""
    beside = neighbours(game.size)
    own = (beside < 0) | (game.board[beside] == game.colour)
    found: Bools = (game.board == 0) & own.all(axis=1)
    return found
