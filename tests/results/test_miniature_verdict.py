"""`pipeline short` can appear: break the labels and see it."""

import os
import random
import shutil

import numpy as np
import pytest

from benchmarks.measure import HeldOut, measure
from benchmarks.schema import Baseline
from benchmarks.strict import load_claim
from results.collect import verdicts
from results.scoring import classification
from tests.results.records import SMALL, miniature_record

CLAIM = load_claim("imagenet")


def scored(folder, truth, answers):
    """The miniature record of a system that answers with these classes, through file, measure and record."""
    rows = [{"classes": ((answer + np.arange(5)) % 20).tolist(), "scores": [0.2] * 5} for answer in answers]
    folder.mkdir()
    classification.write(folder, rows, truth)
    found = measure(HeldOut(CLAIM, None, "test", "val", "", truth), folder, SMALL, ())
    baselines = {name: Baseline(value, f"test/{metric}") for name, metric, value in BASELINES}
    return miniature_record(metrics=found.metrics, examples=found.examples, baselines=baselines)


BASELINES = [("linear_8x8/top5", "top5", 31.0), ("linear_8x8/top1", "top1", 11.0)]


def test_broken_labels_are_seen(tmp_path):
    labels = np.arange(400) % 20
    truth = classification.Truth(tuple(f"a/{index}" for index in range(400)), labels, 20)
    good = scored(tmp_path / "good", truth, labels)
    assert verdicts(CLAIM, good) == {"top-5": "pipeline ok", "top-1": "pipeline ok"}

    shuffled = np.random.default_rng(0).permutation(labels)
    broken = scored(tmp_path / "broken", truth, shuffled)
    assert verdicts(CLAIM, broken) == {"top-5": "pipeline short", "top-1": "pipeline short"}
    assert broken.metrics["test/top1"].value < 10  # chance is 5


@pytest.mark.slow
def test_a_run_on_shuffled_training_labels_falls_short(miniature_tree, workshop, tmp_path):
    """The committed miniature, but every training image lies in the folder of some other class."""
    tree = tmp_path / "tree"
    shutil.copytree(miniature_tree, tree, copy_function=os.link)
    images = sorted((tree / "train").glob("*/*"))
    folders = [path.parent for path in images]
    random.Random(0).shuffle(folders)
    for path, folder in zip(images, folders, strict=True):
        path.rename(folder / f"moved_{path.name}")

    code, out, err = workshop.call("run", "imagenet", "--seeds=0", "--profile=mini", f"--data={tree}")
    assert code == 0, err
    assert out.count("verdict  pipeline short") == 2
    assert "pipeline ok" not in out
