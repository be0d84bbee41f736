"""The means of either driver, and what lies between them, by Python's `statistics`."""

import csv
from pathlib import Path
from statistics import fmean

from results.scoring.rows import locate

TOOL = None

COLUMNS = {"crash": ("crashed", 100.0), "return": ("return", 1.0), "length": ("length", 1.0)}


def score(path: Path, root: str | None, split: str) -> dict[str, float]:
    """Means over all episodes in `episodes.csv`: of the agent, of IDM, and of what the agent is above it."""
    with locate(path, "episodes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = {
        f"{driver}_{metric}": scale * fmean(float(row[column]) for row in rows if row["driver"] == driver)
        for driver in ("agent", "idm")
        for metric, (column, scale) in COLUMNS.items()
    }
    above = {f"{metric}_above_idm": found[f"agent_{metric}"] - found[f"idm_{metric}"] for metric in ("crash", "return")}
    return above | {name.removeprefix("agent_"): value for name, value in found.items()}
