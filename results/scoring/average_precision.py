"""COCO's average precision: detections are matched once, then any weighting of the images is scored from the matches.

Matching and accumulation follow cocodataset/cocoapi:PythonAPI/pycocotools/cocoeval.py (evaluateImg, accumulate) to the
last digit. A weight counts an image as so many copies of it; a bootstrap therefore needs no second matching.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.arrays import Bools, Floats, Integers

if TYPE_CHECKING:
    from results.scoring.matching import Matched


THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Intersection over union from which a detection may be a match."""

RECALLS = np.linspace(0.0, 1.0, 101)

AREAS = np.array([[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]], dtype=np.float64)
"""All, small, medium and large objects, in square pixels."""

MOST_DETECTIONS = 100
"""An image and category; the rest, the least confident, is not looked at."""


@dataclass(frozen=True, eq=False)
class Objects:
    """Boxes on images: annotations or detections. `image` and `category` are positions, not the file's ids.

    `image` [n], `category` [n], `boxes` [n, 4] as x, y, width, height in pixels; `areas` [n] in square pixels;
    `crowd` [n] of annotations, `scores` [n] of detections, else zeros.
    """

    image: Integers
    category: Integers
    boxes: Floats
    areas: Floats
    crowd: Bools
    scores: Floats

    def taken(self, order: Integers) -> Objects:
        """The objects at these positions, in this order."""
        return Objects(*(getattr(self, name)[order] for name in self.__dataclass_fields__))

    def keys(self, num_images: int) -> Integers:
        """A number for each (category, image), ascending in that order, [n]."""
        return self.category * num_images + self.image

    def starts(self, num_images: int, num_categories: int) -> Integers:
        """Where each (category, image) begins among objects in that order, [categories * images + 1]."""
        return np.searchsorted(self.keys(num_images), np.arange(num_categories * num_images + 1))

    def inside(self) -> Bools:
        """Whether the size of each is in each area, [areas, n]."""
        return (self.areas >= AREAS[:, :1]) & (self.areas <= AREAS[:, 1:])


def match(objects: Objects, detections: Objects, num_images: int, num_categories: int) -> Matched:
    """Matches detections with annotated objects, image by image, the most confident first.

    Among equal scores the order of the arrays decides, as pycocotools' merge sort leaves it.
    """
    # numba, which only those who score detections should wait for; a run has it before it trains, by COCO's sheet
    from results.scoring import matching

    found = objects.taken(np.lexsort((objects.image, objects.category)))
    place = np.lexsort((-detections.scores, detections.image, detections.category))
    seen = detections.taken(place)
    rank = np.arange(len(seen.image)) - seen.starts(num_images, num_categories)[seen.keys(num_images)]
    kept = np.flatnonzero(rank < MOST_DETECTIONS)
    place, seen, rank = place[kept], seen.taken(kept), rank[kept]
    flags = matching.match(
        found.boxes, found.areas, found.crowd, found.starts(num_images, num_categories),
        seen.boxes, seen.areas, seen.starts(num_images, num_categories), AREAS, THRESHOLDS,
    )  # fmt: skip
    order = np.lexsort((-seen.scores, seen.category))  # stable: images in ascending order among equal scores
    place, seen, rank = place[order], seen.taken(order), rank[order]
    inside, categories = seen.inside(), np.arange(num_categories + 1)
    starts = np.searchsorted(seen.category, categories)
    return matching.Matched(
        place, seen.image, rank, inside, starts, found.image, found.inside() & ~found.crowd,
        np.searchsorted(found.category, categories), *matching.events(flags, order, inside, starts),
    )  # fmt: skip


def precisions(matches: Matched, weights: Floats) -> tuple[Floats, Floats]:
    """Average precision and recall of every category, area and threshold; NaN where there is no object.

    Args:
        matches: of detections and objects.
        weights: how many copies of each image there are, [images].

    Returns:
        Average precision [categories, areas, thresholds], and recall [categories, areas + 2, thresholds], the last two
        of which are those of the 1 and the 10 most confident detections an image, over all areas.
    """
    from results.scoring import matching

    tables: tuple[Floats, Floats] = matching.accumulate(matches, weights, len(THRESHOLDS), RECALLS)
    return tables


def weighted_precisions(matches: Matched, weightings: Iterable[Floats]) -> list[tuple[Floats, Floats]]:
    """`precisions` for each of many weightings, on all cores."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return list(threads.map(partial(precisions, matches), weightings))
