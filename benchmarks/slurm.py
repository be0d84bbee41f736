"""What Lightning is told about SLURM, and what it would not understand."""

import os
import re

from lightning.pytorch.plugins.environments import SLURMEnvironment

from benchmarks.errors import UserError

SPREAD = re.compile(r"(\d+)(?:\(x(\d+)\))?")


class JobStep(SLURMEnvironment):
    """A step of a SLURM job, whose ranks meet apart from those of the job's other steps.

    Lightning goes by the job: two steps side by side, such as two seeds, would meet at one address and port. Nor does
    it start a job again, as that would go on from whatever checkpoint lies in the working folder; SIGUSR1, by which it
    would, stops a run as SIGTERM does.
    """

    def __init__(self) -> None:
        super().__init__(auto_requeue=False)

    @property
    def main_address(self) -> str:
        """The first node of the step, or MASTER_ADDR."""
        if "SLURM_STEP_NODELIST" in os.environ and "MASTER_ADDR" not in os.environ:
            os.environ["MASTER_ADDR"] = self.resolve_root_node_address(os.environ["SLURM_STEP_NODELIST"])
        return str(super().main_address)

    @property
    def main_port(self) -> int:
        """The port: MASTER_PORT, or one from 15,000 to 24,999 that follows from job and step."""
        if "MASTER_PORT" not in os.environ:
            job, step = int(os.environ["SLURM_JOB_ID"]), int(os.environ["SLURM_STEP_ID"])
            os.environ["MASTER_PORT"] = str(15_000 + (job + 1_009 * step) % 10_000)
        return int(super().main_port)

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Checks nothing: `require_spread` has, by the step and before data are read; Lightning goes by the job."""

    @staticmethod
    def _validate_srun_variables() -> None:
        """Checks nothing, as above."""


def require_spread(devices: int, nodes: int) -> None:
    """Refuses a step whose tasks are not as many on each node as devices, on as many nodes.

    Raises:
        UserError: they are not.
    """
    said = os.environ.get("SLURM_STEP_TASKS_PER_NODE", "")  # such as 8(x2), or 4,3
    tasks = [int(count) for count, times in SPREAD.findall(said) for _ in range(int(times or 1))]
    if not tasks or tasks == [devices] * nodes:
        return
    instead = f"DEVICES={tasks[0]} and NODES={len(tasks)}, or " if len(set(tasks)) == 1 else ""
    raise UserError(
        f"srun started {said} task(s) a node, but DEVICES is {devices} and NODES {nodes}. Give {instead}srun "
        f"--nodes={nodes} --ntasks-per-node={devices}."
    )
