"""Whole drives, by an agent and by others on the same roads: the simulator's own driver, and those who cannot drive.

What the others do follows from the roads alone, and simulating it takes longer than training does. So it is done once a
machine and kept below `data/drives/`, in a folder whose name follows from all that it depends on.
"""

import csv
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import environment
from benchmarks.files import make_once, sha256, write_atomically
from benchmarks.paths import ROOT
from benchmarks.schema import short_hash
from datamodules.environments import highway
from datamodules.environments.episodes import Episodes, Played, Policy, play
from datamodules.environments.highway import ACTIONS, FASTER, IDLE, SLOWER, Scene
from datamodules.environments.motorway import Motorway
from results.scoring.rows import csv_of

IDM = "idm"

BATCH = 50
"""Episodes that are driven side by side: what a policy says may differ in its last digits with their number."""
COLUMNS = ("seed", "return", "length", "crashed")


def always(action: int) -> Callable[[], Policy]:
    """The driver who knows one action."""
    return lambda: lambda observations: np.full(len(observations), action)


def at_random() -> Policy:
    """The driver who takes any action, the same at every call of this function."""
    generator = np.random.default_rng(0)
    return lambda observations: generator.integers(len(ACTIONS), size=len(observations))


TRIVIAL: dict[str, Callable[[], Policy]] = {
    "random": at_random, "always_idle": always(IDLE), "always_slower": always(SLOWER), "always_faster": always(FASTER),
}  # fmt: skip


class Drives(Episodes):
    """Episodes for an agent to drive, and for the yardstick.

    Args:
        scene: what is driven and seen.
        seeds: of the resets.
        workers: processes beside this one that simulate.
        first: number of the first episode.
    """

    def __init__(self, scene: Scene, seeds: list[int], workers: int, first: int = 0) -> None:
        self.scene, self.seeds, self.workers, self.first = scene, seeds, workers, first

    @property
    def environments(self) -> Motorway:  # type: ignore[override]  # new ones, which end with who asked for them
        """A road for each episode."""
        return Motorway(self.scene, len(self.seeds), self.workers, again=False)

    def predictions(self, played: Played) -> list[dict[str, Any]]:
        """An agent's episodes beside the yardstick's, as `results/scoring/driving.py` writes them."""
        idm = driven_by(IDM, self)
        rows = zip(self.seeds, _results(played), _results(idm), strict=True)
        return [{"seed": seed, "agent": agent, IDM: yardstick} for seed, agent, yardstick in rows]


def in_batches(scene: Scene, seeds: list[int], workers: int) -> list[Drives]:
    """Episodes with these seeds in batches, which are the same whatever comes after them."""
    starts = range(0, len(seeds), BATCH)
    return [Drives(scene, seeds[start : start + BATCH], workers, start) for start in starts]


def _results(played: Played) -> list[dict[str, Any]]:
    rows = zip(played.returns.tolist(), played.lengths.tolist(), played.terminated.tolist(), strict=True)
    return [{"return": total, "length": length, "crashed": crashed} for total, length, crashed in rows]


def driven_by(driver: str, drives: Drives) -> Played:
    """The episodes by one of `TRIVIAL`, or by `IDM`: simulated, or as this machine has simulated them before.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    folder = ROOT / "data" / "drives" / f"{driver}-{_key(drives)}"
    make_once(folder, lambda draft: _write(draft / "episodes.csv", _drive(driver, drives)))
    return _read(folder / "episodes.csv")


def _drive(driver: str, drives: Drives) -> Played:
    if driver == IDM:
        return play(Drives(replace(drives.scene, driver="idm"), drives.seeds, drives.workers), always(IDLE)())
    return play(drives, TRIVIAL[driver]())


def _key(drives: Drives) -> str:
    """All that these episodes depend on; what is observed is not, as nobody looks."""
    known = asdict(replace(drives.scene, vehicles=0, see_behind=False))
    return short_hash([known, drives.seeds, _simulator()])


@cache
def _simulator() -> list[str]:
    """Versions of what simulates, our part of it, and the processor, whose arithmetic may round in its own way."""
    packages = [f"{name} {version(name)}" for name in ("highway-env", "gymnasium", "numpy", "pandas")]
    return [*packages, sha256(Path(highway.__file__)), sha256(Path(__file__)), environment.cpu()]


def _write(path: Path, played: Played) -> None:
    columns = (played.returns.tolist(), played.lengths.tolist(), played.terminated.astype(int).tolist())
    write_atomically(path, csv_of([COLUMNS, *zip(played.seeds, *columns, strict=True)]).encode())


def _read(path: Path) -> Played:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return Played(
        [int(row["seed"]) for row in rows], np.array([float(row["return"]) for row in rows]),
        np.array([int(row["length"]) for row in rows]), np.array([row["crashed"] == "1" for row in rows]),
    )  # fmt: skip
