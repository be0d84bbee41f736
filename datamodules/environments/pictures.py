"""Pictures of a robot from its positions: rendered by MuJoCo where OpenGL is there, else drawn from its bodies."""

import os
import sys
from collections.abc import Callable

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from datamodules.environments.tasks import Floats

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
    _pose(model, data, positions)
    renderer.update_scene(data, camera="track" if _tracked(model) else -1)
    picture = Image.fromarray(renderer.render())
    ImageDraw.Draw(picture).text((12, 10), caption, fill=(255, 255, 255))
    return picture


def _tracked(model: mujoco.MjModel) -> bool:
    return bool(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, "track") >= 0)


def _pose(model: mujoco.MjModel, data: mujoco.MjData, positions: Floats) -> None:
    data.qpos[:] = positions
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)  # cameras that track need it


def _drawn(model: mujoco.MjModel, data: mujoco.MjData, positions: Floats, caption: str) -> Image.Image:
    _pose(model, data, positions)
    picture = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(picture)
    place = float(data.xpos[1, 0])
    _floor(draw, place)
    geoms = [geom for geom in range(model.ngeom) if model.geom_bodyid[geom] > 0]
    for geom in sorted(geoms, key=lambda geom: -data.geom_xpos[geom, 1]):  # the far ones first: y points away
        far = data.geom_xpos[geom, 1] > data.xpos[1, 1] + 0.01 or "left" in model.geom(geom).name
        _capsule(draw, model, data, geom, place, GROUND if far else LIMB)
    draw.text((12, 10), caption, fill=INK)
    return picture


def _floor(draw: ImageDraw.ImageDraw, place: float) -> None:
    """The ground, with a tick and a number every metre, so that one sees how far the robot gets."""
    level = _pixel(np.zeros(3), place)[1]
    draw.line([(0, level), (SIZE[0], level)], fill=INK, width=2)
    half = SIZE[0] / SCALE / 2
    for metre in range(int(np.ceil(place - half)), int(place + half) + 1):
        across = _pixel(np.array([metre, 0.0, 0.0]), place)[0]
        draw.line([(across, level), (across, level + 8)], fill=INK, width=1)
        draw.text((across + 3, level + 8), f"{metre} m", fill=GROUND)


def _capsule(
    draw: ImageDraw.ImageDraw, model: mujoco.MjModel, data: mujoco.MjData, geom: int, place: float,
    colour: tuple[int, int, int],
) -> None:  # fmt: skip
    """A capsule, or a sphere as one of no length: all that these robots consist of."""
    radius, half = model.geom_size[geom, :2]
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_SPHERE:
        half = 0.0
    axis = data.geom_xmat[geom].reshape(3, 3)[:, 2] * half
    ends = [_pixel(data.geom_xpos[geom] + side * axis, place) for side in (-1, 1)]
    thick = radius * SCALE
    draw.line(ends, fill=colour, width=max(1, round(2 * thick)))
    for across, down in ends:
        draw.ellipse([across - thick, down - thick, across + thick, down + thick], fill=colour)


def _pixel(point: NDArray[np.float64], place: float) -> tuple[float, float]:
    """Seen from the side and a little from above; the robot stays in the middle."""
    across = (point[0] - place) * SCALE + SIZE[0] / 2
    return across, SIZE[1] - 60 - (point[2] + 0.3 * point[1]) * SCALE
