"""COCO's numbers against pycocotools and faster-coco-eval, by hand, and under the weights of a bootstrap."""

import contextlib
import io
import json
import os
from dataclasses import dataclass, replace

import faster_coco_eval
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from datamodules.layouts import coco
from results.scoring import average_precision, detection
from results.statistics import draws

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


@pytest.mark.parametrize("scene", CASES.values(), ids=CASES.keys())
def test_every_metric_is_that_of_both_peers(tmp_path, scene):
    root = saved(tmp_path, *drawn(scene))
    found = detection.score(*ours(root))
    for peer in (pycocotools, faster):
        assert found == pytest.approx(metrics_of(peer(root)), rel=0, abs=1e-9), peer.__name__


def test_what_the_scenes_are_named_after_is_in_them():
    annotations, results = drawn(CASES["all at once"])
    images = {each["id"] for each in annotations["images"]}
    assert images - {each["image_id"] for each in annotations["annotations"]}
    assert images - {each["image_id"] for each in results}
    assert {1, 7, 13, 90} == {each["category_id"] for each in results}
    assert {1, 13, 44, 90} == {each["category_id"] for each in annotations["annotations"]}
    assert {0, 1} == {each["iscrowd"] for each in annotations["annotations"]}
    assert set(LIMITS) <= {each["area"] for each in annotations["annotations"]}
    assert {32.0**2, 96.0**2} <= {each["bbox"][2] * each["bbox"][3] for each in results}
    for boxes in (results, annotations["annotations"]):
        assert {0, 1} <= {min(each["bbox"][2:]) > 0 for each in boxes}
    _, results = drawn(CASES["more than 100 detections"])
    _, counts = np.unique([(each["image_id"], each["category_id"]) for each in results], axis=0, return_counts=True)
    assert counts.min() > 100


def test_no_detection_scores_zero_in_whatever_has_objects(tmp_path):
    predictions, truth = ours(saved(tmp_path, *drawn(CASES["no detection"])))
    assert len(predictions.detections.scores) == 0
    assert (predictions.scored, predictions.unique) == (20, 20)
    names = [*detection.METRICS, *(f"AP/thing {each}" for each in CATEGORIES)]
    assert detection.score(predictions, truth) == dict.fromkeys(names, 0.0)


# By hand


def written(root, images, annotations, results):
    """Files of one category from (image, box) and (image, box, score)."""
    content = {
        "images": [{"id": each, "file_name": f"{each}.jpg", "width": 640, "height": 480} for each in images],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"id": number, "image_id": image, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for number, (image, box) in enumerate(annotations, 1)
        ],
    }
    found = [{"image_id": i, "category_id": 1, "bbox": box, "score": score} for i, box, score in results]
    return saved(root, content, found)


def test_two_objects_and_three_detections_by_hand(tmp_path):
    objects = [(5, [0, 0, 100, 100]), (5, [200, 0, 100, 100])]
    found = [
        (5, [200, 0, 100, 62], 0.7),  # overlaps the second by 0.62: found at 0.50, 0.55 and 0.60
        (5, [0, 0, 100, 100], 0.9),  # the first
        (5, [400, 200, 100, 100], 0.8),  # nothing
    ]
    score = detection.score(*ours(written(tmp_path, [5], objects, found)))
    # By falling score: precision 1 at recall 1/2, a false one, then precision 2/3 at recall 1. Of the 101 recalls the
    # 51 from 0 to 0.50 see precision 1 and the 50 from 0.51 to 1 see 2/3.
    ap50 = (51 * 1 + 50 * 2 / 3) / 101
    # At 0.75 the third is false too, and recalls above a half are never reached.
    ap75 = 51 / 101
    expected = {
        "AP50": ap50,
        "AP75": ap75,
        "AP": (3 * ap50 + 7 * ap75) / 10,
        "AR100": (3 * 1 + 7 * 0.5) / 10,
        "AR10": (3 * 1 + 7 * 0.5) / 10,
        "AR1": 0.5,  # the most confident detection finds one of two
    }
    # All are large: 100 times 100 pixels are more than 96 times 96.
    expected |= {"APl": expected["AP"], "ARl": expected["AR100"]}
    expected |= {"AP_voc20": expected["AP"], "AP/person": expected["AP"]}
    assert score == pytest.approx({name: 100 * value for name, value in expected.items()}, abs=1e-9)


