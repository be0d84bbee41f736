"""Games of Go judged by OpenSpiel's rules: each is replayed there, and its returns say who has won.

Where a position comes again, OpenSpiel ends a game as a draw; ours forbid that move, so no game here has one.
"""

import re
from pathlib import Path

from benchmarks.errors import UserError

TOOL = "open-spiel"


def score(path: Path, root: str | None, split: str) -> dict[str, float]:
    """Percentages of points from the games in a folder, or in `games` in it, in the plain form of our `write`.

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
    """Of Black and White: 1 has won, -1 has lost, 0 is a draw."""
    import pyspiel

    text = file.read_text(encoding="utf-8")
    size, komi = int(_value("SZ", text)), float(_value("KM", text))
    options = {"board_size": size, "komi": komi, "max_game_length": 4 * size * size}
    state = pyspiel.load_game("go", options).new_initial_state()
    for number, (colour, point) in enumerate(re.findall(r";\s*([BW])\[(\w*)\]", text)):
        action = _action(point, size)
        if "BW"[number % 2] != colour or state.is_terminal() or action not in state.legal_actions():
            raise UserError(f"{file}: OpenSpiel does not allow {colour}[{point}] as move {number + 1}")
        state.apply_action(action)
    if not state.is_terminal():
        raise UserError(f"{file}: by OpenSpiel the game is not over")
    black, white = state.returns()
    return float(black), float(white)


def _value(name: str, text: str) -> str:
    found = re.search(rf"{name}\[([^\]]+)\]", text)
    if found is None:
        raise UserError(f"a game has no {name}")
    return found[1]


def _action(point: str, size: int) -> int:
    """From SGF's letters, columns from the left and rows from the top, to OpenSpiel's number: rows count from below."""
    if point in ("", "tt"):  # as older programs write it; OpenSpiel's boards have no such point either
        return size * size
    column, row = (ord(letter) - ord("a") for letter in point)
    return (size - 1 - row) * size + column
