"""Robots that are filmed while they are tested, so that their sheet shows how the worst episode ended."""

from typing import Any

from numpy.typing import NDArray

from benchmarks.arrays import Bools, Floats
from datamodules.environments.batched import BatchedMujoco
from datamodules.environments.episodes import Episodes, Played
from results.scoring.film import FRAMES

BETWEEN = 0.1  # seconds from one frame to the next


class Filmed(BatchedMujoco):
    """Robots whose positions before every step since the last reset are kept: [n, nq] each."""

    def reset(
        self, *, seed: int | list[int | None] | list[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Starts an episode in every environment, and a new film."""
        self.film: list[Floats] = []
        return super().reset(seed=seed, options=options)

    def step(self, actions: NDArray[Any]) -> tuple[Floats, Floats, Bools, Bools, dict[str, Any]]:
        """Steps all robots, once their positions are on the film."""
        self.film.append(self.positions)
        return super().step(actions)

    def last_second(self, robot: int, length: int) -> dict[str, Any]:
        """What is seen of a robot before the last step of its first episode.

        Args:
            robot: its number.
            length: of the episode, in steps.

        Returns:
            `seconds` since the reset [m] and generalised `positions` [m, nq], the nearest steps to `BETWEEN` apart:
            `FRAMES` of them, fewer where the episode is shorter.
        """
        back = (round(frame * BETWEEN / self.dt) for frame in reversed(range(FRAMES)))
        steps = [step for step in (length - 1 - each for each in back) if step >= 0]
        return {
            "seconds": [step * self.dt for step in steps],
            "positions": [self.film[step][robot].tolist() for step in steps],
        }


class FilmedEpisodes(Episodes):
    """Episodes that come with a film of the worst one."""

    environments: Filmed

    def predictions(self, played: Played) -> list[dict[str, Any]]:
        """Episodes as `results/scoring/control.py` writes them; the first of least return has a `film` of its end."""
        rows, worst = super().predictions(played), int(played.returns.argmin())
        rows[worst]["film"] = self.environments.last_second(worst, int(played.lengths[worst]))
        return rows
