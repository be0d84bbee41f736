"""Many cars driven side by side, shared out among processes; what they do does not depend on how many there are."""

import multiprocessing
import os
import weakref
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Bools, Floats, Floats32
from benchmarks.processes import prepare_worker
from datamodules.environments.highway import ACTIONS, FEATURES, Cars, Scene


class Here:
    """Cars in this process; asked for something, they do it at once."""

    def __init__(self, *arguments: Any) -> None:
        self.cars, self.answer = Cars(*arguments), None

    def ask(self, method: str, *arguments: Any) -> None:
        """Calls a method of the cars."""
        self.answer = getattr(self.cars, method)(*arguments)

    def hear(self) -> Any:
        """What the method returned."""
        return self.answer


class There:
    """Cars in a process of their own, which ends with this object, and with this process however that ends."""

    def __init__(self, *arguments: Any) -> None:
        # A fork has nothing to import, and no thread of torch's is asked for anything in it.
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_attend, args=(theirs, arguments), daemon=True)
        self.process.start()
        theirs.close()
        weakref.finalize(self, _end, os.getpid(), self.process, self.connection)

    def ask(self, method: str, *arguments: Any) -> None:
        """Asks the process to call a method of the cars, and does not wait for it."""
        with suppress(ConnectionError):  # of which `hear` will tell
            self.connection.send((method, arguments))

    def hear(self) -> Any:
        """What the method returned.

        Raises:
            RuntimeError: the process is gone, or its simulator failed.
        """
        try:
            answer, failure = self.connection.recv()
        except (EOFError, ConnectionError):
            raise RuntimeError("a process that simulates cars has ended, perhaps for want of memory") from None
        if failure is not None:
            raise RuntimeError(f"the simulator of cars failed: {failure}")
        return answer


def _attend(connection: Connection, arguments: tuple[Any, ...]) -> None:
    """The life of such a process: does what it is asked for until nobody asks any more."""
    prepare_worker(0)
    cars = Cars(*arguments)
    while True:
        try:
            method, given = connection.recv()
        except (EOFError, ConnectionError):
            os._exit(0)
        try:
            connection.send((getattr(cars, method)(*given), None))
        except Exception as error:  # noqa: BLE001 (whatever it was, who asked must hear of it)
            connection.send((None, f"{type(error).__name__}: {error}"))


def _end(owner: int, process: Any, connection: Connection) -> None:
    if os.getpid() != owner:
        return  # a sibling, forked later, holds a copy of what asks
    process.kill()
    process.join()
    connection.close()


class Motorway:
    """A vector environment of N cars, `Environments` as an agent's training needs them.

    Rewards, ends and observations are those of `gymnasium.make(environment)`, one by one, the observation as a vector.
    Where `again`, the step that ends an episode begins the next one, whose seed is that of the last plus two, and
    returns its first observation, with the last of the old one in `infos["final_obs"]`. Otherwise a car whose episode
    has ended rests: it observes what it saw last, and earns nothing.

    Args:
        scene: what is driven and seen.
        num_envs: N.
        workers: processes beside this one that simulate; 0: this one does.
        again: whether an episode follows another.

    Raises:
        UserError: there is no such task.
    """

    least, most = 0, len(ACTIONS) - 1

    def __init__(self, scene: Scene, num_envs: int, workers: int = 0, again: bool = True) -> None:
        self.scene, self.num_envs, self.again = scene, num_envs, again
        self.sizes = (scene.vehicles * FEATURES, len(ACTIONS))
        shares = [len(part) for part in np.array_split(np.arange(num_envs), max(1, workers)) if len(part)]
        self.groups: list[Here | There] = [
            There(scene, share, again) if workers else Here(scene, share, again) for share in shares
        ]
        self.borders = np.cumsum([0, *shares]).tolist()
        self.resting = np.zeros(num_envs, np.bool_)
        self.observations: Floats32 = np.zeros((num_envs, 0), np.float32)

    def reset(self, *, seed: list[int]) -> tuple[Floats32, dict[str, Any]]:
        """First observations [N, o] of episodes with these seeds."""
        self.observations = np.stack(self._everywhere("begin", seed))
        self.resting[:] = False
        return self.observations.copy(), {}

    def step(self, actions: NDArray[np.integer]) -> tuple[Floats32, Floats, Bools, Bools, dict[str, Any]]:
        """Drives all cars for a second.

        Args:
            actions: [N], places in `ACTIONS`.

        Returns:
            Observations [N, o], rewards [N], whether each crashed [N] and whether its time is over [N], and infos.
        """
        told = [None if rests else int(action) for action, rests in zip(actions, self.resting, strict=True)]
        rewards = np.zeros(self.num_envs)
        crashed, over = np.zeros(self.num_envs, np.bool_), self.resting.copy()
        final = np.full(self.num_envs, None, object)
        for i, stepped in enumerate(self._everywhere("step", told)):
            if stepped is not None:
                self.observations[i], final[i], rewards[i], crashed[i], over[i] = stepped
        ended = crashed | over
        final[~ended] = None
        if not self.again:
            self.resting |= ended
        return self.observations.copy(), rewards, crashed, over, {"final_obs": final, "_final_obs": ended}

    def state(self) -> dict[str, Any]:
        """Seed and actions of every running episode, and what is seen."""
        return {"cars": self._everywhere("state"), "observations": self.observations.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Comes to a state, by driving again what was driven since the last resets."""
        self._everywhere("go_on", state["cars"])
        self.observations = np.array(state["observations"], np.float32)

    def _everywhere(self, method: str, of_cars: Sequence[Any] | None = None) -> list[Any]:
        """Calls a method in all groups at once, with what is each car's; the answers, a car each."""
        for group, first, last in zip(self.groups, self.borders, self.borders[1:], strict=False):
            group.ask(method, *(() if of_cars is None else (of_cars[first:last],)))
        answers = [group.hear() for group in self.groups]
        return [] if answers[0] is None else [each for answer in answers for each in answer]
