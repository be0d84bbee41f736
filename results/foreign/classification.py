"""Accuracy by scikit-learn; top-5, of which it wants all classes' scores, by the label's place among the five."""

import csv
from pathlib import Path

from results.scoring.rows import locate

TOOL = "scikit-learn"


def score(path: Path, root: str | None, split: str) -> dict[str, float]:
    """Percentages from the labels and predictions in `predictions.csv`."""
    from sklearn.metrics import accuracy_score

    with locate(path, "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = [int(row["label"]) for row in rows]
    best = 100 * float(accuracy_score(labels, [int(row["pred1"]) for row in rows], normalize=False)) / len(rows)
    if "pred3" not in rows[0]:
        return {"accuracy": best}
    if "pred5" not in rows[0]:
        return {"top1": best}
    named = [
        label in [int(row[f"pred{rank}"]) for rank in range(1, 6)] for label, row in zip(labels, rows, strict=True)
    ]
    return {"top1": best, "top5": 100 * float(accuracy_score([True] * len(rows), named, normalize=False)) / len(rows)}
