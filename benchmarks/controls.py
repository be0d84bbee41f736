"""Controls: variants that are trained beside a run, each as a run of its own, and whose scores are its baselines."""

from __future__ import annotations

import json
import shlex
import subprocess
import tempfile
from dataclasses import replace

from benchmarks.claim import DEFAULT
from benchmarks.config import leaves
from benchmarks.errors import Busy, UserError
from benchmarks.launch import start
from benchmarks.order import Order, PlannedRun, work_out
from benchmarks.paths import record_file
from benchmarks.processes import BUSY, MISTAKE
from benchmarks.runs import announce, externally_launched
from benchmarks.schema import Baseline
from benchmarks.strict import load_record


class Controls:
    """The controls of a run: trained in processes that end with this one, but for those that have a record.

    Args:
        plan: of the run.
    """

    def __init__(self, plan: PlannedRun) -> None:
        self.plan = plan
        order = replace(plan.order, fresh=False, overrides=plan.order.overrides | {"controls": []})
        self.orders = {name: replace(order, variant=name) for name in plan.settings.get("controls", [])}
        self.plans = {name: work_out(each) for name, each in self.orders.items()}
        self.records = {name: record_file(order.benchmark, each.run_id) for name, each in self.plans.items()}
        self.children: dict[str, Child] = {}

    def __enter__(self) -> Controls:
        there = [name for name, path in self.records.items() if path.exists()]
        for name in there:
            self._require_same_data(name)
        for name, path in self.records.items():
            if name not in there:
                announce(f"beside it, as a control: {path.stem}")
                self.children[name] = Child(self.orders[name])
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children.values():
            child.process.terminate()  # which one that has ended does not notice
        for child in self.children.values():
            child.process.wait()

    def _require_same_data(self, name: str) -> None:
        record = load_record(self.records[name])
        self.plans[name].require_data_of(record, f"train it anew first, with VARIANT={name} FRESH=1")

    def scores(self) -> dict[str, Baseline]:
        """What each control scored on the test sets of the run, once all have ended.

        Raises:
            UserError: one could not be trained for the user's mistake, or was trained elsewhere on other data.
            RuntimeError: one failed.
        """
        found = {}
        for name, child in self.children.items():
            if code := child.process.wait():
                if not self.records[name].exists():  # else another process has trained it, while this one was training
                    raise child.failure(name, code)
                self._require_same_data(name)
        for name, path in self.records.items():
            for key, measured in load_record(path).metrics.items():
                metric = key if len(self.plan.tests) > 1 else key.partition("/")[2]
                found[f"{name}/{metric}"] = Baseline(measured.value, key)
        return found


class Child:
    """The process that runs an order; what it says of mistakes and failures is kept."""

    def __init__(self, order: Order) -> None:
        overrides = (f"--{key}={json.dumps(value)}" for key, value in leaves(order.overrides).items())
        options = {
            "profile": order.profile, "variant": order.variant or DEFAULT, "data": order.data, "seeds": order.seed,
            "args": shlex.join(overrides),
        }  # fmt: skip
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 (for as long as the process)
        self.process = start(["run", order.benchmark, *given], stdout=subprocess.DEVNULL, stderr=self.said)

    def failure(self, name: str, code: int) -> Exception:
        """Why it ended with a code: the user's mistake, or a failure."""
        self.said.seek(0)
        said = self.said.read().decode(errors="replace").strip().removeprefix("error: ") or "it said nothing"
        kind = {MISTAKE: UserError, BUSY: Busy}.get(code, RuntimeError)
        return kind(f"the control {name} ended with code {code}: {said}")


def require_launcher(plan: PlannedRun) -> None:
    """Refuses controls under torchrun or SLURM, as a control would take itself to be one of their processes.

    Raises:
        UserError: there are some.
    """
    if plan.settings.get("controls") and externally_launched():
        raise UserError('controls are not trained under torchrun or SLURM. Leave them out: ARGS="--controls []".')
