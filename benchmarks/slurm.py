"""What Lightning is told about SLURM."""

import os

from lightning.pytorch.plugins.environments import SLURMEnvironment


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
