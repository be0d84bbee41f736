"""A run on Weights & Biases while it trains, where the user is logged in; at its end `tracking.py` completes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.order import PlannedRun, Stage
from benchmarks.processes import Stopped
from benchmarks.runs import announce
from benchmarks.tracking import begin, described, go_offline, mode, send_curves, send_row, steps_of, warn

Send = Callable[[int, Mapping[str, float]], None]


class Live:
    """Sends what a run logs, by the steps that its curves have in the end; on rank zero alone, as only that logs.

    W&B takes no step again, so of steps that a killed run repeats it keeps the values of the first time.

    Args:
        plan: of the run.
        run: on W&B; None where nothing is sent before the end.
    """

    def __init__(self, plan: PlannedRun, run: Any) -> None:
        self.plan, self.run = plan, run
        self.behind = True  # W&B may lack what an earlier process has logged
        self.off = run is None

    def of(self, stage: Stage) -> Send:
        """What takes the values of a stage, once the stages before it have ended."""
        earlier = self.plan.stages[: list(self.plan.assemblies).index(stage.name)]
        begun = sum(max(steps_of(each.folder), default=0) for each in earlier)

        def send(step: int, values: Mapping[str, float]) -> None:
            if not self.off:
                self._send(begun, step, stage.prefix, values)

        return send

    def _send(self, begun: int, step: int, prefix: str, values: Mapping[str, float]) -> None:
        """The first failure is said, and nothing is sent from then on."""
        try:
            if self.behind:
                send_curves(self.run, {stage.prefix: stage.folder for stage in self.plan.stages})  # this step's too
            else:
                send_row(self.run, begun, step, prefix, values)
            self.behind = False
        except Exception as error:  # noqa: BLE001 (whatever it is, training goes on)
            warn(error)
            self.off = True

    def end(self, *, failed: bool) -> None:
        """Sends what is on its way; W&B shows a run that was stopped as failed until it is continued.

        Raises:
            Stopped: a signal came meanwhile.
        """
        if self.run is None:
            return
        try:
            self.run.finish(exit_code=int(failed))
        except Stopped as stop:
            warn(stop)
            raise
        except Exception as error:  # noqa: BLE001 (it is down, or gone)
            if failed:
                warn(f"{error} What it lacks is sent when the run goes on")
            else:
                go_offline(error, self.plan.folder)


@contextmanager
def live(plan: PlannedRun) -> Iterator[Live]:
    """Context: the W&B run of a training, begun before anything is timed, and finished when the block ends."""
    shown = Live(plan, _begun(plan))
    try:
        yield shown
    except BaseException:
        shown.end(failed=True)
        raise
    shown.end(failed=False)


def _begun(plan: PlannedRun) -> Any:
    """The W&B run of a plan, begun or continued; None where nothing is sent before the end."""
    if mode() != "online":
        return None
    order = plan.order
    config = plan.together([stage.assembly.portable() for stage in plan.stages])
    about = described(order.benchmark, order.profile, order.variant, order.seed, plan.config_hash)
    run = begin(plan.run_id, plan.folder, "online", about | config, [order.profile], watched=True)
    if run is not None:
        announce(f"{plan.run_id} is shown at {run.url}")
    return run
