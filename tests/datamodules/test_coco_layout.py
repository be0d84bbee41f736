"""COCO's annotation files as people have them: what is read, what is noted, and every refusal."""

import json
import shutil

import numpy as np
import pytest
from pycocotools.coco import COCO

from datamodules.layouts import coco
from datamodules.layouts.coco import check, open_split
from tests.refusals import refusal

IDS = (42, 139, 285, 1000, 90_000)
NAMES = {90: "toothbrush", 1: "person", 18: "dog"}


def annotation(number, image, category, **fields):
    form = {"id": number, "image_id": image, "category_id": category, "bbox": [1.5, 2, 30, 40], "area": 700.25}
    return form | {"iscrowd": 0, "segmentation": [[1.5, 2, 31.5, 2, 31.5, 42]]} | fields


def instances():
    """An annotation file as the official ones are: ids with gaps, in no order, and much that nobody asks for."""
    names = [f"{each:012d}.jpg" for each in IDS]
    images = [
        {"id": each, "file_name": name, "width": 600 + place, "height": 400 + place, "license": 3, "coco_url": ""}
        for place, (each, name) in enumerate(zip(IDS, names, strict=True))
    ]
    return {
        "info": {"year": 2017},
        "licenses": [],
        "images": [images[place] for place in (2, 0, 4, 1, 3)],
        "annotations": [
            annotation(900, 285, 90),
            annotation(7, 42, 1, bbox=[0, 0, 64, 48], area=3072, iscrowd=1, segmentation={"counts": [], "size": []}),
            annotation(31, 285, 18, bbox=[5, 6, 7, 0], area=0),
        ],
        "categories": [{"id": each, "name": name, "supercategory": "thing"} for each, name in NAMES.items()],
    }


def put(root, content, split="val2017"):
    """Writes an annotation file: bytes, or of what is no bytes JSON."""
    file = root / f"annotations/instances_{split}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return file


# What is read


def test_images_and_categories_ascend_by_their_ids(tmp_path):
    put(tmp_path, instances())
    split = open_split(str(tmp_path), "val2017")
    assert split.truth.ids == IDS
    assert split.truth.sizes.tolist() == [[600, 400], [601, 401], [602, 402], [603, 403], [604, 404]]
    assert split.file_names == tuple(f"{each:012d}.jpg" for each in IDS)
    assert split.truth.categories == (1, 18, 90), "the file's own ids, with their gaps"
    assert split.truth.names == ("person", "dog", "toothbrush")
    assert (len(split), split.where(1)) == (5, str(tmp_path / "val2017/000000000139.jpg"))


def test_objects_keep_their_order_their_area_and_the_crowd(tmp_path):
    put(tmp_path, instances())
    objects = coco.truth(str(tmp_path), "val2017").objects
    assert [IDS[each] for each in objects.image] == [285, 42, 285]
    assert [(1, 18, 90)[each] for each in objects.category] == [90, 1, 18]
    assert objects.boxes.tolist() == [[1.5, 2, 30, 40], [0, 0, 64, 48], [5, 6, 7, 0]]
    assert objects.areas.tolist() == [700.25, 3072, 0], "of the mask, which is not width times height"
    assert objects.crowd.tolist() == [False, True, False]
    assert objects.scores.tolist() == [0, 0, 0]


def test_the_annotations_of_a_split_are_all_that_scoring_reads(tmp_path):
    put(tmp_path, instances())
    assert [path.name for path in tmp_path.iterdir()] == ["annotations"]
    assert coco.truth(str(tmp_path), "val2017").ids == IDS


def test_each_split_has_its_own_file(tmp_path):
    put(tmp_path, instances())
    put(tmp_path, instances() | {"annotations": []}, "train2017")
    val, train = (open_split(str(tmp_path), split) for split in ("val2017", "train2017"))
    assert (len(val.truth.objects.image), len(train.truth.objects.image)) == (3, 0)
    assert train.truth.objects.boxes.shape == (0, 4)
    assert (train.folder, train.name) == (tmp_path / "train2017", "train2017")


