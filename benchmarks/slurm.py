"""What Lightning is told about SLURM, and what it would not understand."""

import os

from lightning.pytorch.plugins.environments import SLURMEnvironment

from benchmarks.errors import UserError


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
        """From 15,000 to 24,999, by job and step, or MASTER_PORT."""
        if "MASTER_PORT" not in os.environ:
            job, step = int(os.environ["SLURM_JOB_ID"]), int(os.environ["SLURM_STEP_ID"])
            os.environ["MASTER_PORT"] = str(15_000 + (job + 1_009 * step) % 10_000)
        return int(super().main_port)


def require_spread(devices: int, nodes: int) -> None:
    """Refuses tasks of srun that are not as many on each node as devices, on as many nodes.

    Lightning would refuse them too, but by a traceback, once all data were read, and with advice for other cases.

    Raises:
        UserError: they are not, or nothing says so.
    """
    tasks = os.environ.get("SLURM_NTASKS_PER_NODE")
    if tasks is None:
        raise UserError(
            f"srun was not told how many tasks a node has. Give it --nodes={nodes} --ntasks-per-node={devices} in "
            "place of --ntasks."
        )
    there = os.environ.get("SLURM_NNODES", os.environ.get("SLURM_JOB_NUM_NODES", str(nodes)))
    if (int(tasks), int(there)) != (devices, nodes):
        raise UserError(
            f"srun started {tasks} task(s) a node on {there} node(s), but DEVICES is {devices} and NODES {nodes}. Give "
            f"DEVICES={tasks} and NODES={there}, or srun --nodes={nodes} --ntasks-per-node={devices}."
        )
