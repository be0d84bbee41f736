"""Environment steps a second: bare MuJoCo, ours, Gymnasium's vector environments and EnvPool, each in its turn.

    python -m benchmarks.speed.stepping --threads 2 --peers /tmp/peers/bin/python    # see requirements-peers.in

Every system has NUM_ENVS environments, random torques and `threads` cores to itself for some seconds, then the next
one has them; that is one round. Ratios are taken within a round, as a shared machine's speed changes between rounds.
The bare forms step the very states that our environments came through, and only the stepping is timed. EnvPool brings
its own build of MuJoCo and steps its ended environments without physics.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen
from time import perf_counter
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode
from mujoco.batch import Batch
from numpy.typing import NDArray
from tqdm import tqdm

from datamodules.environments.batched import BatchedMujoco
from datamodules.environments.tasks import TASKS

NUM_ENVS = 64  # as many as a run trains in

PEER = Path(__file__).with_name("envpool_steps.py")

Meter = Callable[[float], float]
"""Steps for so many seconds and tells the environment steps a second."""


@dataclass(frozen=True)
class Recording:
    """States [k, n, s] with the actions that were taken in them, and how a step advances them."""

    model: mujoco.MjModel
    frame_skip: int
    states: NDArray[np.float64]


def torques(environments: Any, count: int) -> list[NDArray[np.float32]]:
    """Random actions [n, a] for `count` steps."""
    generator, shape = np.random.default_rng(0), environments.action_space.shape
    return [generator.uniform(-1, 1, shape).astype(np.float32) for _ in range(count)]


def record(name: str) -> Recording:
    """Plays our environments; what is recorded begins when their episodes no longer run in step."""
    environments, states = BatchedMujoco(name, NUM_ENVS), []
    environments.reset(seed=0)
    for actions in torques(environments, 200):
        environments.ctrl[:] = actions
        states.append(environments.batch.state.copy())
        environments.step(actions)
    return Recording(environments.model, environments.frame_skip, np.stack(states[100:]))


def replay(recording: Recording, load: Callable[[NDArray[np.float64]], None], advance: Callable[[], None]) -> Meter:
    """Times `advance` alone, on one recorded state after the other."""
    states = cycle(recording.states)

    def meter(seconds: float) -> float:
        count, spent = 0, 0.0
        while spent < seconds:
            load(next(states))
            start = perf_counter()
            advance()
            spent, count = spent + perf_counter() - start, count + 1
        return count * NUM_ENVS / spent

    return meter


def bare_loop(recording: Recording, threads: int) -> Meter:
    """`mj_step`, which lets go of the interpreter's lock, in as many Python threads."""
    robots = [mujoco.MjData(recording.model) for _ in range(NUM_ENVS)]
    pool = ThreadPoolExecutor(threads)

    def load(states: NDArray[np.float64]) -> None:
        for robot, state in zip(robots, states, strict=True):
            mujoco.mj_setState(recording.model, robot, state, mujoco.mjtState.mjSTATE_INTEGRATION)

    def advance(first: int) -> None:
        for robot in robots[first::threads]:
            mujoco.mj_step(recording.model, robot, nstep=recording.frame_skip)

    return replay(recording, load, lambda: all(pool.map(advance, range(threads))))


def bare_batch(recording: Recording, threads: int) -> Meter:
    """MuJoCo's own threads."""
    batch = Batch(recording.model, NUM_ENVS, threads)

    def load(states: NDArray[np.float64]) -> None:
        batch.state[:] = states

    return replay(recording, load, partial(batch.step, nstep=recording.frame_skip))


def vectorised(environments: Any) -> Meter:
    """All that `step` does: observations, rewards, ends, resets and infos."""
    environments.reset(seed=0)
    actions = cycle(torques(environments, 100))

    def meter(seconds: float) -> float:
        count, start = 0, perf_counter()
        while (spent := perf_counter() - start) < seconds:
            environments.step(next(actions))
            count += 1
        return count * NUM_ENVS / spent

    return meter


def peer(python: str, name: str, threads: int, stack: ExitStack) -> Meter:
    """EnvPool, in another interpreter that waits until it is its turn."""
    command = [python, str(PEER), name, str(NUM_ENVS), str(threads)]
    process = stack.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True))
    assert process.stdin is not None

    def meter(seconds: float) -> float:
        print(seconds, file=process.stdin, flush=True)
        if answer := process.stdout.readline():
            return float(answer)
        raise RuntimeError(process.stderr.read().strip().splitlines()[-1])

    return meter
