"""The sheet of detections: which images and boxes it shows, and that it stays small however many there are."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from datamodules.layouts.coco import truth
from datamodules.sheets.coco import sheet
from results.scoring.average_precision import Objects
from results.scoring.detection import matched

WIDTH, HEIGHT = 640, 480


def write_tree(root, images, objects, name):
    """So many images of noise, the most that a JPEG can hold, with so many objects each, of one category."""
    rng = np.random.default_rng(0)
    (root / "annotations").mkdir()
    (root / "val2017").mkdir()
    content = {"images": [], "annotations": [], "categories": [{"id": 1, "name": name}]}
    for number in range(1, images + 1):
        file = f"{number}.jpg"
        Image.fromarray(rng.integers(256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)).save(root / "val2017" / file)
        content["images"].append({"id": number, "file_name": file, "width": WIDTH, "height": HEIGHT})
        for place in range(objects):
            box = [float(20 * (place % 30)), float(20 * (place // 30)), 15.0, 15.0]
            annotation = {"image_id": number, "category_id": 1, "bbox": box, "area": 225.0, "iscrowd": 0}
            content["annotations"].append(annotation | {"id": 1 + len(content["annotations"])})
    (root / "annotations/instances_val2017.json").write_text(json.dumps(content))


def page_of(root, images, objects, right, wrong, name="person"):
    """The sheet, where of each image so many objects are found, and so many things more that are not there."""
    write_tree(root, images, objects, name)
    known = truth(str(root), "val2017")
    count = right + wrong
    place = np.tile(np.arange(count), images)
    boxes = np.stack([20.0 * (place % 30), 20.0 * (place // 30), np.full(place.shape, 15.0)], axis=1)[:, [0, 1, 2, 2]]
    boxes[place >= right] += [0, 200, 100, 100]
    image = np.repeat(np.arange(images), count)
    none = np.zeros(len(image), np.int64)
    scores = 0.9 - place / 1000
    detections = Objects(image, none, boxes, boxes[:, 2:].prod(axis=1), none.astype(bool), scores)
    return sheet("boxes, mini-0", str(root), "val2017", matched(detections, known))


def figures(page):
    """Of each: what is annotated and what was detected, and how many boxes are drawn of each kind."""
    for figure in re.findall(r"<figure>.*?</figure>", page, re.DOTALL):
        annotated = " ".join(re.search(r"annotated: (.*?)<ul>", figure, re.DOTALL)[1].split())
        items = re.findall(r"<li[^>]*>(.*?)</li>", figure)
        drawn = {kind: path.count("M") for kind, path in re.findall(r'<path class="(\w+)" d="([^"]*)"/>', figure)}
        yield annotated, items, drawn


def test_all_boxes_are_shown_where_there_are_few(tmp_path):
    page = page_of(tmp_path, images=2, objects=3, right=1, wrong=1)
    assert "2 of 2 images have a mistake" in page
    for annotated, items, drawn in figures(page):
        assert annotated == "person, person, person"
        assert items == ["person 0.90, wrong", "person 0.90"], "the wrong one first"
        assert drawn == {"object": 3, "right": 1, "wrong": 1}
    assert page.count("<code>") == 2
    assert page.count("3 mistakes") == 2
    assert 'd="M0.0 200.0h115.0v115.0h-115.0z"' not in page
    assert 'd="M20.0 200.0h115.0v115.0h-115.0z"' in page


def test_an_image_without_a_mistake_is_not_shown(tmp_path):
    page = page_of(tmp_path, images=2, objects=3, right=3, wrong=0)
    assert "0 of 2 images have a mistake" in page
    assert list(figures(page)) == []


def test_where_there_are_many_the_rest_is_counted_and_the_wrong_ones_are_shown(tmp_path):
    ((annotated, items, drawn),) = figures(page_of(tmp_path, images=1, objects=90, right=60, wrong=10))
    assert drawn["object"] == annotated.count("person") > 15
    assert annotated.endswith(f"person … and {90 - drawn['object']} more")
    *named, rest = items
    assert [text.endswith(", wrong") for text in named] == [True] * 10 + [False] * (len(named) - 10)
    assert (drawn["wrong"], drawn["right"]) == (10, len(named) - 10)
    assert rest == f"… and {70 - len(named)} more"


@pytest.mark.parametrize(
    "name", ["person", "<'>&\"" * 8, "人" * 30, "x" * 10_000], ids=["plain", "marks", "wide", "long"]
)
def test_24_crowded_images_of_noise_stay_under_300_kb(tmp_path, name):
    page = page_of(tmp_path, images=25, objects=90, right=50, wrong=50, name=name)
    assert len(list(figures(page))) == 24
    assert len(page.encode()) < 300_000


def test_the_page_needs_no_other_file(tmp_path):
    page = page_of(tmp_path, images=1, objects=3, right=0, wrong=2)
    assert re.findall(r'href="([^,]*),', page) == ["data:image/jpeg;base64"]
    assert not re.search(r"https?:|url\(|@import|<link|<script", page)
