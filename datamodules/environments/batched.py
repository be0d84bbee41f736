"""Many MuJoCo robots stepped together, equal to Gymnasium's one by one bit for bit (speed: benchmarks/speed/)."""

import ctypes
from typing import Any

import gymnasium
import mujoco
import numpy as np
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from mujoco import _callbacks
from mujoco.batch import Batch, SimulationError
from numpy.typing import NDArray

from benchmarks.arrays import Bools, Floats, Integers
from benchmarks.errors import Failure, UserError
from datamodules.environments.lean_model import lean_model
from datamodules.environments.tasks import TASKS, Infos, Physics, masked
from results.scoring.control import LONGEST

DIVERGED = [int(getattr(mujoco.mjtWarning, f"mjWARN_BAD{what}")) for what in ("QPOS", "QVEL", "QACC", "CTRL")]

# Or a warning of any model would be written to a file in the working folder. What matters is asked for at every step.
mujoco.set_mju_user_warning(lambda message: None)

# MuJoCo's Python package has every phase of a step timed for `MjData.timer`, which takes 8 to 17 % of the step. Its
# `set_mjcb_time(None)` brings that clock back; only the C variable can be emptied, as it is in MuJoCo without Python.
ctypes.c_void_p.in_dll(ctypes.CDLL(_callbacks.__file__), "mjcb_time").value = None


