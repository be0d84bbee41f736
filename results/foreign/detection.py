"""COCO's metrics by pycocotools, the official tool, from the annotations that the detections are of."""

import contextlib
import io
import json
from pathlib import Path

from results.scoring.rows import locate

TOOL = "pycocotools"
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def score(path: Path, root: str | None, split: str) -> dict[str, float]:
    """Percentages from the detections in `results.json`; of no object's size nothing is said, nor of no detection.

    Args:
        path: of the detections, or of their folder.
        root: COCO, with its annotations.
        split: such as `val2017`.
    """
    name = f"instances_{split}.json"
    if root is None:
        raise FileNotFoundError(name)
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    file = locate(path, "results.json")
    if not json.loads(file.read_bytes()):  # of which pycocotools reads the first to see what they are
        return {}
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = COCO(str(Path(root) / "annotations" / name))
        evaluation = COCOeval(annotated, annotated.loadRes(str(file)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {metric: 100 * float(value) for metric, value in zip(NAMES, evaluation.stats, strict=True) if value >= 0}
