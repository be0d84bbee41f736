"""Steps a second of cars on the motorway, by how many processes simulate, beside Gymnasium's own ways.

    .venv/bin/python -m benchmarks.speed.driving [--cars 8] [--seconds 10]

All cars are stepped together, always slow down so that episodes are whole, and begin anew where one ends.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from datamodules.environments.highway import SLOWER, Scene
from datamodules.environments.motorway import Motorway

SCENE = Scene("highway-fast-v0")


def ways(cars: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is measured, in words, and how it is made."""
    yield "in this process", partial(Motorway, SCENE, cars)
    for workers in range(1, len(os.sched_getaffinity(0)) + 1):
        yield f"in {workers} more", partial(Motorway, SCENE, cars, workers)
    one = partial(gymnasium.make, f"highway_env:{SCENE.environment}")
    theirs = partial(AsyncVectorEnv, [one] * cars, autoreset_mode=AutoresetMode.SAME_STEP)
    yield "in Gymnasium's AsyncVectorEnv, a process each", theirs


def speed(environments: Any, cars: int, seconds: float) -> float:
    """Steps a second of all cars together."""
    environments.reset(seed=list(range(0, 100 * cars, 100)))
    told = np.full(cars, SLOWER)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        environments.step(told)
        steps += cars
    return steps / (time.perf_counter() - began)


def main() -> None:
    """Prints a line a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cars", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    for name, make in ways(options.cars):
        print(f"{speed(make(), options.cars, options.seconds):8.1f} steps/s {name}", flush=True)


if __name__ == "__main__":
    main()