class BatchedMujoco(VectorEnv[Any, Any, Any]):
    """A vector environment on MuJoCo's own batched stepping.

    Observations, rewards, ends, infos and seeding equal those of `gymnasium.make_vec(environment, num_envs, "sync")`
    in the autoreset mode SAME_STEP: the step that ends an episode returns the first observation of the next one, and
    the last of the old one in `infos["final_obs"]`. So every action counts, and an agent sees the state in which the
    time limit cut it off. Actions are passed on as they are, as Gymnasium does; MuJoCo clamps the torques.

    Args:
        environment: Gymnasium's name of the task.
        num_envs: how many.
        threads: that step them; results do not depend on it.

    Raises:
        UserError: the task is not one of those known, or its model cannot be loaded.
    """

    def __init__(self, environment: str, num_envs: int, threads: int = 1) -> None:
        if environment not in TASKS:
            raise UserError(f"there is no environment {environment!r} here. Known: {', '.join(TASKS)}.")
        single = _single(environment)
        origin = single.unwrapped
        self.environment, self.task, self.spec, self.num_envs = environment, TASKS[environment], single.spec, num_envs
        self.metadata = dict(single.metadata) | {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space, self.single_action_space = single.observation_space, single.action_space
        self.sizes = (single.observation_space.shape[0], single.action_space.shape[0])
        self.least, self.most = single.action_space.low, single.action_space.high  # actions [a]
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.model, self.frame_skip, self.dt = origin.model, origin.frame_skip, origin.dt
        self.lean = lean_model(origin.model, origin.fullpath)  # for the physics; `model` is for drawing
        self.start = (origin.init_qpos, origin.init_qvel)
        single.close()
        self._simulations(threads)
        self.generators: list[np.random.Generator | None] = [None] * num_envs
        self.seeds: list[int | None] = [None] * num_envs
        self.elapsed = np.zeros(num_envs, np.int64)
        self.before = self._place()

    def _simulations(self, threads: int) -> None:
        # Contact forces need more of MjData than MuJoCo's state. Where none are felt, sharing it is some 4 % faster.
        spatial = self.task.spatial
        self.batch = Batch(self.lean, self.num_envs, threads, persistent=spatial)
        self.qpos, self.qvel, self.ctrl = (self.batch.bind(name) for name in ("qpos", "qvel", "ctrl"))
        self.torso = self.batch.bind("xpos")[:, 1] if spatial else None
        self.contacts = self.batch.bind("ncon") if spatial else np.zeros(self.num_envs, np.int32)
        self.forces = np.zeros((self.num_envs, self.model.nbody if spatial else 0, 6))
        self.blank = self.batch.state[0].copy()  # what mj_resetData leaves, the solver's warm start included
        self.scratch = mujoco.MjData(self.lean)

    @property
    def positions(self) -> Floats:
        """Generalised positions of all robots [n, nq], for drawing them."""
        return np.array(self.qpos)

    def reset(
        self, *, seed: int | list[int | None] | list[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Starts an episode in every environment.

        Args:
            seed: an integer seeds the environments with itself and its successors, a list one by one; where it says
                None, the generator goes on.
            options: may hold Gymnasium's `reset_mask` [n], True where an episode shall start; the others run on.

        Raises:
            ValueError: a list of seeds of another length.
        """
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed or [None] * self.num_envs
        if len(seeds) != self.num_envs:
            raise ValueError(f"expected {self.num_envs} seeds, got {len(seeds)}")
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        ids = np.flatnonzero(mask)
        for i in ids:
            if seeds[i] is not None or self.generators[i] is None:
                self.generators[i], self.seeds[i] = np_random(seeds[i])
        self._restart(ids)
        return self._observe(), masked(self.task.places(self.qpos, self.start[0]), mask)

    def step(self, actions: NDArray[np.floating]) -> tuple[Floats, Floats, Bools, Bools, dict[str, Any]]:
        """Steps all robots.

        Args:
            actions: [n, a]; the infos tell their cost in their own floating-point type, as Gymnasium's do.

        Returns:
            Observations [n, o], rewards [n], terminated [n], truncated [n] and infos.

        Raises:
            ValueError: the actions have another shape.
            Failure: an action is not finite, MuJoCo failed, or found a state that is not finite or moves absurdly fast.
                Its `state` is ours before the step, and the `actions`: they do it again.
            ResetNeeded: an environment was never reset.
        """
        actions = np.ascontiguousarray(actions)  # another memory layout would sum their squares in another order
        self._check(actions)
        self._simulate(actions)
        place = self._place()
        physics = Physics(self.qpos, self.qvel, (place - self.before) / self.dt, self.forces)
        self.before = place
        observations, healthy = self._observe(), self.task.healthy(self.qpos, self.qvel)
        rewards, infos = self.task.reward(physics, actions, healthy)
        infos |= self.task.places(self.qpos, self.start[0])
        terminated, truncated = ~healthy, self.elapsed >= LONGEST
        ended = terminated | truncated
        infos = self._autoreset(observations, infos, ended) if ended.any() else masked(infos, ~ended)
        return observations, rewards, terminated, truncated, infos

    def state(self) -> dict[str, Any]:
        """All that going on bit for bit needs, as tensors and plain values."""
        arrays = {"physics": self.batch.state, "elapsed": self.elapsed, "before": self.before, "forces": self.forces}
        return {name: torch.tensor(array) for name, array in arrays.items()} | {
            "environment": self.environment,
            "generators": [generator and generator.bit_generator.state for generator in self.generators],
            "seeds": list(self.seeds),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state, as if nothing had happened.

        Raises:
            ValueError: the state is that of another task or of another number of environments.
        """
        theirs, ours = (len(state["physics"]), state["environment"]), (self.num_envs, self.environment)
        if theirs != ours:
            raise ValueError(f"expected a state of {ours[0]} {ours[1]}, got one of {theirs[0]} {theirs[1]}")
        self.batch.state[:] = state["physics"].numpy()
        self.elapsed, self.before = state["elapsed"].numpy().copy(), state["before"].numpy().copy()
        self.forces = state["forces"].numpy().copy()
        self.seeds = list(state["seeds"])
        self.generators = [None if each is None else _generator(each) for each in state["generators"]]

    def _check(self, actions: NDArray[np.floating]) -> None:
        if actions.shape != self.action_space.shape:
            raise ValueError(f"expected actions of shape {self.action_space.shape}, got {actions.shape}")
        if None in self.seeds:
            raise ResetNeeded("call reset() before step()")

    def _simulate(self, actions: NDArray[np.floating]) -> None:
        """Advances the physics, what is felt of it, and the clocks."""
        finite = np.isfinite(actions).all(axis=1)
        if not finite.all():
            raise self._failed("an action is not finite", ~finite, actions, self.batch.state)
        physics = self.batch.state.copy()
        self.ctrl[:] = actions
        try:
            self.batch.step(nstep=self.frame_skip)
        except SimulationError as error:
            failed = np.isin(np.arange(self.num_envs), error.ids)
            raise self._failed(str(error), failed, actions, physics) from error
        diverged = self.batch.warning[:, DIVERGED, 1].any(axis=1)
        if diverged.any():
            raise self._failed("MuJoCo's simulation has diverged", diverged, actions, physics)
        self._feel()
        self.elapsed += 1

    def _feel(self) -> None:
        """Contact forces: 0 without contacts, else computed on demand, for which MuJoCo has no batched function."""
        self.forces[:] = 0
        for i in np.flatnonzero(self.contacts):
            self.batch.get_data(i, self.scratch)
            mujoco.mj_rnePostConstraint(self.lean, self.scratch)
            self.forces[i] = self.scratch.cfrc_ext

    def _autoreset(self, observations: Floats, infos: Infos, ended: Bools) -> dict[str, Any]:
        """Restarts what ended; puts the new first observations into `observations`, the old ends into the infos."""
        ids, final = np.flatnonzero(ended), np.full(self.num_envs, None, object)
        for i in ids:
            final[i] = observations[i].copy()
        last = {"final_obs": final, "_final_obs": ended.copy(), "final_info": masked(infos, ended)}
        self._restart(ids)
        observations[ids] = self._observe()[ids]
        places = self.task.places(self.qpos, self.start[0])
        going_on = {} if ended.all() else {name: value for name, value in infos.items() if name not in places}
        anywhere = np.ones(self.num_envs, np.bool_)
        return last | {"_final_info": ended.copy()} | masked(going_on, ~ended) | masked(places, anywhere)

    def _restart(self, ids: Integers) -> None:
        """Begins episodes as `MujocoEnv.reset` does: from zero, near the model's position."""
        self.batch.state[ids] = self.blank
        self.batch.warning[ids] = 0
        for i in ids:
            generator = self.generators[i]
            assert generator is not None
            self.qpos[i], self.qvel[i] = self.task.reset(self.start, generator)
        if self.torso is not None:
            self.batch.forward(ids)  # finds the torso; MuJoCo 4's leaves the state, warm start included, as it is
        self.elapsed[ids] = 0
        self.forces[ids] = 0
        self.before[ids] = self._place()[ids]

    def _observe(self) -> Floats:
        return self.task.observe(self.qpos, self.qvel, self.forces)

    def _place(self) -> Floats:
        """What the rewarded speed is the change of, a copy [n, 1 or 2]; the torso's is one substep old, as MuJoCo's."""
        return np.array(self.qpos[:, :1] if self.torso is None else self.torso[:, :2])

    def _failed(self, what: str, bad: Bools, actions: NDArray[np.floating], physics: Floats) -> Failure:
        """Names the first bad environment; keeps where all were, and what they were told to do."""
        i = int(np.argmax(bad))
        where = f"environment {i} of {self.num_envs} ({self.environment})"
        when = f"last seeded with {self.seeds[i]}, step {self.elapsed[i] + 1} of its episode"
        state = self.state() | {"physics": torch.tensor(physics), "actions": torch.tensor(actions)}
        return Failure(f"{what}: {where}, {when}", state)


def _single(environment: str) -> Any:
    """Gymnasium's own, of which the model and the spaces are taken."""
    try:
        return gymnasium.make(environment)
    except (OSError, ValueError) as error:  # a file that is missing, or no model
        reason = str(error).splitlines()[0]
        raise UserError(
            f"MuJoCo cannot load the model of {environment}: {reason}. It comes with gymnasium; remove .venv and run "
            "make install."
        ) from None


def _generator(state: Any) -> np.random.Generator:
    generator = np.random.Generator(np.random.PCG64())
    generator.bit_generator.state = state
    return generator
