"""COCO's shapes, made up: noise of the commonest size, upright or wide, with a few boxes on it."""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from benchmarks.arrays import Integers
from datamodules.coco import CocoData
from datamodules.example_data import Examples
from datamodules.resizing import Resizing
from datamodules.sampling import Key
from datamodules.synthetic.unread import Unread
from results.scoring.average_precision import Objects
from results.scoring.detection import Truth

USABLE = 117_266  # of train2017's images, those with an object that is trained on
UPRIGHT = 4  # one in so many
SIDES = (640, 480)
CATEGORIES, OBJECTS = 80, 7  # in all, and on an image: 860,001 objects on 118,287 images


class Noise(Dataset[dict[str, Any]]):
    """(epoch, position) -> image uint8 [3, H, W], boxes float32 [n, 4] as corners, labels [n]."""

    def __init__(self, wide: Integers, resizing: Resizing) -> None:
        self.wide, self.resizing = wide, resizing
        self.picture = torch.randint(256, (3, *SIDES), dtype=torch.uint8)

    def __getitem__(self, key: Key) -> dict[str, Any]:
        generator = np.random.default_rng(key)
        picture = self.picture.mT if self.wide[key[1]] else self.picture
        height, width = picture.shape[-2:]
        corners = np.sort(generator.uniform(size=(OBJECTS, 2, 2)), axis=1) * (width, height)
        boxes = torch.from_numpy(corners.reshape(OBJECTS, 4)).float()
        image, boxes = self.resizing(picture, boxes, generator)
        labels = torch.from_numpy(generator.integers(CATEGORIES, size=OBJECTS))
        there = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
        return {"image": image, "boxes": boxes[there], "labels": labels[there], "index": key[1]}


class SyntheticData(Unread, CocoData):
    """Pictures of noise, resized as the recipe has it."""

    @property
    def truth(self) -> Truth:
        """The truth of no images, with all categories."""
        none = np.empty(0, np.int64)
        objects = Objects(none, none, np.empty((0, 4)), np.empty(0), np.empty(0, np.bool_), np.empty(0))
        categories = tuple(range(1, CATEGORIES + 1))
        return Truth((), np.empty((0, 2), np.int64), categories, tuple(map(str, categories)), objects)

    @cached_property
    def training_groups(self) -> Integers:
        """Whether each image is wider than high, 1 or 0."""
        return np.asarray(np.arange(USABLE) % UPRIGHT > 0, np.int64)

    def training_images(self) -> Examples:
        """Pictures of noise with boxes."""
        return Noise(self.training_groups, self.resizing)
