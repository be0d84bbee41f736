"""Environment steps a second: bare MuJoCo, ours, Gymnasium's vector environments and EnvPool, each in its turn.

    python -m benchmarks.speed.stepping --threads 2 --peers <python>    # one with requirements-peers.lock

Every system has NUM_ENVS environments, random torques and `threads` cores to itself for some seconds, then the next
one has them; that is one round. Ratios to the faster bare form are taken within a round, as the speed of a shared
machine changes between rounds, and the median over rounds is shown.
The bare forms step the very states that our environments came through, with the models that Gymnasium loads (ours steps
a leaner one), and only the stepping is timed. In this process MuJoCo has no stopwatch (batched.py), so the bare forms
and Gymnasium's are faster here than by themselves. EnvPool brings its own build of MuJoCo and steps its ended
environments without physics.
"""

import argparse
import os
from collections.abc import Callable, Mapping
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
from tqdm import tqdm

from benchmarks.arrays import Floats, Floats32
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
    states: Floats


def torques(environments: Any, count: int) -> list[Floats32]:
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


def replay(recording: Recording, load: Callable[[Floats], None], advance: Callable[[], object]) -> Meter:
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

    def load(states: Floats) -> None:
        for robot, state in zip(robots, states, strict=True):
            mujoco.mj_setState(recording.model, robot, state, mujoco.mjtState.mjSTATE_INTEGRATION)

    def advance(first: int) -> None:
        for robot in robots[first::threads]:
            mujoco.mj_step(recording.model, robot, nstep=recording.frame_skip)

    return replay(recording, load, lambda: list(pool.map(advance, range(threads))))


def bare_batch(recording: Recording, threads: int) -> Meter:
    """Steps by MuJoCo's own threads."""
    batch = Batch(recording.model, NUM_ENVS, threads)

    def load(states: Floats) -> None:
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


def peer(python: str, name: str, threads: int, stack: ExitStack) -> Meter | str:
    """EnvPool, in another interpreter that waits until it is its turn, or what keeps it from running."""
    command = [python, str(PEER), name, str(NUM_ENVS), str(threads)]
    process: Any = stack.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True))
    if process.stdout.readline() != "ready\n":
        reason: str = process.stderr.read().strip().rpartition("\n")[2]
        return reason

    def meter(seconds: float) -> float:
        print(seconds, file=process.stdin, flush=True)
        return float(process.stdout.readline())

    return meter


def systems(name: str, threads: int, peers: str | None, stack: ExitStack) -> dict[str, Meter | str]:
    """All that is compared; processes first, as they are forked from a process that should have no threads yet."""
    make = partial(gymnasium.make_vec, name, NUM_ENVS, vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP})
    asynchronous = vectorised(stack.enter_context(closing(make(vectorization_mode="async"))))
    recording = record(name)
    return {
        "bare mj_step": bare_loop(recording, threads),
        "bare Batch": bare_batch(recording, threads),
        "ours": vectorised(BatchedMujoco(name, NUM_ENVS, threads)),
        "Gymnasium, sync": vectorised(stack.enter_context(closing(make(vectorization_mode="sync")))),
        "Gymnasium, async": asynchronous,
        "EnvPool": peer(peers, name, threads, stack) if peers else "--peers names no interpreter",
    }


def measure(meters: Mapping[str, Meter], seconds: float, rounds: int, name: str) -> dict[str, list[float]]:
    """Steps a second of every system in every round."""
    rates: dict[str, list[float]] = {system: [] for system in meters}
    for meter in meters.values():
        meter(0.3)  # not counted: caches fill, episodes fall out of step
    for system in tqdm(list(meters) * rounds, name, disable=None, leave=False):
        rates[system].append(meters[system](seconds))
    return rates


def row(found: list[float], bare: list[float]) -> str:
    """Three columns of the table."""
    ratio = median(rate / most for rate, most in zip(found, bare, strict=True))
    return f"{median(found):,.0f} | {min(found):,.0f}-{max(found):,.0f} | {ratio:.2f}"


def table(name: str, threads: int, peers: str | None, seconds: float, rounds: int) -> None:
    """Prints the lines of one environment."""
    with ExitStack() as stack:
        found = systems(name, threads, peers, stack)
        rates = measure({key: meter for key, meter in found.items() if callable(meter)}, seconds, rounds, name)
    bare = max(rates["bare mj_step"], rates["bare Batch"], key=median)
    for system, reason in found.items():
        columns = row(rates[system], bare) if system in rates else f"not measured: {reason} | |"
        print(f"| {name} | {system} | {columns} |", flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.stepping", description="Environment steps/s")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="and cores, for every system")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter with the packages of requirements-peers.lock")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: arguments.threads]
    os.sched_setaffinity(0, cores)  # child processes inherit it
    versions = ", ".join(f"{package} {version(package)}" for package in ("mujoco", "gymnasium"))
    print(f"environments: {NUM_ENVS}, cores: {len(cores)}, {versions}\n")
    print("| environment | system | steps/s | min-max | of bare |\n| --- | --- | --- | --- | --- |")
    for name in TASKS:
        table(name, **vars(arguments))


if __name__ == "__main__":
    main()
