"""COCO's numbers against pycocotools and faster-coco-eval, and by hand."""

import numpy as np
import pytest

from results.scoring import average_precision, detection
from tests.results.scenes import CASES, CATEGORIES, LIMITS, drawn, faster, metrics_of, ours, pycocotools, saved


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
