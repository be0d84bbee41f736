"""Detections against the annotations as one self-contained page, the worst images first."""

from html import escape
from typing import NamedTuple

import numpy as np

from benchmarks.arrays import Bools, Floats, Integers
from datamodules.layouts.coco import Split, open_split
from datamodules.layouts.images import decode
from datamodules.sheets.page import fitting, page
from datamodules.sheets.thumbnails import small_address
from results.scoring.average_precision import Objects
from results.scoring.detection import Predictions
from results.scoring.matching import right

SHOWN = 24
SIDE = 240  # pixels
CONFIDENT = 0.5  # score from which a detection is drawn and held against the network
# Bytes of a picture, and of the boxes annotated on it or detected; 24 times all, and the page around, are under 300 kB.
LARGEST_PICTURE, LARGEST_BOXES = 7_000, 2_200
QUALITIES = range(75, 0, -5)
MARKUP = 40  # bytes around the text of a box


class Box(NamedTuple):
    """What the page says of a box: its outline, the class that colours it (object, right or wrong), and a text."""

    outline: str
    kind: str
    text: str


def sheet(title: str, root: str, split: str, predictions: Predictions) -> str:
    """HTML under 300 kB of the images with the most mistakes: confident detections of nothing, objects that none is of.

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
    return page(
        "coco.html", title=title, total=len(images), faulty=int((mistakes > 0).sum()), confident=CONFIDENT,
        examples=[_example(images, predictions.detections, is_right, index, int(mistakes[index])) for index in worst],
    )  # fmt: skip


def _mistakes(images: Split, detections: Objects, is_right: Bools) -> Integers:
    """How many mistakes were made in each image, [n]."""
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


def _example(images: Split, detections: Objects, is_right: Bools, index: int, mistakes: int) -> dict[str, object]:
    width, height = images.truth.sizes[index].tolist()
    annotated, detected = _annotated(images, index), _detected(images, detections, is_right, index)
    shown, drawn = (fitting(list(map(_size, boxes)), LARGEST_BOXES) for boxes in (annotated, detected))
    return {
        "id": images.truth.ids[index],
        "width": width,
        "height": height,
        "mistakes": mistakes,
        "image": small_address(decode(images.read(index), images.where(index)), SIDE, LARGEST_PICTURE, QUALITIES),
        "objects": annotated[:shown],
        "more_objects": len(annotated) - shown,
        "detections": detected[:drawn],
        "more_detections": len(detected) - drawn,
    }


def _annotated(images: Split, index: int) -> list[Box]:
    objects, names = images.truth.objects, images.truth.names
    return [
        Box(_outline(objects.boxes[g]), "object", names[objects.category[g]] + (" (crowd)" if objects.crowd[g] else ""))
        for g in np.flatnonzero(objects.image == index)
    ]


def _detected(images: Split, detections: Objects, is_right: Bools, index: int) -> list[Box]:
    """The wrong ones first, so that they are shown where there is no room for all."""
    seen = np.flatnonzero((detections.image == index) & (detections.scores >= CONFIDENT))
    boxes = []
    for d in seen[np.argsort(is_right[seen], kind="stable")]:
        text = f"{images.truth.names[detections.category[d]]} {detections.scores[d]:.2f}"
        kind, text = ("right", text) if is_right[d] else ("wrong", f"{text}, wrong")
        boxes.append(Box(_outline(detections.boxes[d]), kind, text))
    return boxes


def _outline(box: Floats) -> str:
    """A box as a path of SVG."""
    x, y, width, height = box.tolist()
    return f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}z"


def _size(box: Box) -> int:
    return len(box.outline) + len(escape(box.text).encode()) + MARKUP
