"""The sheet of a robot: its limbs by hand, and the film of the episode with the least return."""

import re
from xml.etree import ElementTree

import mujoco
import numpy as np
import pytest

from datamodules.environments.batched import BatchedMujoco
from datamodules.environments.limbs import limbs, pose, seen, torso
from datamodules.environments.tasks import TASKS
from datamodules.sheets.locomotion import sheet
from results.scoring.control import Predictions
from results.scoring.film import Film


def posed(name, positions):
    model = BatchedMujoco(name, 1).model
    data = mujoco.MjData(model)
    pose(model, data, np.array(positions))
    return torso(data).tolist(), limbs(model, data)


def test_a_hoppers_limbs_by_hand():
    """It stands on a foot 0.1 m above the ground; then it lies in the air, its torso ahead."""
    standing = [(0, 1.05), (0, 1.45)], [(0, 0.6), (0, 1.05)], [(0, 0.1), (0, 0.6)], [(-0.13, 0.1), (0.26, 0.1)]
    place, found = posed("Hopper-v5", [2, 1.25, 0, 0, 0, 0])
    assert place == [2, 0, 1.25]
    assert [limb.radius for limb in found] == [0.05, 0.05, 0.04, 0.06]
    assert not any(limb.far for limb in found)
    for limb, ends in zip(found, standing, strict=True):
        np.testing.assert_allclose(sorted(map(tuple, limb.ends.round(9))), [(2 + x, 0, z) for x, z in ends])
    _, found = posed("Hopper-v5", [2, 1.25, np.pi / 2, 0, 0, 0])
    for limb, ends in zip(found, standing, strict=True):
        turned = sorted((2 + z - 1.25, 0, 1.25 - x) for x, z in ends)
        np.testing.assert_allclose(sorted(map(tuple, limb.ends.round(9))), turned)


def test_far_limbs_come_first_and_are_those_beyond_the_torso_or_called_left():
    (_, depth, _), found = posed("Ant-v5", [0, 4, 0.75, 1, *[0] * 11])
    depths = [limb.ends[:, 1].mean() for limb in found]
    assert depths == sorted(depths, reverse=True)
    assert [limb.far for limb in found] == [each > depth for each in depths] == [True] * 6 + [False] * 7
    (ball,) = (limb for limb in found if limb.radius == 0.25)
    assert ball.ends.tolist() == [[0, 4, 0.75]] * 2, "a sphere is a capsule of no length"
    _, found = posed("Walker2d-v5", [0, 1.25, *[0] * 7])
    assert [limb.far for limb in found] == [True] * 3 + [False] * 4


def test_the_left_legs_of_an_ant_that_has_turned_round_are_near():
    (_, depth, _), found = posed("Ant-v5", [0, 4, 0.75, 0, 0, 0, 1, *[0] * 8])  # by 180 degrees, about the vertical
    assert [limb.far for limb in found] == [each > depth + 1e-9 for each in (limb.ends[:, 1].mean() for limb in found)]
    assert sum(limb.far for limb in found) == 6


def test_a_point_is_seen_from_the_side_and_a_little_from_above():
    assert seen(np.array([1, 2, 3]), 0).tolist() == [1, 3 + 0.3 * 2]
    assert seen(np.array([[1, 2, 3]]), 0.5).tolist() == [[1, 3 + 0.3 * 1.5]]


def predictions(film=None, lengths=(1000, 60)):
    return Predictions((1, 3), np.array([9.0, 2.0]), np.array(lengths), 2, 2, film)


def film(start, speed=0.0):
    """Ten moments of a robot that glides on."""
    positions = tuple((start[0] + speed * moment, *start[1:]) for moment in range(10))
    return Film(1, tuple(0.5 + 0.1 * moment for moment in range(10)), positions)


def drawings(page):
    """Of each frame: its window (left, right, top, bottom), and its elements by name."""
    for text in re.findall(r"<svg [^>]*The robot.*?</svg>", page, re.DOTALL):
        drawing = ElementTree.fromstring(text)
        left, top, width, height = map(int, drawing.get("viewBox").split())
        yield (left, left + width, top, top + height), lambda name, drawing=drawing: list(drawing.iter(name))


def test_a_film_of_ten_frames_in_millimetres():
    page = sheet("t", None, "Hopper-v5", predictions(film((2.4, 1.25, 0, 0, 0, 0), speed=0.1)))
    assert "Episode 1, which the task ended after 60 steps." in " ".join(page.split())
    assert re.findall(r"<figcaption>(.*?)</figcaption>", page) == [*(f"-0.{i} s" for i in range(9, 0, -1)), "0.0 s"]
    assert "grey" not in page
    frames = list(drawings(page))
    assert len(frames) == 10
    assert len({window for window, _ in frames}) == 1, "one scale"
    for number, (_, found) in enumerate(frames):
        upright, *_, foot = (dict(line.items()) for line in found("line"))
        assert upright == {"x1": "0", "x2": "0", "y1": "-1050", "y2": "-1450", "stroke-width": "100"}
        assert {foot["x1"], foot["x2"], foot["y1"], foot["y2"]} == {"-130", "260", "-100"}
        marks = [int(x) for x in re.findall(r"M(-?\d+) 0V", found("path")[0].get("d"))]
        metres = [1000 * int(text.text) for text in found("text")]
        assert [place + 2400 + 100 * number for place in marks] == metres
        assert len(metres) >= 1


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_cut_off_wherever_the_robot_is_and_the_sheet_stays_small(name):
    """Ant far off to the side, where its ground must still be below it; numbers of three digits."""
    start = BatchedMujoco(name, 1).start[0] + np.eye(len(BatchedMujoco(name, 1).start[0]))[0] * 123.456
    start[1] += 40 * (name == "Ant-v5")
    page = sheet("t", None, name, predictions(film(tuple(start), speed=0.317), lengths=(1000, 1000)))
    assert "which ended after 1000 steps" in page
    assert ("grey" in page) == (name in ("Walker2d-v5", "Ant-v5"))
    for (left, right, top, bottom), found in drawings(page):
        for line in found("line"):
            half = int(line.get("stroke-width")) / 2
            for across, down in ((line.get("x1"), line.get("y1")), (line.get("x2"), line.get("y2"))):
                assert left <= int(across) - half <= int(across) + half <= right
                assert top <= int(down) - half <= int(down) + half <= bottom - 2 * (right - left) // 12 + 2
        for text in found("text"):
            room = 0.3 * len(text.text) * (right - left) / 12  # half of 0.6 em a digit
            assert left + room <= int(text.get("x")) <= right - room
        assert -2000 < top < -600 < 0 <= bottom, "it neither floats nor has sunk"
        assert [group.get("class") for group in found("g")] == (["far"] if "grey" in page else []) + ["near"]
    assert len(page.encode()) < 40_000


def test_without_a_film_there_is_no_such_section():
    page = sheet("t", None, "Hopper-v5", predictions())
    assert "The episodes with the least return" in page
    for part in ("last second", "<figure", ".film", "None"):
        assert part not in page, part
