"""The model that is simulated against Gymnasium's, in poses that robots seldom take: what touches, and what follows."""

import gymnasium
import mujoco
import numpy as np
import pytest

from datamodules.environments.lean_model import lean_model
from datamodules.environments.tasks import TASKS

CONTACT = ("geom", "dist", "pos", "frame", "dim", "friction", "solref", "solimp", "includemargin", "exclude")


def poses(model, count=300):
    """Random joint angles beyond their limits, at heights from which parts of the robot are in the floor."""
    generator = np.random.default_rng(0)
    for _ in range(count):
        robot = mujoco.MjData(model)
        robot.qpos[:] = generator.uniform(-2.5, 2.5, model.nq)
        robot.qpos[2 if model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE else 1] = generator.uniform(-0.7, 1.5)
        yield robot.qpos, generator.uniform(-3, 3, model.nv), generator.uniform(-1, 1, model.nu)


def forward(model, pose):
    robot = mujoco.MjData(model)
    robot.qpos[:], robot.qvel[:], robot.ctrl[:] = pose
    mujoco.mj_forward(model, robot)
    return robot


@pytest.mark.parametrize("name", TASKS)
def test_any_pose_has_the_contacts_and_accelerations_of_gymnasiums_model(name):
    single = gymnasium.make(name).unwrapped
    model, lean = single.model, lean_model(single.model, single.fullpath)
    touched = set()
    for pose in poses(model):
        theirs, ours = forward(model, pose), forward(lean, pose)
        touched |= {tuple(pair) for pair in theirs.contact.geom.tolist()}
        for field in CONTACT:
            assert np.array_equal(getattr(ours.contact, field), getattr(theirs.contact, field)), field
        assert ours.qacc.tobytes() == theirs.qacc.tobytes()
    floor = {pair for pair in touched if 0 in pair}
    assert len(floor) == model.ngeom - 1, "every geom met the floor"
    assert bool(touched - floor) == (name == "Hopper-v5"), "the only robot that can touch itself did"
