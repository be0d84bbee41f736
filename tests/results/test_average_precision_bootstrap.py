"""COCO's numbers under the weights of a bootstrap, against a plain evaluation of the resampled data set."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from results.scoring import average_precision, detection
from results.statistics import draws
from tests.results.scenes import CATEGORIES, PLAIN, drawn, metrics_of, ours, pycocotools, saved

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
