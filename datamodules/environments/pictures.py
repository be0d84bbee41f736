"""Pictures of a robot from its positions: rendered by MuJoCo where OpenGL is there, else drawn from its bodies."""

import os
import sys
from collections.abc import Callable

import mujoco
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.arrays import Floats
from datamodules.environments.limbs import Limb, limbs, pose, seen, torso

SIZE = (480, 320)
SCALE = 90.0  # pixels to a metre in a drawing
PAPER, INK, LIMB, GROUND = (250, 250, 247), (40, 44, 52), (196, 98, 45), (140, 146, 155)

Picture = Callable[[Floats, str], Image.Image]


def painter(model: mujoco.MjModel) -> tuple[str, Picture]:
    """How a robot's pictures are made, in words, and the function: positions [nq] and a caption to a picture.

    OpenGL is tried where a screen is, or where MUJOCO_GL names a way that needs none (egl, osmesa).
    """
    data = mujoco.MjData(model)
    renderer = _renderer(model)
    if renderer is None:
        return "drawn, as there is no OpenGL", lambda positions, caption: _drawn(model, data, positions, caption)
    return "rendered by MuJoCo", lambda positions, caption: _rendered(model, data, renderer, positions, caption)


def _renderer(model: mujoco.MjModel) -> mujoco.Renderer | None:
    if sys.platform == "linux" and not os.environ.keys() & {"MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"}:
        return None
    try:
        return mujoco.Renderer(model, SIZE[1], SIZE[0])
    except (ImportError, AttributeError, RuntimeError, OSError, mujoco.FatalError):
        return None


def _rendered(
    model: mujoco.MjModel, data: mujoco.MjData, renderer: mujoco.Renderer, positions: Floats, caption: str
) -> Image.Image:
    pose(model, data, positions)
    mujoco.mj_comPos(model, data)  # cameras that track need it
    renderer.update_scene(data, camera="track" if _tracked(model) else -1)
    picture = Image.fromarray(renderer.render())
    ImageDraw.Draw(picture).text((12, 10), caption, fill=(255, 255, 255))
    return picture


def _tracked(model: mujoco.MjModel) -> bool:
    return bool(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "track") >= 0)


def _drawn(model: mujoco.MjModel, data: mujoco.MjData, positions: Floats, caption: str) -> Image.Image:
    pose(model, data, positions)
    picture = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(picture)
    place = torso(data)
    _floor(draw, place)
    for limb in limbs(model, data):
        _capsule(draw, limb, place)
    draw.text((12, 10), caption, fill=INK)
    return picture


def _floor(draw: ImageDraw.ImageDraw, place: Floats) -> None:
    """The ground, with a tick and a number every metre, so that one sees how far the robot gets."""
    level = _pixel(np.array([0.0, place[1], 0.0]), place)[1]
    draw.line([(0, level), (SIZE[0], level)], fill=INK, width=2)
    half = SIZE[0] / SCALE / 2
    for metre in range(int(np.ceil(place[0] - half)), int(np.floor(place[0] + half)) + 1):
        across = _pixel(np.array([metre, place[1], 0.0]), place)[0]
        draw.line([(across, level), (across, level + 8)], fill=INK, width=1)
        draw.text((across + 3, level + 8), f"{metre} m", fill=GROUND)


def _capsule(draw: ImageDraw.ImageDraw, limb: Limb, place: Floats) -> None:
    colour, thick = GROUND if limb.far else LIMB, limb.radius * SCALE
    ends = [_pixel(end, place) for end in limb.ends]
    draw.line(ends, fill=colour, width=max(1, round(2 * thick)))
    for across, down in ends:
        draw.ellipse([across - thick, down - thick, across + thick, down + thick], fill=colour)


def _pixel(point: Floats, place: Floats) -> tuple[float, float]:
    """The pixel of a point of the world; the robot, whose torso is at `place` [3], stays in the middle."""
    across, up = seen(point, place[1])
    return (across - place[0]) * SCALE + SIZE[0] / 2, SIZE[1] - 60 - up * SCALE