def test_an_annotation_that_says_nothing_of_crowds_is_none(tmp_path):
    content = instances()
    del content["annotations"][0]["iscrowd"]
    put(tmp_path, content)
    assert not coco.truth(str(tmp_path), "val2017").objects.crowd[0]


def test_an_image_opens_as_the_bytes_in_its_file(tmp_path):
    put(tmp_path, instances())
    (tmp_path / "val2017").mkdir()
    (tmp_path / "val2017/000000000139.jpg").write_bytes(b"pixels")
    split = open_split(str(tmp_path), "val2017")
    with split.open(1) as stream:
        assert stream.read() == b"pixels"
    with pytest.raises(FileNotFoundError):
        split.open(0)


# What is refused


def test_missing_files_are_named_with_the_tree_that_is_expected(tmp_path):
    file = tmp_path / "annotations/instances_val2017.json"
    absent = tmp_path / "absent"
    cases = {
        str(tmp_path): f"{file} is missing",
        str(absent): f"{absent} is no folder. Set DATA to the folder that holds COCO",
        str(put(tmp_path, instances(), "train2017")): "is no folder",
        "hf:detection-datasets/coco": "DATA=hf:detection-datasets/coco: COCO is read from a folder",
    }
    for root, part in cases.items():
        for message in (refusal(open_split, root, "val2017"), refusal(check, root, False, False)):
            assert part in message
            assert "<root>/annotations/instances_val2017.json" in message
            assert "make data-coco DATA=<root>" in message


def entry(key, number, **fields):
    """A file that is sound but for fields of one entry."""
    content = instances()
    content[key][number] |= fields
    return content


def without(key, number=None, field=None):
    content = instances()
    del (content if field is None else content[key][number])[key if field is None else field]
    return content


TEXT = json.dumps(instances()).encode()
FORM = "Expected COCO's object instances: images, annotations and categories"
INCOMPLETE = "of which the file lacks one"

