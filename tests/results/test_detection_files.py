"""Results in COCO's format: what is written is read again, and every mistake that a file can hold is named."""

import json

import numpy as np
import pytest

from results.scoring import detection
from results.scoring.average_precision import Objects
from tests.refusals import assert_told

# COCO's own ids have gaps; 12, 26, 29, 30, 45, 66, 68, 69, 71 and 83 are no categories.
CATEGORIES = tuple(sorted({*range(1, 91)} - {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}))
GOOD = {"image_id": 42, "category_id": 18, "bbox": [10, 20.5, 300, 40], "score": 0.9}


@pytest.fixture(scope="module")
def truth():
    one = np.zeros(1, np.int64)
    dog = Objects(one, one + CATEGORIES.index(18), np.array([[10, 20.5, 300, 40]]), np.array([9e3]), one > 0, one * 0.0)
    sizes = np.array([[640, 480], [500, 375], [427, 640]])
    return detection.Truth((42, 139, 285), sizes, CATEGORIES, tuple(f"thing {each}" for each in CATEGORIES), dog)


def saved(folder, content):
    """A file of bytes, or of what is no bytes as JSON."""
    file = folder / "theirs.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return file


def changed(**fields):
    """A good file but for fields of its second detection (from 0)."""
    return [GOOD, GOOD, GOOD | fields, GOOD]


def lacking(key):
    return [GOOD, {name: value for name, value in GOOD.items() if name != key}]


def test_what_is_written_is_read_again(tmp_path, truth):
    found = [[(18, 0.1, -2.5, 1 / 3, 40, 1e-7), (1, 5, 6, 0, 8, 1 / 7)], [], [(90, 426.9, 0, 1e-9, 640, 1.0)]]
    assert detection.write(tmp_path, found, truth) == [tmp_path / "results.json"] == detection.files(tmp_path)
    read = detection.read(tmp_path, truth)
    assert [truth.ids[each] for each in read.detections.image] == [42, 42, 285]
    assert [CATEGORIES[each] for each in read.detections.category] == [18, 1, 90]
    assert read.detections.boxes.tolist() == [[0.1, -2.5, 1 / 3, 40], [5, 6, 0, 8], [426.9, 0, 1e-9, 640]], "each bit"
    assert read.detections.scores.tolist() == [1e-7, 1 / 7, 1.0]
    assert read.detections.areas.tolist() == [1 / 3 * 40, 0, 1e-9 * 640]
    assert (read.scored, read.unique) == (3, 3), "an image without detections is scored too"


def test_the_file_is_what_the_official_tool_reads(tmp_path, truth):
    (file,) = detection.write(tmp_path, [[(18, 10, 20.5, 300, 40, 0.9)], [], []], truth)
    assert json.loads(file.read_text()) == [GOOD]


@pytest.mark.parametrize("images", [0, 2, 4])
def test_predictions_for_other_images_are_not_written(tmp_path, truth, images):
    with pytest.raises(ValueError, match="zip"):
        detection.write(tmp_path, [[]] * images, truth)
    assert not list(tmp_path.iterdir())


def test_the_file_and_its_folder_are_the_same(tmp_path, truth):
    file = saved(tmp_path, [GOOD])
    file.rename(tmp_path / "results.json")
    for path in (tmp_path, tmp_path / "results.json"):
        assert detection.files(path) == [tmp_path / "results.json"]
        assert detection.score(detection.read(path, truth), truth)["AP/thing 18"] == pytest.approx(100)


@pytest.mark.parametrize("rows", [[], [[], [], []]], ids=["no detection", "written without any"])
def test_no_detection_is_a_result(tmp_path, truth, rows):
    if rows:
        detection.write(tmp_path, rows, truth)
    else:
        saved(tmp_path, []).rename(tmp_path / "results.json")
    read = detection.read(tmp_path, truth)
    assert (len(read.detections.scores), read.scored) == (0, 3)
    assert detection.score(read, truth)["AP"] == 0


