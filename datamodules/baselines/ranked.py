"""Predictions of classes, as `results/scoring/classification.py` writes them."""

from typing import Any

import numpy as np

from benchmarks.arrays import Floats, Integers

Prediction = dict[str, Any]

MOST = 5  # classes of an example


def ranked(probabilities: Floats) -> list[Prediction]:
    """The likeliest classes of each row [n, classes], the best first; of two as likely the first."""
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :MOST]
    scores = np.take_along_axis(probabilities, order, axis=1)
    return [{"classes": c, "scores": s} for c, s in zip(order.tolist(), scores.tolist(), strict=True)]


def majority_class(labels: Integers, classes: int, examples: int) -> list[Prediction]:
    """What the shares of classes among training's labels say of each of so many examples."""
    shares = np.bincount(labels, minlength=classes) / len(labels)
    return ranked(np.tile(shares, (examples, 1)))
