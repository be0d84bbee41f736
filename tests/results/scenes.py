"""Random scenes as COCO's files, and what other people's programs score in them."""

import contextlib
import io
import json
from dataclasses import dataclass, replace

import faster_coco_eval
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from datamodules.layouts import coco
from results.scoring import detection

OFFICIAL = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
CATEGORIES = [90, 1, 44, 13, 7]  # with gaps, unsorted; 13 and 90 are none of VOC's
LIMITS = [32.0**2, np.nextafter(32.0**2, 2_000), 96.0**2, np.nextafter(96.0**2, 0)]


# Scenes


@dataclass(frozen=True)
class Scene:
    """What random annotations and detections look like; shares are probabilities."""

    seed: int = 0
    images: int = 20
    objects: float = 4.0  # an image, on average
    clutter: float = 3.0  # detections of nothing, an image
    crowd: float = 0.05
    flat: float = 0.0  # boxes without width or height, of objects and of detections
    at_limit: float = 0.0  # areas at 32 and 96 pixels squared or one bit beside
    twins: float = 0.1  # objects annotated twice, each with its own area
    decimals: int = 9  # of a score
    unannotated: float = 0.1  # images
    undetected: float = 0.1  # images
    without_objects: tuple[int, ...] = ()  # categories
    without_detections: tuple[int, ...] = ()


def drawn(scene):
    """Annotations and results in COCO's format, ids with gaps and in no order."""
    rng = np.random.default_rng(scene.seed)
    annotations, results = [], []
    ids = rng.choice(90_000, scene.images, replace=False).tolist()
    for image in ids:
        objects = [_annotation(rng, scene, image) for _ in range(rng.poisson(scene.objects))]
        objects += [each | {"area": 0.7 * each["area"]} for each in objects if rng.random() < scene.twins]
        found = [_detection(rng, scene, each) for each in objects for _ in range(rng.integers(4))]
        found += [_detection(rng, scene, _annotation(rng, scene, image)) for _ in range(rng.poisson(scene.clutter))]
        annotations += objects if rng.random() >= scene.unannotated else []
        results += found if rng.random() >= scene.undetected else []
    annotations = [each for each in annotations if each["category_id"] not in scene.without_objects]
    results = [each for each in results if each["category_id"] not in scene.without_detections]
    numbers = rng.choice(np.arange(1, 90_000), len(annotations), replace=False).tolist()
    annotations = [each | {"id": number} for each, number in zip(annotations, numbers, strict=True)]
    images = [{"id": each, "file_name": f"{each:012d}.jpg", "width": 640, "height": 480} for each in ids]
    categories = [{"id": each, "name": f"thing {each}"} for each in CATEGORIES]
    rng.shuffle(annotations)
    rng.shuffle(results)
    return {"images": images, "annotations": annotations, "categories": categories}, results


def _annotation(rng, scene, image):
    category = CATEGORIES[rng.integers(len(CATEGORIES))]
    # Whole and even numbers, so that half a box overlaps by exactly 0.5.
    x, y, width, height = (
        2 * np.round(rng.uniform([0, 0, *rng.choice([3, 20, 60], 2)], [200, 150, 100, 100]))
    ).tolist()
    if rng.random() < scene.flat:
        width, height = [(0.0, height), (width, 0.0)][rng.integers(2)]
    area = width * height * rng.uniform(0.3, 1)
    if rng.random() < scene.at_limit:
        area = LIMITS[rng.integers(len(LIMITS))]
    crowd = int(rng.random() < scene.crowd)
    return {"image_id": image, "category_id": category, "bbox": [x, y, width, height], "area": area, "iscrowd": crowd}


