"""Lightning's progress bar, without its wait for the GPU at every step."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

from lightning_modules.interface import BenchmarkModule


class StepBar(TQDMProgressBar):
    """A progress bar that shows what the last step logged, once a GPU has computed it."""

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Lightning's metrics, and those that the step logged."""
        assert isinstance(pl_module, BenchmarkModule)
        return super().get_metrics(trainer, pl_module) | {n: float(each.get()) for n, each in pl_module.shown.items()}
