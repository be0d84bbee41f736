"""A robot's model without what takes time and moves nothing: over a fifth more steps a second, equal bit for bit."""

import warnings
from itertools import combinations

import mujoco


def lean_model(model: mujoco.MjModel, file: str) -> mujoco.MjModel:
    """The same robot for the physics alone.

    Of each step MuJoCo spends some 10 % on finding geoms near each other, which for a robot on a floor are always the
    same few pairs: they are listed here beforehand, and nothing else is searched. Some 8 % go into sorting constraints
    into islands, of which a single robot is one, and 1 % into moving its lights and cameras (measured by hand).

    Args:
        model: as Gymnasium loads it, of geoms with names, no gaps, and one `priority`, `solmix`, `solref` and `solimp`,
            as those of its robots have.
        file: the XML that it was loaded from.
    """
    spec = mujoco.MjSpec.from_file(file)
    for geom in spec.geoms:
        geom.contype = geom.conaffinity = 0
    for seen in [*spec.cameras, *spec.lights]:
        spec.delete(seen)
    for first, second in combinations(range(model.ngeom), 2):
        if _may_touch(model, first, second):
            spec.add_pair(geomname1=model.geom(first).name, geomname2=model.geom(second).name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # HalfCheetah's `settotalmass` is deprecated
        lean = spec.compile()
    for pair in range(lean.npair):
        _mix(model, lean, pair)
    lean.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND
    return lean


def _may_touch(model: mujoco.MjModel, first: int, second: int) -> bool:
    """Whether MuJoCo would look at the two (mujoco:src/engine/engine_collision_driver.c:filterBodyPair)."""
    welds = [model.body_weldid[model.geom_bodyid[geom]] for geom in (first, second)]
    parents = [model.body_weldid[model.body_parentid[weld]] for weld in welds]
    joined = welds[0] == welds[1] or (all(welds) and (welds[0] == parents[1] or welds[1] == parents[0]))
    masks = model.geom_contype, model.geom_conaffinity
    return not joined and any(masks[i][first] & masks[1 - i][second] for i in (0, 1))


def _mix(model: mujoco.MjModel, lean: mujoco.MjModel, pair: int) -> None:
    """Gives the pair what a contact takes from two geoms (the same file: mj_contactParam and getMargin)."""
    geoms = [lean.pair_geom1[pair], lean.pair_geom2[pair]]
    lean.pair_dim[pair] = model.geom_condim[geoms].max()
    lean.pair_friction[pair] = model.geom_friction[geoms].max(0)[[0, 0, 1, 2, 2]]
    lean.pair_margin[pair] = model.geom_margin[geoms].sum()
    lean.pair_solref[pair], lean.pair_solimp[pair] = model.geom_solref[geoms[0]], model.geom_solimp[geoms[0]]
