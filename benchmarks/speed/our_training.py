"""Our part of training.py: the variant's own training under its own Trainer; reads seconds, answers steps a second."""

import sys
from time import perf_counter
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.assembly import Assembly
from benchmarks.callbacks import StepSeeds
from benchmarks.config import machine_settings, merge, resolve_settings
from benchmarks.evaluation import quiet

SEED = 100  # of tuning, not of the claim


class Turns(Callback):
    """Trains for as many seconds as a line says, whole training steps; then waits for the next."""

    def __init__(self, steps: int) -> None:
        self.steps = steps  # environment steps in a training step
        self.count, self.seconds, self.start = 0, 0.0, 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Waits for the first line."""
        print("ready", flush=True)
        self._wait()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Answers once the seconds are over."""
        self.count += 1
        if perf_counter() - self.start >= self.seconds:
            print(self.count * self.steps / (perf_counter() - self.start), flush=True)
            self._wait()

    def _wait(self) -> None:
        line = sys.stdin.readline()
        if not line:
            sys.exit()
        self.count, self.seconds, self.start = 0, float(line), perf_counter()


benchmark, variant = sys.argv[1:3]
assembly = Assembly(merge(resolve_settings(benchmark, "full", variant, {}), machine_settings(SEED, None)))
steps = assembly.datamodule.global_batch_size
endless = {"max_epochs": -1, "limit_val_batches": 0}
trainer = assembly.trainer([StepSeeds(SEED), Turns(steps)], **endless, **quiet())
trainer.fit(assembly.module, datamodule=assembly.datamodule)
