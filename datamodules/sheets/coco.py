"""Detections against the annotations as one self-contained page, the worst images first."""

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from numpy.typing import NDArray

from datamodules.layouts.coco import Split, open_split
from datamodules.layouts.images import decode
from datamodules.sheets.thumbnails import data_address
from results.scoring.average_precision import Objects, right
from results.scoring.detection import Predictions

SHOWN = 24
SIDE = 240  # pixels; 24 such JPEGs stay under 300 kB
CONFIDENT = 0.5  # score from which a detection is drawn and held against the network


def sheet(title: str, root: str, split: str, predictions: Predictions) -> str:
    """HTML of the images with the most mistakes: confident detections of nothing, and objects that none is of.

    Args:
        title: of the page.
        root: of the data.
        split: that was predicted.
        predictions: matched with its objects.
    """
    images = open_split(root, split)
    is_right = np.zeros(len(predictions.detections.image), bool)
    is_right[right(predictions.matches, threshold=0)] = True
    mistakes = _mistakes(images, predictions.detections, is_right)
    worst = [index for index in np.argsort(-mistakes, kind="stable")[:SHOWN].tolist() if mistakes[index]]
    templates = Environment(loader=PackageLoader("datamodules", "sheets"), autoescape=select_autoescape())
    return templates.get_template("coco.html").render(
        title=title, total=len(images), faulty=int((mistakes > 0).sum()), confident=CONFIDENT,
        examples=[_example(images, predictions.detections, is_right, index, int(mistakes[index])) for index in worst],
    )  # fmt: skip


def _mistakes(images: Split, detections: Objects, is_right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many an image has, [n]."""
    objects, confident = images.truth.objects, detections.scores >= CONFIDENT
    wrong, found, there = (
        np.bincount(where, minlength=len(images))
        for where in (
            detections.image[confident & ~is_right],
            detections.image[confident & is_right],
            objects.image[~objects.crowd],
        )
    )
    return np.asarray(wrong + there - found, np.int64)


def _example(
    images: Split, detections: Objects, is_right: NDArray[np.bool_], index: int, mistakes: int
) -> dict[str, object]:
    objects, names = images.truth.objects, images.truth.names
    width, height = images.truth.sizes[index].tolist()
    seen = np.flatnonzero((detections.image == index) & (detections.scores >= CONFIDENT))
    annotated = np.flatnonzero(objects.image == index)
    return {
        "id": images.truth.ids[index],
        "width": width,
        "height": height,
        "mistakes": mistakes,
        "image": _thumbnail(images, index),
        "objects": [(*objects.boxes[g].tolist(), names[objects.category[g]], objects.crowd[g]) for g in annotated],
        "detections": [
            (*detections.boxes[d].tolist(), names[detections.category[d]], detections.scores[d], is_right[d])
            for d in seen
        ],
    }


def _thumbnail(images: Split, index: int) -> str:
    with images.open(index) as stream:
        return data_address(decode(stream.read(), images.where(index)), SIDE)
