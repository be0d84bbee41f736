"""COCO's images on their way to a network: which are used, how they are cut, and that nothing depends on the order."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.errors import UserError
from datamodules.coco import CocoData, TrainingImages, collate, read_image, usable_images
from datamodules.layouts.coco import open_split
from datamodules.miniature import coco as miniature
from datamodules.resizing import GREY, ScaleJitter, ShortSide, mirrored
from datamodules.sampling import TrainingBatches, steps_per_epoch
from results.scoring.average_precision import Objects


def by_number(split, number, first=139):
    """Position of the miniature's scene of that number."""
    return split.truth.ids.index(first + 3 * number)


@pytest.fixture(scope="module")
def train(coco_tree):
    return open_split(str(coco_tree), "train2017")


def data(root, **changes):
    settings = {
        "seed": 0, "global_batch_size": 8, "evaluation_batch_size": 4, "resizing": ShortSide([64], 200), "workers": 0,
    }  # fmt: skip
    return CocoData(str(root), **settings | changes)


def test_training_leaves_out_what_holds_nothing_to_learn(train):
    usable = set(usable_images(train.truth).tolist())
    for number in (miniature.EMPTY, miniature.SPECK, miniature.CROWD_ONLY):
        assert by_number(train, number) not in usable, "no annotation, one of less than a pixel, or a crowd alone"
    for number in (miniature.GREY, miniature.CMYK, miniature.BEYOND, miniature.FLAT):
        assert by_number(train, number) in usable
    assert len(train) == 40, "all are there to be tested on"


def test_an_object_must_be_larger_than_a_pixel_both_ways(train):
    boxes = np.array([[0, 0, 1.5, 1.5], [0, 0, 1.0, 9.0], [0, 0, 9.0, 1.0]])
    none = np.zeros(3, np.int64)
    objects = Objects(np.arange(3), none, boxes, boxes[:, 2] * boxes[:, 3], none > 0, none * 1.0)
    assert usable_images(replace(train.truth, objects=objects)).tolist() == [0]


def test_what_a_network_trains_on(train):
    images = TrainingImages(train, np.arange(len(train)), 0, ShortSide([64], 200))
    flat = images[0, by_number(train, miniature.FLAT)]
    objects = train.truth.objects
    annotated = (objects.image == by_number(train, miniature.FLAT)) & ~objects.crowd
    assert len(flat["boxes"]) == annotated.sum() - 1, "all but the box without height"
    for index in range(len(train)):
        example = images[0, index]
        height, width = example["image"].shape[1:]
        boxes = example["boxes"]
        assert example["image"].dtype == torch.uint8
        assert min(height, width) == 64
        assert len(example["labels"]) == len(boxes)
        assert (boxes >= -1e-3).all()
        assert (boxes <= torch.tensor([width, height] * 2) + 1e-3).all(), "also where the annotation leaves the image"
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    crowd = images[0, by_number(train, miniature.CROWD_ONLY)]
    assert crowd["boxes"].shape == (0, 4)


def test_an_augmentation_is_a_function_of_seed_epoch_and_id(train):
    def drawn(seed, epoch, index, usable):
        return TrainingImages(train, usable, seed, ShortSide([40, 48, 56, 64, 72, 80], 300))[epoch, index]["image"]

    everything = np.arange(len(train))
    first = drawn(0, 3, 5, everything)
    assert torch.equal(first, drawn(0, 3, 0, np.array([5]))), "wherever it stands"
    others = [drawn(seed, epoch, 5, everything) for seed, epoch in ((1, 3), (0, 4), (2, 0), (7, 7))]
    assert any(other.shape != first.shape or not torch.equal(other, first) for other in others)


def test_every_other_image_is_mirrored(train):
    images = TrainingImages(train, np.arange(len(train)), 0, ShortSide([64], 200))
    corners = [images[epoch, 0]["boxes"][0].tolist() for epoch in range(60)]
    kinds = sorted(map(tuple, corners))
    assert len(set(kinds)) == 2, "as it is and mirrored"
    assert 20 <= kinds.count(kinds[0]) <= 40


def test_grey_and_cmyk_images_have_three_channels(train):
    for number in (miniature.GREY, miniature.CMYK):
        index = by_number(train, number)
        with Image.open(train.where(index)) as image:
            assert image.mode == ("L" if number == miniature.GREY else "CMYK")
            expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        np.testing.assert_array_equal(read_image(train, index).numpy(), expected)


def test_an_image_of_another_size_is_refused(coco_tree, tmp_path):
    root = shutil.copytree(coco_tree, tmp_path / "coco")
    split = open_split(str(root), "val2017")
    Image.new("RGB", (5, 7)).save(split.where(2))
    with pytest.raises(UserError, match=r"has 5 x 7 pixels, its annotation says"):
        read_image(split, 2)


def test_the_short_side_and_its_boxes():
    image, boxes = torch.zeros(3, 100, 200, dtype=torch.uint8), torch.tensor([[20.0, 10, 60, 50]])
    rng = np.random.default_rng(0)
    small, moved = ShortSide([50], 1000)(image, boxes, rng)
    assert (small.shape, moved.tolist()) == ((3, 50, 100), [[10, 5, 30, 25]])
    small, moved = ShortSide([80], 120)(image, boxes, rng)  # the longer side decides: 120 / 200 = 0.6
    assert small.shape == (3, 60, 120)
    torch.testing.assert_close(moved, torch.tensor([[12.0, 6, 36, 30]]))


