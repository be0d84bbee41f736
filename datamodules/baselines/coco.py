"""What a trivial detector makes of COCO: in every image the mean box of each category, as confident as it is common."""

import numpy as np

from datamodules.layouts.coco import TRAIN, open_split
from results.scoring.detection import Truth

Rows = list[list[float]]


def baselines(root: str, split: str) -> dict[str, list[Rows]]:
    """Name -> detections in every image of `split` in its order, fitted on the training annotations."""
    train, test = open_split(root, TRAIN).truth, open_split(root, split).truth
    return {"mean_box": [_in_image(train, size) for size in test.sizes.tolist()]}


def _in_image(train: Truth, size: tuple[int, int]) -> Rows:
    """(category id, x, y, width, height, score) of each category, its box as a share of the image's size."""
    objects = train.objects
    shares = objects.boxes / np.tile(train.sizes[objects.image], 2)
    rows = []
    for position, category in enumerate(train.categories):
        here = objects.category == position
        if here.any():
            box = shares[here].mean(axis=0) * np.tile(size, 2)
            rows.append([category, *box.tolist(), float(here.mean())])
    return rows
