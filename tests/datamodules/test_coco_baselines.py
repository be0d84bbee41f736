"""COCO's mean boxes: worked out once, and the same to the last digit as worked out for each image."""

import json
import shutil

import numpy as np
import pytest

from datamodules.baselines import coco
from datamodules.baselines.coco import baselines
from datamodules.layouts.coco import open_split


def in_image(train, size):
    """The mean box of each category, from all annotations again."""
    objects = train.objects
    shares = objects.boxes / np.tile(train.sizes[objects.image], 2)
    rows = []
    for position, category in enumerate(train.categories):
        here = objects.category == position
        if here.any():
            box = shares[here].mean(axis=0) * np.tile(size, 2)
            rows.append([category, *box.tolist(), float(here.mean())])
    return rows


def test_mean_boxes_are_those_worked_out_for_each_image(coco_tree):
    root = str(coco_tree)
    train, test = (open_split(root, split).truth for split in ("train2017", "val2017"))
    assert baselines(root, "val2017") == {"mean_box": [in_image(train, size) for size in test.sizes.tolist()]}


def test_annotations_are_gone_through_once(coco_tree, monkeypatch):
    calls, means = [], coco._means
    monkeypatch.setattr(coco, "_means", lambda train: calls.append(train) or means(train))
    assert len(baselines(str(coco_tree), "val2017")["mean_box"]) == 15
    assert len(calls) == 1


def test_by_hand(coco_tree, tmp_path):
    """Two persons, of half of a 10 x 20 image and of all of a 40 x 40 one, and two bicycles; no other category."""
    root = shutil.copytree(coco_tree, tmp_path / "coco")
    file = root / "annotations/instances_train2017.json"
    content = json.loads(file.read_text())
    content["images"] = [
        {"id": number, "file_name": f"{number}.jpg", "width": width, "height": height}
        for number, width, height in ((1, 10, 20), (2, 40, 40))
    ]
    boxes = [(1, 1, [0, 10, 10, 10]), (2, 1, [0, 0, 40, 40]), (2, 2, [10, 20, 4, 8]), (2, 2, [10, 20, 4, 8])]
    content["annotations"] = [
        {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": 1.0, "iscrowd": 0}
        for number, (image, category, box) in enumerate(boxes, 1)
    ]
    file.write_text(json.dumps(content))
    sizes = open_split(str(root), "val2017").truth.sizes.tolist()
    found = baselines(str(root), "val2017")["mean_box"]
    for (width, height), (person, bicycle) in zip(sizes, found, strict=True):
        assert person == pytest.approx([1, 0, 0.25 * height, width, 0.75 * height, 0.5])
        assert bicycle == pytest.approx([2, 0.25 * width, 0.5 * height, 0.1 * width, 0.2 * height, 0.5])