BAD = {
    # what is wrong: (the content, what the message must say)
    "image twice": (
        entry("images", 1, id=285),
        ["ids of images stand more than once (1), first 285", "Each must stand once"],
    ),
    "category twice": (entry("categories", 1, id=18), ["ids of categories stand more than once (1), first 18"]),
    "annotation twice": (entry("annotations", 2, id=900), ["ids of annotations stand more than once (1), first 900"]),
    "every annotation of one id": (
        instances() | {"annotations": [annotation(5, 42, 1), annotation(6, 42, 1)] * 2},
        ["ids of annotations stand more than once (2), first 5"],
    ),
    "unknown image": (entry("annotations", 1, image_id=43), ["annotation 7 is about image 43 and", INCOMPLETE]),
    "unknown category": (entry("annotations", 2, category_id=2), ["annotation 31 is about", "category 2,", INCOMPLETE]),
    "negative width": (entry("annotations", 0, bbox=[1, 2, -3, 4]), ["annotation 900 has bbox [1.0, 2.0, -3.0, 4.0]"]),
    "negative height": (entry("annotations", 0, bbox=[1, 2, 3, -4]), ["annotation 900", "sizes are never negative"]),
    "negative area": (entry("annotations", 1, area=-0.5), ["annotation 7", "area -0.5", "sizes are never negative"]),
    "annotation 0": (entry("annotations", 1, id=0), ["annotation 0 has", "ids begin at 1", "0 for no object"]),
    "truncated": (TEXT[: len(TEXT) // 2], [f"({len(TEXT) // 2:,} bytes) ends in the middle", "Copy or write it again"]),
    "empty": (b"", ["(0 bytes) ends in the middle"]),
    "a page": (b"<html>login</html>", ["is not JSON"]),
    "NaN": (entry("annotations", 0, area=float("nan")), ["NaN or Infinity"]),
    "results": (instances()["annotations"], ["Expected `object`, got `array`", FORM]),
    "captions": (without("annotations", 0, "bbox"), ["missing required field `bbox`", "$.annotations[0]", FORM]),
    "no area": (without("annotations", 2, "area"), ["missing required field `area`", "$.annotations[2]", FORM]),
    "no images": (without("images"), ["missing required field `images`", FORM]),
    "no sizes": (without("images", 3, "width"), ["missing required field `width`", "$.images[3]", FORM]),
    "corners by name": (entry("annotations", 0, bbox={"x1": 1}), ["Expected `array`", "$.annotations[0].bbox", FORM]),
    "id as text": (entry("annotations", 0, image_id="285"), ["got `str`", "$.annotations[0].image_id", FORM]),
}


@pytest.mark.parametrize(("content", "parts"), BAD.values(), ids=BAD.keys())
def test_mistakes_in_the_annotations_are_named(tmp_path, content, parts):
    file = put(tmp_path, content)
    message = refusal(open_split, str(tmp_path), "val2017")
    for part in (str(file), *parts):
        assert part in message
    assert len(message) < 500


# Images


def test_images_that_are_missing_are_counted_and_the_first_are_named(tmp_path):
    put(tmp_path, instances())
    split = open_split(str(tmp_path), "val2017")
    message = refusal(split.require_images)
    assert f"{tmp_path / 'val2017'} is missing" in message
    assert "make data-coco" in message
    (tmp_path / "val2017").mkdir()
    (tmp_path / "val2017/000000000139.jpg").touch()
    assert (
        "lacks 4 of the 5 annotated images, first 000000000042.jpg, 000000000285.jpg, 000000001000.jpg. Unpack"
        in refusal(split.require_images)
    )
    for name in split.file_names[:-1]:
        (tmp_path / "val2017" / name).touch()
    assert "lacks 1 of the 5 annotated images, first 000000090000.jpg. Unpack" in refusal(split.require_images)
    (tmp_path / "val2017" / split.file_names[-1]).touch()
    (tmp_path / "val2017/another.jpg").touch()
    split.require_images()


# The look before a run


def test_another_number_of_images_is_noted_before_a_full_run(tmp_path):
    put(tmp_path, instances())
    (note,) = check(str(tmp_path), training=False, full=True)
    for part in ("not COCO 2017 whole", "val2017: 5 images, officially 5,000", "unofficial", "`not comparable`"):
        assert part in note
    assert check(str(tmp_path), training=False, full=False) == []


def test_the_official_number_of_images_is_not_noted(tmp_path, monkeypatch):
    put(tmp_path, instances())
    monkeypatch.setitem(coco.OFFICIAL, "val2017", 5)
    assert check(str(tmp_path), training=False, full=True) == []


def test_only_training_needs_the_training_annotations(tmp_path):
    put(tmp_path, instances())
    for full in (False, True):
        assert "instances_train2017.json is missing" in refusal(check, str(tmp_path), True, full)
        check(str(tmp_path), training=False, full=full)
    put(tmp_path, b"is read when training starts", "train2017")
    assert check(str(tmp_path), training=True, full=False) == []
    assert len(check(str(tmp_path), training=True, full=True)) == 1
    shutil.rmtree(tmp_path / "annotations")
    put(tmp_path, instances(), "train2017")
    assert "instances_val2017.json is missing" in refusal(check, str(tmp_path), True, False)


def test_a_full_run_looks_into_the_annotations_before_it_starts(tmp_path):
    file = put(tmp_path, TEXT[:-100])
    assert f"{file} ({len(TEXT) - 100:,} bytes) ends in the middle" in refusal(check, str(tmp_path), False, True)


def test_what_is_read_is_what_the_official_index_holds(tmp_path):
    file = put(tmp_path, instances())
    truth, official = coco.truth(str(tmp_path), "val2017"), COCO(str(file))
    assert list(truth.ids) == sorted(official.getImgIds())
    assert list(truth.categories) == sorted(official.getCatIds())
    areas = [each["area"] for image in truth.ids for each in official.imgToAnns[image]]
    assert truth.objects.areas[np.argsort(truth.objects.image, kind="stable")].tolist() == areas


@pytest.mark.parametrize("crowd", [True, False])
def test_annotations_without_anything_to_find_score_nothing(tmp_path, crowd):
    content = instances()
    content["annotations"] = [each | {"iscrowd": 1} for each in content["annotations"]] if crowd else []
    put(tmp_path, content)
    assert "hold no object that could be found" in refusal(coco.truth, str(tmp_path), "val2017")
