"""A run on Weights & Biases while it trains, where the user is logged in; at its end `tracking.py` completes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.order import PlannedRun, Stage
from benchmarks.runs import announce
from benchmarks.tracking import begin, described, mode, steps_before, warn

Send = Callable[[int, Mapping[str, float]], None]


class Live:
    """Sends what a run logs, by the steps that its curves have in the end; on rank zero alone, as only that logs.

    W&B takes no step again, so of steps that a killed run repeats it keeps the values of the first time.

    Args:
        plan: of the run.
    """

    def __init__(self, plan: PlannedRun) -> None:
        self.plan = plan
        self.run: Any = None
        self.off = False

    def of(self, stage: Stage) -> Send:
        """What takes the values of a stage, once the stages before it have ended."""
        earlier = self.plan.stages[: list(self.plan.assemblies).index(stage.name)]
        begun = steps_before(each.folder for each in earlier)

        def send(step: int, values: Mapping[str, float]) -> None:
            self._send(begun + step, {stage.prefix + name: value for name, value in values.items()})

        return send

    def _send(self, step: int, values: Mapping[str, float]) -> None:
        """The first failure is said, and nothing is sent from then on."""
        if self.off:
            return
        try:
            self.run = self.run or self._begun()
            self.off = self.run is None
            if self.run is not None and step >= self.run.starting_step:
                self.run.log(values, step=step)
        except Exception as error:  # noqa: BLE001 (whatever it is, training goes on)
            warn(error)
            self.off = True

    def _begun(self) -> Any:
        """The W&B run, begun or continued; None where nothing is sent before the end."""
        if mode() != "online":
            return None
        plan, order = self.plan, self.plan.order
        config = plan.together([stage.assembly.portable() for stage in plan.stages])
        about = described(order.benchmark, order.profile, order.variant, order.seed, plan.config_hash)
        run = begin(plan.run_id, plan.folder, "online", about | config, [order.profile], watched=True)
        if run is not None:
            announce(f"{plan.run_id} is shown at {run.url}")
        return run

    def end(self, *, failed: bool) -> None:
        """Sends what is on its way; W&B shows a run that was stopped as failed until it is continued."""
        if self.run is not None:
            self.run.finish(exit_code=int(failed))


@contextmanager
def live(plan: PlannedRun) -> Iterator[Live]:
    """Context: the W&B run of a training, finished when the block ends."""
    shown = Live(plan)
    try:
        yield shown
    except BaseException:
        shown.end(failed=True)
        raise
    shown.end(failed=False)