@pytest.mark.parametrize(
    "content",
    [
        pytest.param([GOOD | {"id": 7, "area": 3.5, "segmentation": [], "iscrowd": 0, "name": None}], id="extra keys"),
        pytest.param([GOOD | {"bbox": [10, 20, 300, 40], "score": 1}], id="whole numbers"),
        pytest.param(json.dumps([GOOD], indent=4).encode() + b"\r\n", id="indented"),
        pytest.param([GOOD | {"score": 97.5}], id="a score of percents"),
        pytest.param([GOOD | {"score": 0}], id="a score of zero"),
        pytest.param([GOOD | {"bbox": [-7.5, -3, 700, 500]}], id="beyond the image"),
        pytest.param([GOOD | {"bbox": [10, 20, 0, 0]}], id="no size"),
        pytest.param([GOOD | {"bbox": [0.5, 0.5, 0.25, 0.25]}] * 19, id="a few tiny boxes"),
        pytest.param([*[GOOD | {"bbox": [0.5, 0.5, 0.25, 0.25]}] * 50, GOOD], id="tiny boxes and a large one"),
        pytest.param([GOOD | {"bbox": [0, 0, 640, 480]}] * 50, id="whole images"),
        pytest.param([*[GOOD | {"bbox": [400, 300, 240, 180]}] * 50, GOOD], id="down to the corner"),
        pytest.param(
            [*[GOOD | {"bbox": [400, 300, 245, 185]}] * 7, *[GOOD | {"bbox": [-5, 9, 300, 200]}] * 13],
            id="beyond the border on each side",
        ),
        pytest.param([GOOD | {"bbox": [500, 400, 300, 200]}] * 20, id="in the pixels of a larger image"),
    ],
)
def test_harmless_variation_is_accepted(tmp_path, truth, content):
    read = detection.read(saved(tmp_path, content), truth)
    assert len(read.detections.scores) == (len(content) if isinstance(content, list) else 1)
    assert read.detections.areas.tolist() == read.detections.boxes[:, 2:].prod(axis=1).tolist()


FORM = 'Expected a list of {"image_id": 42, "category_id": 18, "bbox": [x, y, width, height], "score": 0.9}'
CONTIGUOUS = [GOOD | {"category_id": each} for each in range(1, 81)]
CORNERS = [GOOD | {"bbox": [400, 300, 500 + each, 400]} for each in range(20)]
CENTRES = [GOOD | {"bbox": [500 - each, 300, 250, 200]} for each in range(20)]
STICKING_OUT = [GOOD | {"bbox": [120, 80, 250, 200]}, *CENTRES]  # its corner at -5, -20, as a detector may say it
FRACTIONS = [GOOD | {"bbox": [0.1, 0.2, 0.5, each / 20]} for each in range(1, 21)]

BAD = {
    # what is wrong: (the content, what the message must say: where, what, and what to do)
    "unknown image": (changed(image_id=43), ["1 of 4 detections", "image_id", "first 43 at detection 2 (from 0)"]),
    "images of another split": (
        [GOOD | {"image_id": each} for each in (1, 2, 42, 3, 4, 4)],
        ["5 of 6 detections", "first 1, 2, 3 at detection 0 (from 0)", "another split"],
    ),
    "image beyond the last": (changed(image_id=286), ["first 286 at detection 2"]),
    "image before the first": (changed(image_id=-1), ["first -1 at detection 2"]),
    "unknown category": (changed(category_id=12), ["1 of 4 detections", "category_id", "first 12 at detection 2"]),
    "categories from 1 to 80": (CONTIGUOUS, ["of 80 detections", "category_id", "12, 26, 29", "gaps", "go up to 90"]),
    "category by position": (
        changed(category_id=0),
        ["first 0 at detection 2", "Ids are those of the annotation file"],
    ),
    "negative width": (
        changed(bbox=[1, 2, -3, 4]),
        ["detection 2 (from 0)", "[1.0, 2.0, -3.0, 4.0]", "never negative"],
    ),
    "negative height": ([GOOD, *[GOOD | {"bbox": [1, 2, 3, -4]}] * 5], ["detection 1 (from 0)", "5 such boxes"]),
    "negative score": (changed(score=-0.5), ["detection 2 (from 0)", "score is -0.5", "none is negative"]),
    "NaN": (changed(score=float("nan")), ["NaN or Infinity", "Remove their cause"]),
    "NaN in a box": (changed(bbox=[1, 2, float("nan"), 4]), ["NaN or Infinity"]),
    "Infinity": (changed(bbox=[1, 2, float("inf"), 4]), ["NaN or Infinity"]),
    "-Infinity": (changed(score=-float("inf")), ["NaN or Infinity"]),
    "null": (changed(score=None), ["Expected `float`, got `null`", "$[2].score", FORM]),
    "endless score": (json.dumps([GOOD]).replace("0.9", "1e400").encode(), ["out of range", "$[0].score"]),
    "truncated": (json.dumps([GOOD] * 30).encode()[:1_500], ["(1,500 bytes)", "ends in the middle", "Copy or write"]),
    "empty": (b"", ["(0 bytes)", "ends in the middle"]),
    "CSV": (b"image_id,category_id,x,y,width,height,score\n", ["is not JSON", "byte 0"]),
    "two lists": (json.dumps([GOOD]).encode() * 2, ["is not JSON", "trailing characters"]),
    "bottomless": (b'[{"note":' + b"[" * 100_000, ["is not JSON", "recursion"]),
    "packed": (b"\x1f\x8b\x08\x00", [": packed by gzip; unpack it (`gunzip`)"]),
    "UTF-16": (json.dumps([GOOD]).encode("utf-16"), [": text in UTF-16; save it in UTF-8"]),
    "a row a line": (b"\n".join([json.dumps(GOOD).encode()] * 2), ["Expected `array`, got `object`", FORM]),
    "annotations": ({"annotations": [GOOD]}, ["Expected `array`, got `object`", FORM]),
    "lists": ([[42, 18, 1, 2, 3, 4, 0.9]], ["Expected `object`, got `array`", "$[0]", FORM]),
    "image by name": (changed(image_id="000000000042"), ["Expected `int`, got `str`", "$[2].image_id", FORM]),
    "fraction of an image": (changed(image_id=42.5), ["Expected `int`, got `float`", "$[2].image_id"]),
    "category by name": (changed(category_id="dog"), ["Expected `int`, got `str`", "$[2].category_id"]),
    "score as text": (changed(score="0.9"), ["Expected `float`, got `str`", "$[2].score"]),
    "three numbers": (changed(bbox=[1, 2, 3]), ["length 4", "$[2].bbox", FORM]),
    "five numbers": (changed(bbox=[1, 2, 3, 4, 0.9]), ["length 4", "$[2].bbox", FORM]),
    "box of names": (changed(bbox={"x": 1, "y": 2, "w": 3, "h": 4}), ["Expected `array`", "$[2].bbox", FORM]),
    "masks": (lacking("bbox"), ["missing required field `bbox`", "$[1]", FORM]),
    "no score": (lacking("score"), ["missing required field `score`", "$[1]", FORM]),
    "id beyond 64 bits": (changed(image_id=2**63), ["image_id", "9223372036854775807"]),
    "width beyond numbers": (changed(bbox=[1, 2, 1e308, 4]), ["bbox", "<= 1000000000"]),
    "corners": (CORNERS, ["seem to be corners [x1, y1, x2, y2]", "Write x, y, width and height"]),
    "centres": (CENTRES, ["seem to begin with their centres", "Write x and y of the upper left corner"]),
    "centres, one box beyond the border": (STICKING_OUT, ["seem to begin with their centres"]),
    "fractions": (FRACTIONS, ["at most 1", "fractions", "Write pixels"]),
}


