"""Lightning's progress bar, where somebody watches."""

import sys

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

from lightning_modules.interface import BenchmarkModule


class StepBar(TQDMProgressBar):
    """It shows what a step logged without having waited for the GPU at its end."""

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Lightning's own, and the step's."""
        assert isinstance(pl_module, BenchmarkModule)
        return super().get_metrics(trainer, pl_module) | {n: float(each.get()) for n, each in pl_module.shown.items()}


def bars() -> list[Callback]:
    """One, where standard error is a terminal."""
    return [StepBar()] if sys.stderr.isatty() else []
