"""A results file in COCO's format that anybody may have written: decoded strictly, and held against the annotations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import msgspec
import numpy as np

from benchmarks.arrays import Floats, Integers
from benchmarks.errors import UserError
from results.scoring.average_precision import Objects
from results.scoring.rows import read_bytes, refuse_other_forms

FORM = 'a list of {"image_id": 42, "category_id": 18, "bbox": [x, y, width, height], "score": 0.9}'
SHOWN = 3
Form = TypeVar("Form")

MANY = 20  # detections from which their coordinates as a whole say what they are


Id = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Pixels = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]


class Detection(msgspec.Struct, gc=False):
    """One entry of the file; other keys are passed over."""

    image_id: Id
    category_id: Id
    bbox: tuple[Pixels, Pixels, Pixels, Pixels]
    score: float


def read_results(file: Path, images: Sequence[int], categories: Sequence[int], sizes: Integers) -> Objects:
    """The detections of a file, in its order.

    Args:
        file: the results.
        images: ids of the annotated images, ascending.
        categories: ids of the categories, ascending.
        sizes: width and height of each image, [images, 2].

    Raises:
        UserError: no such file, not JSON, not in COCO's form, an unknown id, a negative size, or boxes that are
            plainly corners, centres or fractions.
    """
    rows = decode(file, list[Detection], FORM)
    boxes = np.array([row.bbox for row in rows], np.float64).reshape(-1, 4)
    image = _positions(file, "image_id", [row.image_id for row in rows], images)
    category = _positions(file, "category_id", [row.category_id for row in rows], categories)
    scores = np.array([row.score for row in rows], np.float64)
    _check_boxes(file, boxes, sizes[image])
    if len(wrong := np.flatnonzero(scores < 0)):
        raise UserError(f"{file}, detection {wrong[0]} (from 0): its score is {scores[wrong[0]]}; none is negative.")
    return Objects(image, category, boxes, boxes[:, 2] * boxes[:, 3], np.zeros(len(rows), bool), scores)


def decode(file: Path, form: type[Form], description: str) -> Form:
    """The content of a JSON file, as typed objects.

    Raises:
        UserError: no such file, truncated or not JSON, not a number where one is expected, or another form.
    """
    data = read_bytes(file, "give the file, or the folder with it").removeprefix(b"\xef\xbb\xbf")  # a byte order mark
    refuse_other_forms(file, data)
    try:
        return msgspec.json.decode(data, type=form)
    except msgspec.ValidationError as error:
        raise UserError(f"{file}: {error}. Expected {description}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse_json(file, data, str(error))


def _refuse_json(file: Path, data: bytes, error: str) -> NoReturn:
    if "truncated" in error:
        raise UserError(f"{file} ({len(data):,} bytes) ends in the middle. Copy or write it again.")
    if re.search(rb"[:\[,]\s*-?(NaN|Infinity)", data):
        raise UserError(
            f"{file} holds NaN or Infinity, which no number here may be (nor is it JSON). Remove their cause."
        )
    raise UserError(f"{file} is not JSON: {error}.")


def _positions(file: Path, key: str, ids: Sequence[int], known: Sequence[int]) -> Integers:
    """Where each id stands among the known ones, which ascend."""
    there, wanted = np.array(known, np.int64), np.array(ids, np.int64)
    places = np.searchsorted(there, wanted).clip(max=len(there) - 1)
    unknown = np.flatnonzero(there[places] != wanted)
    if len(unknown):
        values = ", ".join(map(str, list(dict.fromkeys(wanted[unknown].tolist()))[:SHOWN]))
        hint = (
            "Ids are those of the annotation file, with their gaps (COCO's 80 categories go up to 90)."
            if key == "category_id"
            else "The results seem to be of another split."
        )
        raise UserError(
            f"{file}: {len(unknown):,} of {len(ids):,} detections have an unknown {key}, first "
            f"{values} at detection {unknown[0]} (from 0). {hint}"
        )
    return places


def _check_boxes(file: Path, boxes: Floats, sizes: Integers) -> None:
    wrong = np.flatnonzero((boxes[:, 2:] < 0).any(axis=1))
    if len(wrong):
        raise UserError(
            f"{file}, detection {wrong[0]} (from 0): bbox is {boxes[wrong[0]].tolist()}, but width and height are "
            f"never negative ({len(wrong):,} such boxes)."
        )
    if len(boxes) >= MANY and boxes.max() > 0 and np.quantile(boxes, 0.99) <= 1.5:
        raise UserError(
            f"{file}: nearly every number of a bbox is at most 1, so they seem to be fractions. Write pixels."
        )
    if len(boxes) >= MANY and _corners(boxes, sizes):
        raise UserError(
            f"{file}: as [x, y, width, height] many boxes leave their images; they seem to be corners "
            "[x1, y1, x2, y2]. Write x, y, width and height."
        )
    if len(boxes) >= MANY and _centres(boxes, sizes):
        raise UserError(
            f"{file}: as [x, y, width, height] many boxes leave their images; they seem to begin with their centres. "
            "Write x and y of the upper left corner."
        )


def _corners(boxes: Floats, sizes: Integers) -> bool:
    """Whether boxes are x1, y1, x2, y2: nearly all in that order, and many beyond the border as they stand."""
    ordered = (boxes[:, 2:] >= boxes[:, :2]).all(axis=1)  # rare among sizes: they are seldom beyond their own corner
    return bool(ordered.mean() > 0.99) and outside(boxes, sizes) > 0.1


def _centres(boxes: Floats, sizes: Integers) -> bool:
    """Whether x and y are of the middle: many beyond the border as they stand, and few as boxes around x and y.

    Boxes in the pixels of another size leave their images either way.
    """
    corners = boxes[:, :2] - boxes[:, 2:] / 2
    inside = (corners >= -1).all(axis=1)
    around = np.column_stack([corners, boxes[:, 2:]])
    return bool(inside.mean() > 0.9) and outside(boxes, sizes) > 0.1 > outside(around, sizes)


def outside(boxes: Floats, sizes: Integers) -> float:
    """The share of boxes [n, 4] that leave their images, of width and height [n, 2], on the right or below."""
    return float((boxes[:, :2] + boxes[:, 2:] > sizes + 1).any(axis=1).mean())
