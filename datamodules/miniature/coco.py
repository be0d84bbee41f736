"""Writes the miniature COCO: drawn scenes in COCO's own annotation format, with the known traps of the real data.

A scene holds shapes of `imagenet_shapes` on a cloudy ground, some partly behind others, some of a few pixels. The 20
categories of VOC, under COCO's ids, are shapes of a hue of their own; four more share hue and outline with one of them
and are striped, so that they look alike. Ids have gaps and go up to 90, as COCO's do.
"""

import colorsys
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.arrays import Bools, Floats
from datamodules.miniature.imagenet_shapes import SHAPES
from datamodules.progress import progress

NAMES = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 9: "boat", 16: "bird",
    17: "cat", 18: "dog", 19: "horse", 20: "sheep", 21: "cow", 44: "bottle", 62: "chair", 63: "couch",
    64: "potted plant", 67: "dining table", 72: "tv", 53: "apple", 75: "remote", 85: "clock", 90: "toothbrush",
}  # fmt: skip
LOOK_ALIKE = {53: 1, 75: 4, 85: 18, 90: 62}  # striped, else as the other

SCENES = {"train2017": 600, "val2017": 200}
STREAMS = {"train2017": 2017, "val2017": 5000}  # one PCG64 stream a split and scene
OBJECTS = (3, 10)
SIDES = {"short": (88, 112), "long": (96, 128)}
CROWD = 0.08  # share of scenes with a crowd region
SEEN_AT_LEAST = 0.35  # share of an object that must be visible to be annotated

# Scenes by number: what the real files are known for. Each is in both splits.
EMPTY, GREY, CMYK, SPECK, CROWD_ONLY, BEYOND = range(7, 13)
FLAT = 13  # in training alone: a box without height

Pixels = Floats
Mask = Bools


def write(root: Path) -> None:
    """Writes `annotations/`, `train2017/` and `val2017/` below `root`, the same bytes on every call."""
    (root / "annotations").mkdir(parents=True)
    for split, count in SCENES.items():
        (root / split).mkdir()
        content: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": _categories()}
        for number in progress(range(count), count, f"drawing {split}", "scene"):
            _scene(root / split, split, number, content)
        order = np.random.default_rng(STREAMS[split]).permutation(count)  # ids do not ascend in the real files
        content["images"] = [content["images"][place] for place in order]
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


def _categories() -> list[dict[str, Any]]:
    return [{"supercategory": "shape", "id": each, "name": NAMES[each]} for each in sorted(NAMES)]


def _scene(folder: Path, split: str, number: int, content: dict[str, list[dict[str, Any]]]) -> None:
    """Draws one scene, writes its image and adds what it holds to the annotations."""
    rng = np.random.Generator(np.random.PCG64([STREAMS[split], number]))
    identity = 1000 * (split == "val2017") + 139 + 3 * number
    height, width = int(rng.integers(*SIDES["short"])), int(rng.integers(*SIDES["long"]))
    canvas, drawn = _draw(rng, height, width, _objects(rng, number))
    annotations = [_annotation(category, mask) for category, mask in drawn]
    if annotations and (number == CROWD_ONLY or rng.random() < CROWD):
        annotations[0]["iscrowd"] = 1
    _set_traps(split, number, annotations, width)
    name = f"{identity:012d}.jpg"
    (folder / name).write_bytes(_encoded(canvas, {GREY: "L", CMYK: "CMYK"}.get(number, "RGB")))
    content["images"].append({"id": identity, "file_name": name, "width": width, "height": height})
    for each in annotations:
        content["annotations"].append(each | {"id": 900_000 - len(content["annotations"]), "image_id": identity})


def _objects(rng: np.random.Generator, number: int) -> int:
    """How many objects to draw in a scene."""
    return {EMPTY: 0, CROWD_ONLY: 1}.get(number, int(rng.integers(*OBJECTS)))


