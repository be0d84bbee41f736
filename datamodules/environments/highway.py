"""One car on highway-env's motorway, and a group of them: all equal to `gymnasium.make` bit for bit.

An episode follows from the seed of its reset and the actions since, so these two are its state: going on from a
checkpoint plays its at most 30 steps again. The cars around the ego drive by IDM and MOBIL: a following distance that
depends on speeds (Treiber et al., 2000, arXiv cond-mat/0002177), and lane changes that gain more acceleration than
they take from others (Kesting et al., 2007). The yardstick puts the same driver into the ego's seat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import numpy as np
from highway_env.vehicle.behavior import IDMVehicle

from benchmarks.arrays import Floats32
from benchmarks.errors import UserError
from results.scoring.driving import LONGEST

ACTIONS = ("lane left", "idle", "lane right", "faster", "slower")
IDLE, FASTER, SLOWER = 1, 3, 4

FEATURES = 5
"""Numbers that are observed of a car: presence, and position and velocity along and across the road."""

TARGET_SPEED = 30.0
"""What the yardstick would drive on an empty road, in m/s: the most that the reward asks for, and the speed limit."""

APART = 2
"""Between the seeds of two successive episodes of a car, so that even seeds stay even and odd ones odd."""


@dataclass(frozen=True)
class Scene:
    """What is driven and what is seen.

    Args:
        environment: highway-env's name of the task, in its default configuration but for the observation.
        vehicles: whose presence, position and velocity are observed, the ego among them, the nearest ones first.
        see_behind: whether those behind the ego are.
        driver: who has the ego's seat: the one whose actions are given, or the simulator's own, to whom they are
            nothing.
    """

    environment: str
    vehicles: int = 5
    see_behind: bool = False
    driver: Literal["agent", "idm"] = "agent"

    @property
    def observed(self) -> str:
        """The observation in words, as protocols state it."""
        return f"{self.vehicles} vehicles, {'all around' if self.see_behind else 'ahead'}"

    def make(self) -> Any:
        """The environment.

        Raises:
            UserError: there is no such task.
        """
        if self.environment not in LONGEST:
            raise UserError(f"there is no environment {self.environment!r} here. Known: {', '.join(LONGEST)}.")
        seen = {"type": "Kinematics", "vehicles_count": self.vehicles, "see_behind": self.see_behind}
        name = f"highway_env:{self.environment}"
        return gymnasium.make(name, disable_env_checker=True, config={"observation": seen})


class Car:
    """One environment, by the seed of its running episode and the actions since.

    Args:
        scene: what is driven and seen.
    """

    def __init__(self, scene: Scene) -> None:
        self.environment, self.driver = scene.make(), scene.driver
        self.seed, self.actions = 0, list[int]()

    @property
    def simulation(self) -> Any:
        """The environment without Gymnasium's wrappers: road and vehicles."""
        return self.environment.unwrapped

    def begin(self, seed: int) -> Floats32:
        """Starts an episode; its first observation [o]."""
        observation, _ = self.environment.reset(seed=seed)
        self.seed, self.actions = seed, []
        if self.driver == "idm":
            self._hand_over()
        return np.array(observation).ravel()

    def _hand_over(self) -> None:
        """Puts an IDM/MOBIL driver where the ego is, for whom the rewards and the end are then counted."""
        simulation = self.simulation
        driver = IDMVehicle.create_from(simulation.vehicle)
        driver.target_speed = TARGET_SPEED
        simulation.road.vehicles[simulation.road.vehicles.index(simulation.vehicle)] = driver
        simulation.vehicle = driver

    def step(self, action: int) -> tuple[Floats32, float, bool, bool]:
        """Drives for a second: observation [o], reward, whether it crashed, whether the time is over."""
        self.actions.append(action)
        observation, reward, crashed, over, _ = self.environment.step(action)
        return np.array(observation).ravel(), float(reward), bool(crashed), bool(over)

    def go_on(self, seed: int, actions: Sequence[int]) -> None:
        """Comes to where these actions lead after a reset with this seed."""
        self.begin(seed)
        for action in actions:
            self.step(action)


Stepped = tuple[Floats32, Floats32, float, bool, bool]
"""What a step of a car tells: what to act on next [o], where it led [o], reward, crashed, over."""


class Cars:
    """Several of them, which begin anew where an episode ends, if `again`.

    Args:
        scene: what is driven and seen.
        count: how many.
        again: whether an episode follows another.
    """

    def __init__(self, scene: Scene, count: int, again: bool) -> None:
        self.cars, self.again = [Car(scene) for _ in range(count)], again

    def begin(self, seeds: Sequence[int]) -> list[Floats32]:
        """Starts an episode in each car; returns what each driver sees."""
        return [car.begin(seed) for car, seed in zip(self.cars, seeds, strict=True)]

    def step(self, actions: Sequence[int | None]) -> list[Stepped | None]:
        """Drives those for a second that have an action."""
        pairs = zip(self.cars, actions, strict=True)
        return [None if action is None else self._step(car, action) for car, action in pairs]

    def _step(self, car: Car, action: int) -> Stepped:
        successor, reward, crashed, over = car.step(action)
        anew = self.again and (crashed or over)
        return car.begin(car.seed + APART) if anew else successor, successor, reward, crashed, over

    def state(self) -> list[tuple[int, list[int]]]:
        """Seed and actions of every running episode."""
        return [(car.seed, list(car.actions)) for car in self.cars]

    def go_on(self, state: Sequence[tuple[int, list[int]]]) -> None:
        """Drives all cars to a state that `state` gave."""
        for car, (seed, actions) in zip(self.cars, state, strict=True):
            car.go_on(seed, actions)
