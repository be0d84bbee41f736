"""The worst episodes of a robot as one self-contained page: how far it got, and whether it fell."""

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape

from results.scoring.control import LONGEST, Predictions

SHOWN = 20
BINS = 25


def sheet(title: str, root: None, split: str, predictions: Predictions) -> str:
    """HTML of the episodes with the least return, and of how all returns are spread.

    Args:
        title: of the page.
        root: of the data; there are none.
        split: the environment.
        predictions: the episodes.
    """
    counts, edges = np.histogram(predictions.returns, BINS)
    worst = np.argsort(predictions.returns, kind="stable")[:SHOWN]
    templates = Environment(loader=PackageLoader("datamodules", "sheets"), autoescape=select_autoescape())
    return templates.get_template("locomotion.html").render(
        title=title, environment=split, total=len(predictions.returns), mean=predictions.returns.mean(),
        fallen=int((predictions.lengths < LONGEST).sum()), bars=(counts / counts.max()).tolist(),
        least=edges[0], most=edges[-1],
        episodes=[
            (int(i), predictions.seeds[i], float(predictions.returns[i]), int(predictions.lengths[i])) for i in worst
        ],
        longest=LONGEST,
    )  # fmt: skip
