"""Times of scoring COCO detections beside pycocotools, faster-coco-eval and torchmetrics, one after another in one run.

    .venv/bin/python -m benchmarks.speed.detection --images 5000 --detections 100 --rounds 1

Each reads the same two files; torchmetrics, which counts in float32, ends with another AP in its third decimal.
`evaluation` is what comes after reading, `whole` is both.
"""

import argparse
import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.layouts.coco import truth as truth_of
from results.scoring import detection
from results.scoring.coco_results import read_results

CATEGORIES = 80
OBJECTS = 7.2  # an image, as val2017 has
SPLIT = "val2017"
ANNOTATIONS, RESULTS = f"annotations/instances_{SPLIT}.json", "results.json"

Timed = tuple[float, float, float]  # AP, seconds of evaluation, seconds of reading and evaluation


def write(root: Path, images: int, detections: int) -> None:
    """Writes annotations and as many detections an image, near objects or anywhere."""
    rng = np.random.default_rng(0)
    content: dict[str, list[dict[str, Any]]] = {
        "images": [{"id": 3 * i + 5, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(images)],
        "categories": [{"id": i + 1, "name": str(i)} for i in range(CATEGORIES)], "annotations": [],
    }  # fmt: skip
    results = []
    for image in content["images"]:
        boxes, categories = _boxes(rng, int(rng.poisson(OBJECTS))), rng.integers(1, CATEGORIES + 1, 100)
        for box, category in zip(boxes, categories, strict=False):
            each = {"image_id": image["id"], "category_id": int(category), "bbox": box.tolist(), "iscrowd": 0}
            area = float(box[2] * box[3] * 0.7)
            content["annotations"].append(each | {"id": len(content["annotations"]) + 1, "area": area})
        near = np.concatenate([boxes] * 4)[:detections]
        near = np.maximum(near + rng.normal(0, 0.1, near.shape) * near[:, [2, 3, 2, 3]], 0).round(2)
        seen = np.concatenate([near, _boxes(rng, detections - len(near))])
        chosen = np.concatenate([np.tile(categories[: len(boxes)], 4)[: len(near)], rng.integers(1, 81, detections)])
        for box, category, score in zip(seen, chosen, rng.random(detections).round(5), strict=False):
            row = {"image_id": image["id"], "category_id": int(category), "bbox": box.tolist(), "score": float(score)}
            results.append(row)
    print(f"{images} images, {len(content['annotations'])} objects, {len(results)} detections", flush=True)
    (root / "annotations").mkdir()
    (root / ANNOTATIONS).write_text(json.dumps(content))
    (root / RESULTS).write_text(json.dumps(results))


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    sides = np.exp(rng.uniform(np.log(8), np.log(240), (count, 2)))
    return np.concatenate([rng.uniform(0, (640, 480), (count, 2)) * 0.6, sides], axis=1).round(2)


def ours(root: Path) -> Timed:
    """Reads and scores the files as this suite does."""
    started = time.perf_counter()
    truth = truth_of(str(root), SPLIT)
    detections = read_results(root / RESULTS, truth.ids, truth.categories, truth.sizes)
    read = time.perf_counter()
    value = detection.score(detection.matched(detections, truth), truth)["AP"]
    return value, time.perf_counter() - read, time.perf_counter() - started


def _official(root: Path, dataset: Any, evaluator: Any) -> Timed:
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = dataset(str(root / ANNOTATIONS))
        evaluation = evaluator(annotated, annotated.loadRes(str(root / RESULTS)), "bbox")
        read = time.perf_counter()
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return 100 * float(evaluation.stats[0]), time.perf_counter() - read, time.perf_counter() - started


def pycocotools(root: Path) -> Timed:
    """Reads and scores the files by pycocotools, the official tool."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return _official(root, COCO, COCOeval)


def faster_coco_eval(root: Path) -> Timed:
    """Reads and scores the files by faster-coco-eval, pycocotools in C++."""
    from faster_coco_eval import COCO, COCOeval_faster

    return _official(root, COCO, COCOeval_faster)


def torchmetrics(root: Path) -> Timed:
    """Reads and scores the files by torchmetrics with its default backend."""
    from torchmetrics.detection import MeanAveragePrecision

    started = time.perf_counter()
    annotated, results = (json.loads((root / name).read_text()) for name in (ANNOTATIONS, RESULTS))
    targets, predictions = (_by_image(annotated["images"], rows) for rows in (annotated["annotations"], results))
    read = time.perf_counter()
    metric = MeanAveragePrecision(box_format="xywh")
    with contextlib.redirect_stdout(io.StringIO()):
        metric.update(predictions, targets)
        value = 100 * float(metric.compute()["map"])
    return value, time.perf_counter() - read, time.perf_counter() - started


def _by_image(images: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, torch.Tensor]]:
    found: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    for row in rows:
        found[row["image_id"]].append(row)
    return [
        {
            "boxes": torch.tensor([row["bbox"] for row in here]).reshape(-1, 4),
            "labels": torch.tensor([row["category_id"] for row in here], dtype=torch.long),
            "scores": torch.tensor([row.get("score", 0.0) for row in here]),
            "area": torch.tensor([row.get("area", 0.0) for row in here]),
        }
        for here in found.values()
    ]


def bootstrap_seconds(root: Path) -> float:
    """Seconds that the 95 % intervals of all metrics take."""
    truth = truth_of(str(root), SPLIT)
    predictions = detection.read(root / RESULTS, truth)
    started = time.perf_counter()
    detection.standard_errors(predictions, truth, ["AP"])
    return time.perf_counter() - started


def main() -> None:
    """Prints a line a contender and round, then the bootstrap's time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    contenders: tuple[Callable[[Path], Timed], ...] = (ours, faster_coco_eval, pycocotools, torchmetrics)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, options.images, options.detections)
        ours(root)  # numba compiles once
        for _ in range(options.rounds):
            for contender in contenders:
                value, evaluation, whole = contender(root)
                name = contender.__name__
                print(f"{name:17} AP {value:.9f}  evaluation {evaluation:7.2f} s  whole {whole:7.2f} s", flush=True)
        print(f"bootstrap of {detection.RESAMPLES} resamples: {bootstrap_seconds(root):.2f} s")


if __name__ == "__main__":
    main()
