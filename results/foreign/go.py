"""Games of Go judged by OpenSpiel's rules: each is replayed there, and its returns say who has won.

Where a position comes again, OpenSpiel ends a game as a draw; ours forbid that move, so no game here has one.
"""

from pathlib import Path

from benchmarks.errors import UserError
from results.scoring import sgf

TOOL = "open-spiel"


def score(path: Path, root: str | None, split: str) -> dict[str, float]:
    """Percentages of points from the games in a folder, or in `games` in it, whose files our own reader reads.

    Raises:
        UserError: OpenSpiel does not allow a move, or ends a game elsewhere.
    """
    games = path / "games" if (path / "games").is_dir() else path
    points: dict[str, list[float]] = {"black": [], "white": []}
    for file in sorted(games.glob("[0-9]*.sgf")):
        colour = file.stem.rpartition("-")[2]
        black, white = _returns(file)
        points[colour].append(((black if colour == "black" else white) + 1) / 2)
    if not any(points.values()):
        raise FileNotFoundError(games / "000-black.sgf")
    parts = {f"score/{colour}": 100 * sum(each) / len(each) for colour, each in points.items()}
    both = [*points["black"], *points["white"]]
    return {"score": 100 * sum(both) / len(both)} | parts


def _returns(file: Path) -> tuple[float, float]:
    """The returns of Black and White: 1 has won, -1 has lost, 0 is a draw."""
    import pyspiel

    game = sgf.read(file)
    if game.komi is None:
        raise UserError(f"{file} has no komi (KM)")
    options = {"board_size": game.size, "komi": game.komi, "max_game_length": 4 * game.size * game.size}
    state = pyspiel.load_game("go", options).new_initial_state()
    for number, move in enumerate(game.moves):
        action = _action(move, game.size)
        if state.is_terminal() or action not in state.legal_actions():
            raise UserError(f"{file}: OpenSpiel does not allow move {number + 1}")
        state.apply_action(action)
    if not state.is_terminal():
        raise UserError(f"{file}: by OpenSpiel the game is not over")
    black, white = state.returns()
    return float(black), float(white)


def _action(move: int, size: int) -> int:
    """OpenSpiel's number of a move, whose rows count from below; ours count from the top, and size x size is a pass."""
    if move == size * size:
        return move
    row, column = divmod(move, size)
    return (size - 1 - row) * size + column