def _detection(rng, scene, thing):
    """A box near a thing's, now and then the same, half or three quarters of it, or of an area at a limit."""
    x, y, width, height = thing["bbox"]
    sizes = np.array([width, height])
    kind = rng.choice(["near", "same", "half", "three quarters"], p=[0.7, 0.1, 0.1, 0.1])
    box = [x, y, width * {"half": 0.5, "three quarters": 0.75}.get(kind, 1), height]
    if kind == "near":
        moved = np.array([x, y]) + rng.normal(0, 0.07, 2) * sizes
        box = [*moved.tolist(), *(sizes * np.exp(rng.normal(0, 0.1, 2))).tolist()]
    if rng.random() < scene.at_limit:
        box[2:] = [[32.0, 32.0], [96.0, 96.0], [16.0, 64.0]][rng.integers(3)]
    if rng.random() < scene.flat:
        box[2 + rng.integers(2)] = 0.0
    category = thing["category_id"] if rng.random() < 0.9 else CATEGORIES[rng.integers(len(CATEGORIES))]
    score = round(float(rng.random()), scene.decimals)
    return {"image_id": thing["image_id"], "category_id": category, "bbox": box, "score": score}


PLAIN = Scene()
CASES = {
    "plain": PLAIN,
    "other seed": replace(PLAIN, seed=1),
    "crowds": replace(PLAIN, crowd=0.4, clutter=6),
    "all crowds": replace(PLAIN, crowd=1),
    "areas at the limits": replace(PLAIN, at_limit=0.5),
    "images without annotation": replace(PLAIN, unannotated=0.6),
    "images without detection": replace(PLAIN, undetected=0.6),
    "boxes without width or height": replace(PLAIN, flat=0.3),
    "ties": replace(PLAIN, decimals=1),
    "one score": replace(PLAIN, decimals=0, twins=0.5),
    "more than 100 detections": replace(PLAIN, images=3, objects=60, clutter=700, decimals=2, undetected=0),
    "category without objects": replace(PLAIN, without_objects=(1, 13)),
    "category without detections": replace(PLAIN, without_detections=(90, 7)),
    "category without either": replace(PLAIN, without_objects=(44,), without_detections=(44,)),
    "no category of VOC": replace(PLAIN, without_objects=(1, 44, 7)),
    "one image": replace(PLAIN, images=1, objects=12, unannotated=0, undetected=0),
    "no object": replace(PLAIN, unannotated=1),
    "no detection": replace(PLAIN, undetected=1),
    "all at once": replace(
        PLAIN, images=30, crowd=0.15, flat=0.1, at_limit=0.2, twins=0.3, decimals=1, unannotated=0.3, undetected=0.3,
        without_objects=(7,), without_detections=(44,),
    ),
}  # fmt: skip


# Three ways to score the same two files


def saved(root, annotations, results):
    (root / "annotations").mkdir(parents=True)
    (root / "annotations/instances_val2017.json").write_text(json.dumps(annotations))
    (root / "results.json").write_text(json.dumps(results))
    return root


def ours(root):
    """The predictions and what they are held against."""
    truth = coco.open_split(str(root), "val2017").truth
    return detection.read(root, truth), truth


def evaluated(root, index_class, evaluation_class):
    """A peer's evaluation of the same files."""
    annotations, results = root / "annotations/instances_val2017.json", json.loads((root / "results.json").read_text())
    with contextlib.redirect_stdout(io.StringIO()):
        truth = index_class(str(annotations))
        found = truth.loadRes(results) if results else index_class()
        if not results:  # which loadRes does not take
            found.dataset = json.loads(annotations.read_text()) | {"annotations": []}
            found.createIndex()
        evaluation = evaluation_class(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def pycocotools(root):
    return evaluated(root, COCO, COCOeval)


def faster(root):
    return evaluated(root, faster_coco_eval.COCO, faster_coco_eval.COCOeval_faster)


def metrics_of(evaluation):
    """Every metric of a peer's evaluation in percent, without those that have no object."""
    precision = evaluation.eval["precision"][:, :, :, 0, 2]  # [thresholds, recalls, categories]
    parts = {f"AP/thing {each}": precision[:, :, k] for k, each in enumerate(sorted(CATEGORIES))}
    parts["AP_voc20"] = precision[:, :, [each in {1, 7, 44} for each in sorted(CATEGORIES)]]
    values = dict(zip(OFFICIAL, evaluation.stats[:12].tolist(), strict=True))
    values |= {name: float(part[part > -1].mean()) for name, part in parts.items() if (part > -1).any()}
    return {name: 100 * value for name, value in values.items() if value > -1}