@pytest.mark.parametrize(("content", "parts"), BAD.values(), ids=BAD.keys())
def test_mistakes_are_named_with_their_place_and_remedy(tmp_path, truth, content, parts):
    file = saved(tmp_path, content)
    assert_told([str(file), *parts], detection.read, file, truth)


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        ([GOOD, changed(image_id=139)[2], changed(image_id=285)[2]], []),
        ([GOOD], ["2 of 3 images have no detections"]),
        ([], ["3 of 3 images have no detections"]),
        (
            [*(changed(image_id=each)[2] for each in (139, 285)), *[GOOD] * 3, GOOD | {"score": 0.8}],
            ["2 of 6 detections stand twice, with the same box and score"],
        ),
    ],
)
def test_what_is_odd_about_detections_is_said(tmp_path, truth, content, notes):
    assert [*detection.notes(detection.read(saved(tmp_path, content), truth), truth)] == notes


ONE_A_SCORE = [changed(image_id=(42, 139, 285)[each % 3], score=each / 50)[2] for each in range(1, 51)]
MISSED = [row | {"bbox": [300, 200, 60, 90]} for row in ONE_A_SCORE]
HOPELESS = (
    "hardly a box hits its object (AP50 is below 2 %; {} % of boxes leave their images): if a trained detector found "
    "them, they are not [x, y, width, height] in pixels of the original image, or categories or images are mixed up."
)


@pytest.mark.parametrize(
    ("content", "notes"),
    [
        pytest.param(ONE_A_SCORE, [], id="right"),
        pytest.param([*MISSED[:45], *ONE_A_SCORE[45:]], [], id="weak"),
        pytest.param(MISSED, [HOPELESS.format(0)], id="elsewhere"),
        pytest.param([row | {"bbox": [600, 40, 500, 700]} for row in MISSED], [HOPELESS.format(100)], id="beyond"),
        pytest.param(
            [row | {"category_id": 19} for row in ONE_A_SCORE], [HOPELESS.format(0)], id="of another category"
        ),
        pytest.param(MISSED[:19], [], id="few"),
        pytest.param(
            ONE_A_SCORE[9:],
            [
                "no score is below 0.2: weaker detections seem to be left out, which AP counts too. Write all of 0.05 "
                "or more."
            ],
            id="cut off",
        ),
        pytest.param([row | {"score": 100 * row["score"]} for row in ONE_A_SCORE], [], id="in percent"),
    ],
)
def test_detections_that_are_plainly_not_what_was_found_are_told(tmp_path, truth, content, notes):
    assert [*detection.notes(detection.read(saved(tmp_path, content), truth), truth)] == notes


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("absent.json", ["absent.json", "No such file"]),
        ("empty", ["empty/results.json", "No such file"]),
        ("nested", ["nested/results.json", "Is a directory"]),
        ("file/results.json", ["file/results.json", "Not a directory"]),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, truth, name, parts):
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested/results.json").mkdir(parents=True)
    (tmp_path / "file").touch()
    assert_told([*parts, "give the file, or the folder with it"], detection.read, tmp_path / name, truth)
