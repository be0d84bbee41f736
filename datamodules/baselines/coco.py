"""What a trivial detector makes of COCO: in every image the mean box of each category, as confident as it is common."""

import numpy as np

from benchmarks.arrays import Floats
from datamodules.layouts.coco import TRAIN, open_split
from results.scoring.detection import Truth

Rows = list[list[float]]


def baselines(root: str, split: str) -> dict[str, list[Rows]]:
    """Name -> detections in every image of `split` in its order, fitted on the training annotations."""
    train, test = open_split(root, TRAIN).truth, open_split(root, split).truth
    means = _means(train)
    return {"mean_box": [_in_image(means, size) for size in test.sizes.tolist()]}


def _means(train: Truth) -> list[tuple[int, Floats, float]]:
    """(category id, mean box as a share of its image's size, share of all objects) of each category that has any."""
    objects = train.objects
    shares = objects.boxes / np.tile(train.sizes[objects.image], 2)
    present = ((category, objects.category == position) for position, category in enumerate(train.categories))
    return [(category, shares[here].mean(axis=0), float(here.mean())) for category, here in present if here.any()]


def _in_image(means: list[tuple[int, Floats, float]], size: list[int]) -> Rows:
    """(category id, x, y, width, height, score) of each category, in an image of that width and height."""
    sides = np.tile(size, 2)
    return [[category, *(box * sides).tolist(), share] for category, box, share in means]
