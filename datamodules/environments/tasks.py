"""Observation, reward, termination and reset of Gymnasium's MuJoCo v5 tasks, for a batch of robots at once.

Each number and formula is that of gymnasium:gymnasium/envs/mujoco/{walker2d,hopper,half_cheetah,ant}_v5.py with its
default arguments, in the same order of operations and the same floating-point types: results are equal bit for bit.
Shapes: `qpos` [n, nq], `qvel` [n, nv], `actions` [n, a], in the order of the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Bools, Floats

Infos = dict[str, NDArray[Any]]

LEAST_AND_MOST_FORCE = (-1.0, 1.0)  # Ant's contact_force_range
CONTACT_COST = 5e-4


@dataclass(frozen=True)
class Physics:
    """Where n robots are after a step.

    `velocity` [n, 1] or [n, 2] is that of the body whose speed is rewarded, in m/s; `forces` [n, nbody, 6] the contact
    forces as MuJoCo's cfrc_ext has them, in N m and N ([n, 0, 6] where the task does not look at them).
    """

    qpos: Floats
    qvel: Floats
    velocity: Floats
    forces: Floats


@dataclass(frozen=True)
class Task:
    """What differs between the tasks.

    `hidden` counts the coordinates of the position that no observation shows; `control_cost` weighs squared actions;
    `noise` is the scale of a reset's, `normal_velocity` whether that of velocities is normal instead of uniform. Who
    is not `mortal` never ends an episode; who is `spatial` moves in two directions, feels contacts, and is rewarded
    for the speed of its torso instead of that of its first coordinate.
    """

    hidden: int
    control_cost: float
    noise: float
    normal_velocity: bool
    mortal: bool = True
    spatial: bool = False

    def observe(self, qpos: Floats, qvel: Floats, forces: Floats) -> Floats:
        """Observations [n, o]."""
        return np.concatenate([qpos[:, self.hidden :], qvel], axis=1)

    def healthy(self, qpos: Floats, qvel: Floats) -> Bools:
        """Whether each robot stands [n]."""
        return np.ones(len(qpos), np.bool_)

    def places(self, qpos: Floats, start: Floats) -> Infos:
        """What the infos of a reset say."""
        return {"x_position": qpos[:, 0].copy()}

    def costs(self, actions: NDArray[np.floating], forces: Floats) -> Mapping[str, NDArray[np.floating]]:
        """What is taken off the reward, by the name that the infos give it."""
        # float32 actions give float32 costs, as in the original
        return {"reward_ctrl": self.control_cost * np.square(actions).sum(axis=1)}

    def reward(self, physics: Physics, actions: NDArray[np.floating], healthy: Bools) -> tuple[Floats, Infos]:
        """Rewards [n] and what the infos say of their parts."""
        forward = physics.velocity[:, 0].copy()
        costs = self.costs(actions, physics.forces)
        infos: Infos = {"x_velocity": forward, "reward_forward": forward.copy()}
        infos |= {name: -cost for name, cost in costs.items()}
        gains = forward
        if self.mortal:
            infos["reward_survive"] = healthy * 1.0
            gains = forward + infos["reward_survive"]
        return gains - sum(costs.values()), infos

    def reset(self, start: tuple[Floats, Floats], generator: np.random.Generator) -> tuple[Floats, Floats]:
        """Position [nq] and velocity [nv] of a new episode, near those of the model."""
        qpos, qvel = start
        position = qpos + generator.uniform(low=-self.noise, high=self.noise, size=qpos.size)
        if self.normal_velocity:
            return position, qvel + self.noise * generator.standard_normal(qvel.size)
        return position, qvel + generator.uniform(low=-self.noise, high=self.noise, size=qvel.size)


class Upright(Task):
    """A robot in a plane that must not fall: velocities are shown up to 10, and infos tell the height."""

    def observe(self, qpos: Floats, qvel: Floats, forces: Floats) -> Floats:
        """Observations [n, o]."""
        return np.concatenate([qpos[:, self.hidden :], np.clip(qvel, -10, 10)], axis=1)

    def places(self, qpos: Floats, start: Floats) -> Infos:
        """What the infos of a reset say."""
        return {"x_position": qpos[:, 0].copy(), "z_distance_from_origin": qpos[:, 1] - start[1]}


class Walker2d(Upright):
    """A robot of two legs."""

    def healthy(self, qpos: Floats, qvel: Floats) -> Bools:
        """Whether the torso is high and upright enough."""
        height, angle = qpos[:, 1], qpos[:, 2]
        upright: Bools = (height > 0.8) & (height < 2.0) & (angle > -1.0) & (angle < 1.0)
        return upright


class Hopper(Upright):
    """A robot of one leg."""

    def healthy(self, qpos: Floats, qvel: Floats) -> Bools:
        """Whether the torso is high and upright enough, and nothing moves wildly."""
        rest = np.concatenate([qpos[:, 2:], qvel], axis=1)
        calm = np.all((rest > -100.0) & (rest < 100.0), axis=1)
        height, angle = qpos[:, 1], qpos[:, 2]
        healthy: Bools = calm & (height > 0.7) & (height < np.inf) & (angle > -0.2) & (angle < 0.2)
        return healthy


class Ant(Task):
    """Four legs in space, which feel what they touch."""

    def observe(self, qpos: Floats, qvel: Floats, forces: Floats) -> Floats:
        """Observations [n, o]: the forces on every body but the world too."""
        clipped = np.clip(forces[:, 1:], *LEAST_AND_MOST_FORCE).reshape(len(qpos), -1)
        return np.concatenate([qpos[:, self.hidden :], qvel, clipped], axis=1)

    def healthy(self, qpos: Floats, qvel: Floats) -> Bools:
        """Whether the torso is neither on the ground nor in the air."""
        finite = np.all(np.isfinite(qpos), axis=1) & np.all(np.isfinite(qvel), axis=1)
        healthy: Bools = finite & (qpos[:, 2] >= 0.2) & (qpos[:, 2] <= 1.0)
        return healthy

    def places(self, qpos: Floats, start: Floats) -> Infos:
        """What the infos of a reset say."""
        # vecdot calls the same dot product as numpy.linalg.norm; a sum of squares may round differently
        distance = np.sqrt(np.vecdot(qpos[:, :2], qpos[:, :2]))
        return {"x_position": qpos[:, 0].copy(), "y_position": qpos[:, 1].copy(), "distance_from_origin": distance}

    def costs(self, actions: NDArray[np.floating], forces: Floats) -> Mapping[str, NDArray[np.floating]]:
        """The costs of torques and of contacts, by their names in the infos."""
        squares = np.square(np.clip(forces, *LEAST_AND_MOST_FORCE)).reshape(len(forces), -1)
        return {**super().costs(actions, forces), "reward_contact": CONTACT_COST * squares.sum(axis=1)}

    def reward(self, physics: Physics, actions: NDArray[np.floating], healthy: Bools) -> tuple[Floats, Infos]:
        """Rewards [n] and what the infos say of their parts."""
        rewards, infos = super().reward(physics, actions, healthy)
        return rewards, infos | {"y_velocity": physics.velocity[:, 1].copy()}


def masked(infos: Infos, mask: Bools) -> dict[str, Any]:
    """Infos as Gymnasium's vector environments give them: zero where the mask is not, the mask under `_name`."""
    found: dict[str, Any] = {}
    hidden = ~mask
    for name, value in infos.items():
        shown = value.copy()
        shown[hidden] = 0
        found |= {name: shown, f"_{name}": mask.copy()}
    return found


TASKS: Mapping[str, Task] = {
    "Walker2d-v5": Walker2d(hidden=1, control_cost=1e-3, noise=5e-3, normal_velocity=False),
    "Hopper-v5": Hopper(hidden=1, control_cost=1e-3, noise=5e-3, normal_velocity=False),
    "HalfCheetah-v5": Task(hidden=1, control_cost=0.1, noise=0.1, normal_velocity=True, mortal=False),
    "Ant-v5": Ant(hidden=2, control_cost=0.5, noise=0.1, normal_velocity=True, spatial=True),
}
