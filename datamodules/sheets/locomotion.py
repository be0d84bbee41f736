"""The worst episodes of a robot as one self-contained page: how far it got, whether it fell, how the worst ended."""

import math
from typing import Any

import mujoco
import numpy as np

from benchmarks.arrays import Floats
from datamodules.environments.batched import BatchedMujoco
from datamodules.environments.limbs import Limb, limbs, pose, seen, torso
from datamodules.sheets.page import page
from results.scoring.control import LONGEST, Predictions
from results.scoring.film import Film

SHOWN = 20
BINS = 25

NARROWEST = 1200  # millimetres that a frame shows at least, so that there is a metre's tick in each
LETTER = 1 / 12  # height of a number below a tick, of a frame's width
ROOM = 1.2  # half of the width that such a number takes, in its heights: four digits


def sheet(title: str, root: None, split: str, predictions: Predictions) -> str:
    """HTML of the episodes with the least return, of how the worst ended, and of how all returns are spread.

    Args:
        title: of the page.
        root: of the data; there are none.
        split: the environment.
        predictions: the episodes.
    """
    counts, edges = np.histogram(predictions.returns, BINS)
    worst = np.argsort(predictions.returns, kind="stable")[:SHOWN]
    return page(
        "locomotion.html", title=title, environment=split, total=len(predictions.returns),
        mean=predictions.returns.mean(), fallen=int((predictions.lengths < LONGEST).sum()),
        bars=(counts / counts.max()).tolist(), least=edges[0], most=edges[-1],
        episodes=[
            (int(i), predictions.seeds[i], float(predictions.returns[i]), int(predictions.lengths[i])) for i in worst
        ],
        longest=LONGEST, film=predictions.film and _strip(predictions.film, split),
    )  # fmt: skip


def _strip(film: Film, environment: str) -> dict[str, Any]:
    """The frames, all of one size, in millimetres across from the torso and down from the ground."""
    model = BatchedMujoco(environment, 1).model
    data, frames = mujoco.MjData(model), []
    for seconds, positions in zip(film.seconds, film.positions, strict=True):
        pose(model, data, np.array(positions))
        lines = [_line(limb, torso(data)) for limb in limbs(model, data)]
        frames.append({"time": seconds - film.seconds[-1], "place": 1000 * torso(data)[0], "lines": lines})
    left, right, top, bottom = _window([line for frame in frames for line in frame["lines"]])
    letter = round(LETTER * (right - left))
    for frame in frames:
        frame["ticks"] = _ticks(frame["place"], left, right, letter)
    return {
        "frames": frames, "view": (left, top, right - left, bottom + 2 * letter - top), "letter": letter,
        "number": bottom + round(1.3 * letter), "far": any(line["far"] for line in frames[0]["lines"]),
    }  # fmt: skip


def _line(limb: Limb, place: Floats) -> dict[str, Any]:
    ends = (seen(limb.ends, place[1]) - [place[0], 0]) * [1000, -1000]
    across, down = np.rint(ends.T).astype(int).tolist()
    return {"x": across, "y": down, "width": round(2000 * limb.radius), "far": limb.far}


def _window(lines: list[dict[str, Any]]) -> tuple[int, int, int, int]:
    """Left, right, top and bottom of what holds all limbs, and the ground."""
    left, top = (min(place - line["width"] for line in lines for place in line[axis]) for axis in "xy")
    right, bottom = (max(place + line["width"] for line in lines for place in line[axis]) for axis in "xy")
    spare = max(0, NARROWEST - (right - left)) // 2
    return left - spare, right + spare, top, max(0, bottom)


def _ticks(place: float, left: int, right: int, letter: int) -> list[tuple[int, int, int]]:
    """Each metre in sight: its number, where its tick is, and where the number is, whole."""
    metres, room = range(math.ceil((place + left) / 1000), math.floor((place + right) / 1000) + 1), round(ROOM * letter)
    places = [(metre, round(1000 * metre - place)) for metre in metres]
    return [(metre, across, min(max(across, left + room), right - room)) for metre, across in places]
