"""How fast a run trained, which share of the time it waited for data, and what a rehearsal's evaluation took."""

import resource
import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.schema import Throughput

WARM_UP = 3  # batches after which compilation, caches and worker starts no longer count


class ThroughputMeter(Callback):
    """Times training batches; validation, checkpoints and each epoch's first batches are left out.

    Its counts are saved with the checkpoints, so that they cover a run and not only the part after a resume.
    """

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.examples = self.seconds = self.waited = 0.0
        self.ended: float | None = None
        self.started = 0.0
        self.seen = 0  # batches since the loader started

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seen = 0

    @property
    def elapsed(self) -> float:
        """Seconds that the run has taken so far, without what a kill lost."""
        return time.perf_counter() - self.began

    def state_dict(self) -> dict[str, float]:
        return {"examples": self.examples, "seconds": self.seconds, "waited": self.waited, "elapsed": self.elapsed}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.examples = state_dict["examples"]
        self.seconds, self.waited = state_dict["seconds"], state_dict["waited"]
        self.began = time.perf_counter() - state_dict["elapsed"]  # also right when testing loads it once more

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()  # or the rest of this step would count as waiting for the next one's data
        now = time.perf_counter()
        if self.ended is not None and self.seen >= WARM_UP:
            datamodule: Any = trainer.datamodule  # type: ignore[attr-defined]
            self.examples += datamodule.step_size / trainer.accumulate_grad_batches
            self.seconds += now - self.ended
            self.waited += self.started - self.ended
        self.ended = now
        self.seen += 1

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ended = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self.ended = None

    def measured(self, unit: str) -> Throughput | None:
        """Examples of all devices a second; None where too few batches were seen."""
        if self.seconds == 0:
            return None
        return Throughput(f"{unit}/s", self.examples / self.seconds, self.waited / self.seconds)


class EvaluationMeter(Callback):
    """Times batches of the last validation and of the test; those of the first batch start the loader's workers too.

    Where a model that has learnt takes longer over them than one that has not, it counts what they may grow to.
    """

    def __init__(self) -> None:
        self.ends: dict[str, list[float]] = {"validation": [], "test": []}
        self.stretch = {"validation": 1.0, "test": 1.0}

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ends["validation"] = [time.perf_counter()]

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        self._end("validation", trainer, outputs)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ends["test"] = [time.perf_counter()]

    def on_test_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        self._end("test", trainer, outputs)

    def _end(self, kind: str, trainer: Trainer, outputs: Any) -> None:
        self.ends[kind].append(time.perf_counter())
        self.stretch[kind] = trainer.datamodule.stretch(outputs)  # type: ignore[attr-defined]

    def seconds(self, kind: str, batches: int) -> float:
        """That many batches will take; 0 where none was seen."""
        if len(self.ends[kind]) < 2 or batches == 0:
            return 0.0
        began, first, *_, last = [*self.ends[kind], self.ends[kind][-1]]
        later = (last - first) / max(1, len(self.ends[kind]) - 2) or first - began
        return self.stretch[kind] * (first - began + (batches - 1) * later)


class Stopwatch(Callback):
    """Times parts of steps, without waiting for them: what they hold and take, and what an optimizer's update takes."""

    WARM_UP = 2  # of them are not measured

    def __init__(self) -> None:
        self.batches = 0
        self.held = self.computing = self.updating = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.started = _now(trainer)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        self.computed = _now(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.batches += 1
        if self.batches > self.WARM_UP:
            self.held += trainer.datamodule.held(batch)  # type: ignore[attr-defined]
            self.computing += self.computed - self.started
            self.updating += _now(trainer) - self.computed

    def seconds(self, held: float, steps: int) -> float:
        """That so many steps take, which hold so much together on this rank."""
        return held * self.computing / self.held + steps * self.updating / (self.batches - self.WARM_UP)


def _now(trainer: Trainer) -> float:
    if trainer.strategy.root_device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_memory(on_gpu: bool) -> int:
    """The most that this process has had, in bytes: of its GPU, or where it has none, of the machine."""
    if on_gpu:
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