def _set_traps(split: str, number: int, annotations: list[dict[str, Any]], width: int) -> None:
    if number == SPECK and annotations:
        annotations[:] = [annotations[0] | {"bbox": [10.0, 20.0, 0.7, 0.6], "area": 0.4}]
    if number == BEYOND and annotations:
        x, y, _, high = annotations[0]["bbox"]
        annotations[0]["bbox"] = [x, y, round(width - x + 1.5, 2), high]
    if number == FLAT and split == "train2017" and annotations:
        annotations.append(annotations[0] | {"bbox": [5.0, 9.0, 12.0, 0.0], "area": 0.0, "iscrowd": 0})


def _encoded(canvas: Pixels, mode: str) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8)).convert(mode).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _draw(rng: np.random.Generator, height: int, width: int, count: int) -> tuple[Pixels, list[tuple[int, Mask]]]:
    """Pixels [height, width, 3], and category and visible part of each object that can be seen, the last in front."""
    canvas = _ground(rng, height, width)
    layers: list[tuple[int, Mask, int]] = []
    for _ in range(count):
        category = int(rng.choice(list(NAMES)))
        mask, stripes = _outline(rng, category, height, width)
        if mask.sum() < 12 or any((mask & other).sum() > 0.6 * min(mask.sum(), whole) for _, other, whole in layers):
            continue
        _paint(rng, canvas, mask, stripes, category)
        layers = [(each, other & ~mask, whole) for each, other, whole in layers] + [(category, mask, int(mask.sum()))]
    canvas += rng.normal(0, rng.uniform(3, 10), canvas.shape)
    return canvas, [(each, mask) for each, mask, whole in layers if mask.sum() > SEEN_AT_LEAST * whole]


def _ground(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """A dull, cloudy background."""
    clouds = np.clip(rng.uniform(60, 190) + rng.normal(0, 30, (5, 5, 1)) + rng.normal(0, 8, (5, 5, 3)), 0, 255)
    smooth = Image.fromarray(clouds.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float64).copy()


def _outline(rng: np.random.Generator, category: int, height: int, width: int) -> tuple[Mask, Mask]:
    """Which pixels an object covers, and which of them a stripe would: bool [height, width]."""
    radius = float(np.exp(rng.uniform(np.log(7), np.log(24))))
    across, down = rng.uniform(0, width), rng.uniform(0, height)
    stretch, angle = np.exp(rng.uniform(-0.25, 0.25)), rng.uniform(-0.3, 0.3)
    y, x = np.ogrid[:height, :width]
    right, below = (x + 0.5 - across) / radius * stretch, (y + 0.5 - down) / radius / stretch
    u, v = np.cos(angle) * right + np.sin(angle) * below, np.cos(angle) * below - np.sin(angle) * right
    return SHAPES[_outline_number(category)](u, v), np.sin(9 * u) > 0.2


def _outline_number(category: int) -> int:
    """Which shape a category has; one that looks alike has the other's."""
    return sorted(set(NAMES) - set(LOOK_ALIKE)).index(LOOK_ALIKE.get(category, category))


def _paint(rng: np.random.Generator, canvas: Pixels, mask: Mask, stripes: Mask, category: int) -> None:
    """Paints an object in its category's hue; saturation and light vary."""
    # two shapes far apart in the list share a hue, so that neither colour nor outline alone tells the category
    hue = (_outline_number(category) % 10) / 10 + rng.normal(0, 0.012)
    colour = np.array(colorsys.hsv_to_rgb(hue % 1, rng.uniform(0.65, 1), rng.uniform(0.6, 1))) * 255
    canvas[mask] = colour
    if category in LOOK_ALIKE:
        canvas[mask & stripes] = 255 - 0.25 * colour


def _annotation(category: int, mask: Mask) -> dict[str, Any]:
    """The box around the visible part, and its area, as COCO has them."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    box = [float(x), float(y), float(columns[-1] + 1 - x), float(rows[-1] + 1 - y)]
    return {"category_id": category, "bbox": box, "area": float(mask.sum()), "iscrowd": 0}