@pytest.mark.parametrize(
    ("weights", "ap", "ar1"),
    [
        # Four objects: one is found first, precision 1 at recall 1/4. Then three false detections, then three true
        # ones: 4 of 7. The 26 recalls from 0 to 0.25 see 1, the other 75 see 4/7.
        ([1, 3], (26 * 1 + 75 * 4 / 7) / 101, 1 / 4),
        ([3, 1], (76 * 1 + 25 * 4 / 5) / 101, 3 / 4),
        ([1, 1], (51 * 1 + 50 * 2 / 3) / 101, 1 / 2),
        ([2, 0], 1, 1),
        ([0, 2], 1 / 2, 0),  # two false, two true: 2 of 4 at recall 1
        ([0, 0], np.nan, np.nan),  # no object
    ],
)
def test_an_image_counts_as_often_as_its_weight_says(tmp_path, weights, ap, ar1):
    box = [0, 0, 100, 100]
    found = [(1, box, 0.9), (2, [300, 300, 100, 100], 0.7), (2, box, 0.5)]
    predictions, _ = ours(written(tmp_path, [1, 2], [(1, box), (2, box)], found))
    precision, recall = average_precision.precisions(predictions.matches, np.array(weights, float))
    np.testing.assert_allclose(precision[0, 0], [ap] * 10, rtol=0, atol=1e-9)
    np.testing.assert_allclose(recall[0, 4], [ar1] * 10, rtol=0, atol=1e-9)


# The bootstrap: the weighted path against a plain evaluation of the resampled data set


SMALL = replace(PLAIN, images=12, objects=6, crowd=0.1, flat=0.05, decimals=15, unannotated=0.15, undetected=0.15)


def resampled(root, target, weights):
    """Writes the data set in which an image of weight w stands w times, under new ids in the order of the old."""
    annotations = json.loads((root / "annotations/instances_val2017.json").read_text())
    results = json.loads((root / "results.json").read_text())
    content = {"images": [], "annotations": [], "categories": annotations["categories"]}
    found = []
    images = sorted(annotations["images"], key=lambda image: image["id"])
    for image in np.repeat(np.array(images), weights).tolist():
        new = {"image_id": len(content["images"]) + 1}
        content["images"].append(image | {"id": new["image_id"]})
        content["annotations"] += [each | new for each in annotations["annotations"] if each["image_id"] == image["id"]]
        found += [each | new for each in results if each["image_id"] == image["id"]]
    content["annotations"] = [each | {"id": number} for number, each in enumerate(content["annotations"], 1)]
    return saved(target, content, found)


def tables_of(evaluation):
    """What `precisions` returns, of a peer's evaluation."""
    precision, recall = (
        np.where(evaluation.eval[name] < 0, np.nan, evaluation.eval[name]) for name in ("precision", "recall")
    )
    everything = precision[..., 2].mean(axis=1).transpose(1, 2, 0)
    reached = recall.transpose(1, 2, 0, 3)  # [categories, areas, thresholds, most detections]
    return everything, np.concatenate([reached[..., 2], reached[:, :1, :, 0], reached[:, :1, :, 1]], axis=1)


def test_scores_of_the_bootstrap_are_distinct():
    _, results = drawn(SMALL)
    assert len({each["score"] for each in results}) == len(results) > 100


@pytest.mark.parametrize("seed", range(5))
def test_a_weighted_evaluation_is_a_plain_one_of_the_resampled_images(tmp_path, seed):
    root = saved(tmp_path / "whole", *drawn(replace(SMALL, seed=seed)))
    weights = np.bincount(np.random.default_rng(seed).integers(12, size=12), minlength=12)
    predictions, _ = ours(root)
    found = average_precision.precisions(predictions.matches, weights.astype(float))
    expected = tables_of(pycocotools(resampled(root, tmp_path / "resampled", weights)))
    for table, plain in zip(found, expected, strict=True):
        np.testing.assert_allclose(table, plain, rtol=0, atol=1e-9)


def test_standard_errors_are_those_of_plain_evaluations(tmp_path, monkeypatch):
    monkeypatch.setattr(detection, "RESAMPLES", 30)
    root = saved(tmp_path / "whole", *drawn(SMALL))
    plain = [
        metrics_of(pycocotools(resampled(root, tmp_path / f"{number}", weights)))
        for number, weights in enumerate(draws(12, 30))
    ]
    names = [*detection.METRICS, *(f"AP/thing {each}" for each in CATEGORIES)]
    expected = {name: np.std([values[name] for values in plain if name in values], ddof=1) for name in names}
    assert detection.standard_errors(*ours(root), names) == pytest.approx(expected, rel=0, abs=1e-9)
    assert min(expected.values()) > 1, "percent: none is about nothing"


def test_standard_errors_are_the_same_on_every_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(detection, "RESAMPLES", 50)
    root = saved(tmp_path, *drawn(replace(PLAIN, decimals=1)))
    errors = []
    for cores in (1, 3, 8):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        errors.append(detection.standard_errors(*ours(root), ["AP", "APs", "AP/thing 1"]))
    assert errors[0] == errors[1] == errors[2]
    assert list(errors[0]) == ["AP", "APs", "AP/thing 1"]