def test_a_mirror():
    image, boxes = mirrored(torch.arange(6).reshape(1, 2, 3), torch.tensor([[0.0, 0, 1, 2]]))
    assert image.tolist() == [[[2, 1, 0], [5, 4, 3]]]
    assert boxes.tolist() == [[2, 0, 3, 2]]


def test_scale_jitter_fills_what_is_small_and_cuts_what_is_large():
    white = torch.full((3, 100, 50), 255, dtype=torch.uint8)
    boxes = torch.tensor([[0.0, 0, 50, 100]])
    image, moved = ScaleJitter(80, 0.5, 0.5)(white, boxes, np.random.default_rng(0))  # 80 / 100 * 0.5 = 0.4
    assert image.shape == (3, 80, 80)
    assert moved.tolist() == [[0, 0, 20, 40]]
    assert image[:, 60, 60].tolist() == list(GREY)
    assert (image[:, :40, :20] == 255).all()
    image, moved = ScaleJitter(80, 2.0, 2.0)(white, boxes, np.random.default_rng(0))  # 160 x 80, cut to 80 x 80
    assert (image == 255).all()
    assert moved.tolist() == [[0, 0, 80, 80]]


def test_global_batches_never_mix_upright_and_wide_images():
    groups = np.random.default_rng(0).integers(2, size=103)
    per_epoch = steps_per_epoch(np.bincount(groups).tolist(), 8)
    ranks = [list(TrainingBatches(groups, 8, rank, 2, 1, 5, lambda: per_epoch)) for rank in (0, 1)]
    seen = [sorted(one + two) for one, two in zip(*ranks, strict=True)]
    assert len(seen) == per_epoch == sum(np.bincount(groups) // 8)
    assert {epoch for batch in seen for epoch, _ in batch} == {1}
    kinds = [{groups[index] for _, index in batch} for batch in seen]
    assert {len(kind) for kind in kinds} == {1}
    assert len({index for batch in seen for _, index in batch}) == 8 * per_epoch, "none twice"
    assert kinds != sorted(kinds, key=min), "the groups take turns at random"
    rest = list(TrainingBatches(groups, 8, 0, 2, 1, 5, lambda: per_epoch + 3))
    assert rest == ranks[0][3:], "a restart yields the rest"


def test_lists_because_sizes_differ():
    empty = collate([])
    assert empty == {"image": [], "index": []}


def test_the_same_images_in_both_splits_are_refused(coco_tree, tmp_path):
    root = shutil.copytree(coco_tree, tmp_path / "coco")
    file = root / "annotations/instances_train2017.json"
    content = json.loads(file.read_text())
    taken = content["images"][4]
    shutil.copy(root / "train2017" / taken["file_name"], root / "val2017")
    val = root / "annotations/instances_val2017.json"
    held_out = json.loads(val.read_text())
    held_out["images"].append(taken)
    val.write_text(json.dumps(held_out))
    with pytest.raises(UserError, match=rf"1 images are in train2017 and in val2017, first {taken['id']}"):
        data(root).setup("fit")


def test_a_broken_image_is_found_before_training(coco_tree, tmp_path):
    root = shutil.copytree(coco_tree, tmp_path / "coco")
    name = sorted((root / "val2017").iterdir())[3]
    name.write_bytes(name.read_bytes()[:500])
    with pytest.raises(UserError, match=rf"{name.name} is a truncated JPEG"):
        data(root).verify(training=True)
    name.unlink()
    with pytest.raises(UserError, match=rf"lacks 1 of the 15 annotated images, first {name.name}"):
        data(root).verify(training=False)


def test_the_miniature_is_the_same_every_time_and_holds_the_traps(coco_tree, tmp_path, monkeypatch):
    monkeypatch.setitem(miniature.SCENES, "train2017", 14)
    monkeypatch.setitem(miniature.SCENES, "val2017", 13)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        miniature.write(tmp_path / name)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) == 14 + 13 + 2
    for path in files:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path
    content = json.loads((coco_tree / "annotations/instances_train2017.json").read_text())
    ids = [image["id"] for image in content["images"]]
    assert ids != sorted(ids)
    assert max(category["id"] for category in content["categories"]) == 90
    assert any(each["bbox"][3] == 0 for each in content["annotations"])
    assert any(each["iscrowd"] for each in content["annotations"])
    assert {each["image_id"] for each in content["annotations"]} < set(ids)


@pytest.mark.parametrize("change", [{"category_id": 1}, {"bbox": [1.0, 1.0, 5.0, 5.0]}, {"iscrowd": 1}])
def test_fingerprint_changes_with_an_annotation(coco_tree, tmp_path, change):
    copied = shutil.copytree(coco_tree, tmp_path / "tree")
    file = copied / "annotations/instances_train2017.json"
    content = json.loads(file.read_text())
    each = next(each for each in content["annotations"] if all(each[key] != value for key, value in change.items()))
    each |= change
    file.write_text(json.dumps(content))
    before, after = data(coco_tree), data(copied)
    for datamodule in (before, after):
        datamodule.setup("fit")
    assert [*before.fingerprint] == ["classes", "train2017", "train2017 digest", "val2017", "val2017 digest"]
    assert [key for key in before.fingerprint if before.fingerprint[key] != after.fingerprint[key]] == [
        "train2017 digest"
    ]
