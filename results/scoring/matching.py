"""The loops behind `average_precision.py`, compiled by numba: matching a group of boxes, and walking a curve.

They follow cocodataset/cocoapi:PythonAPI/pycocotools/cocoeval.py and common/maskApi.c (bbIou).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Bools, Integers
from benchmarks.jit import jit

_EPSILON = float(np.spacing(1))
_IGNORED, _FALSE, _TRUE = 0, 1, 2
FOUND, FOUND_OUTSIDE, LEFT_OUT = 0, 1, 2  # kinds of events


class Matched(NamedTuple):
    """What is left of boxes once they are matched: detections by (category, score), objects by category.

    Of the detections `place` [n] in the arrays that were matched; `image` [n]; `rank` [n] among those of its image and
    category; `inside` [areas, n] whether its own size is in the area; `starts` [categories + 1]. Of the objects
    `object_image` [m]; `object_counts` [areas, m] whether it must be found; `object_starts` [categories + 1].

    A detection counts as its own size says, but for events: those of one category, area and threshold are
    `event_starts[cell]` to `event_starts[cell + 1]` of `event` (which detection) and `kind`.
    """

    place: Integers
    image: Integers
    rank: Integers
    inside: Bools
    starts: Integers
    object_image: Integers
    object_counts: Bools
    object_starts: Integers
    event: Integers
    kind: NDArray[np.uint8]
    event_starts: Integers


def right(matches: Matched, threshold: int) -> Integers:
    """Places of the detections that are of an object, at the threshold of that number, over all areas."""
    apart = (len(matches.event_starts) - 1) // (len(matches.starts) - 1)  # cells of a category
    cells = range(threshold, len(matches.event_starts) - 1, apart)
    events = [slice(matches.event_starts[cell], matches.event_starts[cell + 1]) for cell in cells]
    found = [matches.event[each][matches.kind[each] != LEFT_OUT] for each in events]
    places: Integers = matches.place[np.concatenate(found)]
    return places


@jit
def _overlap(detection, thing, area, crowd):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Intersection over union; over the detection's own area where the annotation is a crowd (maskApi.c, bbIou)."""
    width = min(detection[0] + detection[2], thing[0] + thing[2]) - max(detection[0], thing[0])
    height = min(detection[1] + detection[3], thing[1] + thing[3]) - max(detection[1], thing[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (area if crowd else area + thing[2] * thing[3] - shared)


@jit
def match(boxes, areas, crowd, starts, seen_boxes, seen_areas, seen_starts, ranges, thresholds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Flags [areas, thresholds, detections], a group (one category on one image) at a time."""
    flags = np.empty((len(ranges), len(thresholds), len(seen_boxes)), np.uint8)
    for group in range(len(starts) - 1):
        first, last = starts[group], starts[group + 1]
        seen_first, seen_last = seen_starts[group], seen_starts[group + 1]
        if seen_first == seen_last:
            continue
        overlaps = np.empty((seen_last - seen_first, last - first))
        for d in range(seen_first, seen_last):
            for g in range(first, last):
                overlaps[d - seen_first, g - first] = _overlap(seen_boxes[d], boxes[g], seen_areas[d], crowd[g])
        for a in range(len(ranges)):
            low, high = ranges[a]
            ignored = crowd[first:last] | (areas[first:last] < low) | (areas[first:last] > high)
            order = np.argsort(ignored, kind="mergesort")  # objects that count come first
            for t in range(len(thresholds)):
                _match_group(
                    overlaps, ignored, crowd[first:last], order, thresholds[t], seen_areas[seen_first:seen_last],
                    low, high, flags[a, t, seen_first:seen_last],
                )  # fmt: skip
    return flags


@jit
def _match_group(overlaps, ignored, crowd, order, threshold, seen_areas, low, high, flags):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Each detection takes the object that it overlaps most and nobody took; crowds may be taken again."""
    taken = np.zeros(len(ignored), np.bool_)
    for d in range(len(flags)):
        best, most = -1, min(threshold, 1 - 1e-10)
        for g in order:
            if taken[g] and not crowd[g]:
                continue
            if best > -1 and not ignored[best] and ignored[g]:
                break
            if overlaps[d, g] >= most:
                best, most = g, overlaps[d, g]
        if best > -1:
            taken[best] = True
            flags[d] = _IGNORED if ignored[best] else _TRUE
        else:
            flags[d] = _IGNORED if seen_areas[d] < low or seen_areas[d] > high else _FALSE


@jit
def events(flags, order, inside, starts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Where a detection's own size does not tell how it counts: found, or left out though it is inside the area."""
    areas, thresholds, categories = flags.shape[0], flags.shape[1], len(starts) - 1
    event_starts = np.zeros(categories * areas * thresholds + 1, np.int64)
    event, kind = [], []
    for cell in range(len(event_starts) - 1):
        k, a, t = cell // (areas * thresholds), cell // thresholds % areas, cell % thresholds
        for d in range(starts[k], starts[k + 1]):
            flag = flags[a, t, order[d]]
            if flag == _TRUE or (flag == _IGNORED and inside[a, d]):
                event.append(d)
                kind.append(LEFT_OUT if flag == _IGNORED else FOUND if inside[a, d] else FOUND_OUTSIDE)
        event_starts[cell + 1] = len(event)
    return np.array(event, np.int64), np.array(kind, np.uint8), event_starts


@jit
def accumulate(matches, weights, thresholds, recalls):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Average precision and recall tables, as `average_precision.precisions` returns them."""
    areas, categories = len(matches.inside), len(matches.starts) - 1
    precision = np.full((categories, areas, thresholds), np.nan)
    recall = np.full((categories, areas + 2, thresholds), np.nan)
    for k in range(categories):
        first, last = matches.starts[k], matches.starts[k + 1]
        weight, rank = weights[matches.image[first:last]], matches.rank[first:last]
        curve, reached = np.empty(last - first), np.empty(last - first)
        here = slice(matches.object_starts[k], matches.object_starts[k + 1])
        for a in range(areas):
            total = np.sum(weights[matches.object_image[here]] * matches.object_counts[a, here])
            if total == 0:
                continue
            counted = np.cumsum(weight * matches.inside[a, first:last])
            for t in range(thresholds):
                cell = (k * areas + a) * thresholds + t
                chosen = slice(matches.event_starts[cell], matches.event_starts[cell + 1])
                event, kind = matches.event[chosen] - first, matches.kind[chosen]
                points = _curve(event, kind, weight, counted, total, curve, reached)
                precision[k, a, t] = _average(curve[:points], reached[:points], recalls)
                recall[k, a, t] = reached[points - 1] if points else 0.0
                if a == 0:
                    one, ten = _found(event, kind, rank, weight)
                    recall[k, areas, t], recall[k, areas + 1, t] = one / total, ten / total
    return precision, recall


@jit
def _curve(event, kind, weight, counted, total, curve, reached):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Precision and recall at each true detection, into `curve` and `reached`; returns how many there are.

    Only true detections raise the recall, so the curve is needed at these alone.
    """
    true, moved, points = 0.0, 0.0, 0
    for i in range(len(event)):
        d = event[i]
        if kind[i] == LEFT_OUT:
            moved -= weight[d]
        elif weight[d] > 0:
            moved += weight[d] * (kind[i] == FOUND_OUTSIDE)
            true += weight[d]
            curve[points], reached[points] = true / (counted[d] + moved + _EPSILON), true / total
            points += 1
    return points


@jit
def _average(curve, reached, recalls):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mean over `recalls` of the best precision at that recall or a higher one."""
    for point in range(len(curve) - 1, 0, -1):
        curve[point - 1] = max(curve[point - 1], curve[point])
    added, point = 0.0, 0
    for wanted in recalls:
        while point < len(curve) and reached[point] < wanted:
            point += 1
        if point < len(curve):
            added += curve[point]
    return added / len(recalls)


@jit
def _found(event, kind, rank, weight):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Weight of what the 1 and the 10 most confident detections of each image and category find."""
    one, ten = 0.0, 0.0
    for i in range(len(event)):
        d = event[i]
        if kind[i] != LEFT_OUT and rank[d] < 10:
            ten += weight[d]
            one += weight[d] * (rank[d] < 1)
    return one, ten
