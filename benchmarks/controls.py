"""Controls: variants that are trained beside a run, each as a run of its own, and whose scores are its baselines."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace

from benchmarks.arguments import DEFAULT
from benchmarks.config import leaves
from benchmarks.errors import UserError
from benchmarks.launch import MISTAKE
from benchmarks.paths import ROOT, record_file
from benchmarks.plan import Order, Plan, work_out
from benchmarks.processes import PARENT
from benchmarks.runs import announce, externally_launched
from benchmarks.schema import Baseline
from benchmarks.strict import load_record


class Controls:
    """The controls of a run: started here, in processes that end with this one, but for those that have a record.

    Args:
        plan: of the run.

    Raises:
        UserError: torchrun or SLURM started this process, whose part a control would take itself to be.
    """

    def __init__(self, plan: Plan) -> None:
        names = plan.settings.get("controls", [])
        if names and externally_launched():
            raise UserError('controls are not trained under torchrun or SLURM. Leave them out: ARGS="--controls []".')
        self.plan = plan
        self.orders = {name: replace(plan.order, variant=name, fresh=False) for name in names}
        run_ids = {name: work_out(order).run_id for name, order in self.orders.items()}
        self.records = {name: record_file(plan.order.benchmark, run_id) for name, run_id in run_ids.items()}
        self.children = {name: _started(self.orders[name]) for name, path in self.records.items() if not path.exists()}
        for name in self.children:
            announce(f"beside it, as a control: {run_ids[name]}")

    def __enter__(self) -> Controls:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.children.values():
            child.terminate()  # which one that has ended does not notice
        for child in self.children.values():
            child.wait()

    def scores(self) -> dict[str, Baseline]:
        """What each control scored on the test sets of the run, once all have ended.

        Raises:
            UserError: one could not be trained for the user's mistake.
            RuntimeError: one failed.
        """
        found = {}
        for name, path in self.records.items():
            if name in self.children and (code := self.children[name].wait()):
                raise (UserError if code == MISTAKE else RuntimeError)(
                    f"the control {name} ended with code {code}. Run it alone, as VARIANT={name}, to see why."
                )
            for key, measured in load_record(path).metrics.items():
                metric = key if len(self.plan.tests) > 1 else key.partition("/")[2]
                found[f"{name}/{metric}"] = Baseline(measured.value, key)
        return found


def _started(order: Order) -> subprocess.Popen[bytes]:
    """The command that runs an order; it says nothing but its mistakes."""
    overrides = (f"--{key}={json.dumps(value)}" for key, value in leaves(order.overrides).items())
    options = {
        "profile": order.profile, "variant": order.variant or DEFAULT, "data": order.data, "seeds": order.seed,
        "args": shlex.join(overrides),
    }  # fmt: skip
    command = [f"--{name}={value}" for name, value in options.items() if value is not None]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "run", order.benchmark, *command],
        cwd=ROOT, env=os.environ | {PARENT: str(os.getpid())}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
