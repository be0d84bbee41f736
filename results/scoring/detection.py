"""COCO's box metrics from `results.json`: `image_id, category_id, bbox [x, y, width, height], score` a detection.

Ids are those of the annotation file. The names are those of every task (the package lists them); a metric of
one category is called by its name, as `AP/person`. Values equal those of pycocotools, whose maximum of 100 detections
an image and category, ignored crowds and areas hold here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Floats, Integers
from benchmarks.files import write_atomically
from results.scoring.average_precision import Objects, match, precisions, weighted_precisions
from results.scoring.coco_results import MANY, outside, read_results
from results.scoring.doubts import silent
from results.scoring.rows import locate
from results.statistics import draws

if TYPE_CHECKING:
    from results.scoring.matching import Matched

METRICS: dict[str, str] = dict.fromkeys(
    ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl", "AP_voc20"), "%"
)

SHARED = True

FILE_NAME = "results.json"

VOC = (1, 2, 3, 4, 5, 6, 7, 9, 16, 17, 18, 19, 20, 21, 44, 62, 63, 64, 67, 72)
"""COCO's ids of VOC's 20 classes (pytorch/vision:references/segmentation/coco_utils.py)."""

RESAMPLES = 1000
WEAK = 0.2  # a score, far above the least that detectors write
HOPELESS = 2.0  # % AP50, far below that of any trained detector


@dataclass(frozen=True, eq=False)
class Truth:
    """Annotated images: ids ascending, sizes [n, 2] (width, height), categories by ascending id, and their objects."""

    ids: tuple[int, ...]
    sizes: Integers
    categories: tuple[int, ...]
    names: tuple[str, ...]
    objects: Objects


@dataclass(frozen=True, eq=False)
class Predictions:
    """Detections in the order of the file, and what matching them with the objects left.

    `scored` and `unique` count images: one without detections is scored too.
    """

    detections: Objects
    matches: Matched
    scored: int
    unique: int


def write(folder: Path, predictions: Sequence[Sequence[Sequence[float]]], truth: Truth) -> list[Path]:
    """Write `results.json` into an existing folder, whole or not at all.

    Args:
        folder: where the file goes; one that is there is replaced.
        predictions: in truth order, an image each: its detections as (category id, x, y, width, height, score).
        truth: the images.

    Raises:
        ValueError: an image too many or too few, or a number that is not finite.
        UserError: the disk is full, or the folder may not be written to.
    """
    rows = [
        {"image_id": image, "category_id": int(category), "bbox": box, "score": score}
        for image, detections in zip(truth.ids, predictions, strict=True)
        for category, *box, score in detections
    ]
    if not np.isfinite([number for image in predictions for row in image for number in row]).all():
        raise ValueError("a box or a score is not finite")
    write_atomically(folder / FILE_NAME, msgspec.json.encode(rows))
    return [folder / FILE_NAME]


def files(path: Path) -> list[Path]:
    """The file of results itself, or the one in the folder."""
    return [locate(path, FILE_NAME)]


def read(path: Path, truth: Truth) -> Predictions:
    """Read `results.json` (the file, or the folder that holds it) and match its detections with the objects.

    Raises:
        UserError: the file is missing or malformed, or contradicts the truth; the message names file and detection.
    """
    detections = read_results(locate(path, FILE_NAME), truth.ids, truth.categories, truth.sizes)
    return matched(detections, truth)


def matched(detections: Objects, truth: Truth) -> Predictions:
    """Detections of all images, matched with the objects on them."""
    count = len(truth.ids)
    return Predictions(detections, match(truth.objects, detections, count, len(truth.categories)), count, count)


def score(predictions: Predictions, truth: Truth) -> dict[str, float]:
    """Return every metric in percent that has an object to be about, of all categories and of each."""
    values = _metrics(*precisions(predictions.matches, np.ones(len(truth.ids))), truth)
    return {name: value for name, value in values.items() if not np.isnan(value)}


def standard_errors(predictions: Predictions, truth: Truth, metrics: Iterable[str]) -> dict[str, float]:
    """Return the standard error of each metric, by a bootstrap over images.

    A resample without an object of a category leaves that category out, as the metric itself does.
    """
    tables = weighted_precisions(
        predictions.matches, (drawn.astype(np.float64) for drawn in draws(len(truth.ids), RESAMPLES))
    )
    replicates = [_metrics(precision, recall, truth) for precision, recall in tables]
    return {metric: float(np.nanstd([values[metric] for values in replicates], ddof=1)) for metric in metrics}


def notes(predictions: Predictions, truth: Truth) -> Iterator[str]:
    """Many images without detections, detections that stand twice, weak ones left out, and boxes that hit nothing."""
    found, count = predictions.detections, len(truth.ids)
    yield from silent(count - len(np.unique(found.image)), count, "images have no detections")
    rows = np.column_stack([found.image, found.category, found.boxes, found.scores])
    if again := len(rows) - len(np.unique(rows, axis=0)):
        yield f"{again:,} of {len(rows):,} detections stand twice, with the same box and score"
    if len(rows) >= MANY and WEAK <= found.scores.min() <= found.scores.max() <= 1:
        yield (
            f"no score is below {found.scores.min():.2g}: weaker detections seem to be left out, which AP counts too. "
            "Write all of 0.05 or more."
        )
    if len(rows) >= MANY and score(predictions, truth).get("AP50", HOPELESS) < HOPELESS:
        share = outside(found.boxes, truth.sizes[found.image])
        yield (
            f"hardly a box hits its object (AP50 is below {HOPELESS:g} %; {100 * share:.0f} % of boxes leave their "
            "images): if a trained detector found them, they are not [x, y, width, height] in pixels of the original "
            "image, or categories or images are mixed up."
        )


def _metrics(precision: Floats, recall: Floats, truth: Truth) -> dict[str, float]:
    """Metrics in percent, from what `precisions` returns."""
    everything = precision[:, 0]
    voc = [category in VOC for category in truth.categories]
    parts: Mapping[str, Floats] = {
        "AP": everything, "AP50": everything[:, 0], "AP75": everything[:, 5],
        "APs": precision[:, 1], "APm": precision[:, 2], "APl": precision[:, 3],
        "AR1": recall[:, 4], "AR10": recall[:, 5], "AR100": recall[:, 0],
        "ARs": recall[:, 1], "ARm": recall[:, 2], "ARl": recall[:, 3], "AP_voc20": everything[voc],
    } | {f"AP/{name}": everything[position] for position, name in enumerate(truth.names)}  # fmt: skip
    return {name: 100 * _mean(part) for name, part in parts.items()}


def _mean(values: NDArray[Any]) -> float:
    """Mean of what is there; NaN where nothing is."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else float("nan")
