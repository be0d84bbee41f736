"""The worst drives as one self-contained page: who crashed, beside whom, and how returns are spread."""

from typing import Any

import numpy as np

from datamodules.sheets.page import page
from results.scoring.driving import LONGEST, DriverEpisodes, Predictions
from results.statistics import wilson

SHOWN = 25
BINS = 30


def sheet(title: str, root: None, split: str, predictions: Predictions) -> str:
    """HTML of the episodes in which the agent returned the least, and of what both drivers came to.

    Args:
        title: of the page.
        root: of the data; there are none.
        split: the environment.
        predictions: the episodes.
    """
    agent, idm = predictions.agent, predictions.idm
    edges = np.histogram_bin_edges(np.concatenate([agent.returns, idm.returns]), BINS)
    worst = np.argsort(agent.returns, kind="stable")[:SHOWN]
    return page(
        "driving.html", title=title, environment=split, total=len(predictions.seeds), longest=LONGEST[split],
        drivers=[_driver("agent", agent, edges), _driver("IDM", idm, edges)], least=edges[0], most=edges[-1],
        alone=int((agent.crashed & ~idm.crashed).sum()), better=int((agent.returns > idm.returns).sum()),
        episodes=[(int(i), predictions.seeds[i], _episode(agent, i), _episode(idm, i)) for i in worst],
    )  # fmt: skip


def _driver(name: str, drives: DriverEpisodes, edges: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What a driver came to, percentages with their Wilson interval."""
    crashes, total = int(drives.crashed.sum()), len(drives.crashed)
    counts, _ = np.histogram(drives.returns, edges)
    return {
        "name": name, "crashes": crashes, "share": 100 * crashes / total,
        "interval": [100 * bound for bound in wilson(crashes, total)], "mean": drives.returns.mean(),
        "length": drives.lengths.mean(), "bars": (counts / counts.max()).tolist(),
    }  # fmt: skip


def _episode(drives: DriverEpisodes, i: int) -> dict[str, Any]:
    crashed = bool(drives.crashed[i])
    return {"return": float(drives.returns[i]), "steps": int(drives.lengths[i]), "crashed": crashed}
