"""The limbs of a robot in a pose, as pictures and sheets draw them."""

from dataclasses import dataclass

import mujoco
import numpy as np

from benchmarks.arrays import Floats

TORSO = 1  # the first body after the world
PLANE = 0.01  # metres of depth within which limbs are in the plane of the torso
SLANT = 0.3  # metres of height that a metre of depth looks like, seen a little from above


@dataclass(frozen=True, eq=False)
class Limb:
    """A capsule, or a sphere as one of no length: all that these robots consist of.

    `ends` [2, 3] are those of its axis and `radius` is its own, in metres; `far` is true beyond the torso, as y points
    away from who looks, and in the plane of the torso for what the model calls left.
    """

    ends: Floats
    radius: float
    far: bool


def pose(model: mujoco.MjModel, data: mujoco.MjData, positions: Floats) -> None:
    """Puts the bodies where the generalised positions [nq] have them."""
    data.qpos[:] = positions
    mujoco.mj_kinematics(model, data)


def torso(data: mujoco.MjData) -> Floats:
    """The place of a posed robot's torso [3], in metres."""
    place: Floats = np.array(data.xpos[TORSO])
    return place


def limbs(model: mujoco.MjModel, data: mujoco.MjData) -> list[Limb]:
    """The limbs of a posed robot in the order in which they are drawn: far ones first, and of these the greater y."""
    found = [_limb(model, data, geom) for geom in range(model.ngeom) if model.geom_bodyid[geom] > 0]
    return sorted(found, key=lambda limb: (not limb.far, -limb.ends[:, 1].mean()))


def _limb(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> Limb:
    radius, half = model.geom_size[geom, :2]
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_SPHERE:
        half = 0.0
    centre, axis = data.geom_xpos[geom], data.geom_xmat[geom].reshape(3, 3)[:, 2] * half
    beyond = data.geom_xpos[geom, 1] - data.xpos[TORSO, 1]
    far = beyond > PLANE or (beyond > -PLANE and "left" in model.geom(geom).name)
    return Limb(np.stack([centre - axis, centre + axis]), float(radius), bool(far))


def seen(points: Floats, depth: float) -> Floats:
    """Points [..., 3] as they look from the side and a little from above [..., 2]: across and up, in metres.

    Args:
        points: in the world.
        depth: y of the plane whose ground is seen at height 0.
    """
    return np.stack([points[..., 0], points[..., 2] + SLANT * (points[..., 1] - depth)], axis=-1)
