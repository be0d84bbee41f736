"""How fast a run trained, what share of the time it waited for data, and how long a rehearsal's evaluation took."""

import resource
import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.schema import Throughput

WARM_UP = 3  # batches after which compilation, caches and worker starts no longer count

Moment = float | torch.cuda.Event
"""When a processor, or a GPU in what it has been asked to do, came somewhere: nobody waits for a GPU to find out."""


def _now(trainer: Trainer) -> Moment:
    if trainer.strategy.root_device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _seconds(first: Moment, last: Moment) -> float:
    """Seconds between two moments; waits for the last one."""
    if isinstance(first, float) or isinstance(last, float):
        return last - first  # type: ignore[operator]
    last.synchronize()
    return float(first.elapsed_time(last)) / 1000


class ThroughputMeter(Callback):
    """Times training batches; validation, checkpoints and each epoch's first batches are left out.

    What a GPU did not compute between two batches, it waited for data; of several, what they asked each other counts in
    too. Its counts are saved with the checkpoints, so that they cover a run and not only the part after a resume.

    Args:
        warm_up: batches of an epoch, or after a start, that are left out.
    """

    def __init__(self, warm_up: int = WARM_UP) -> None:
        self.warm_up = warm_up
        self.began = time.perf_counter()
        self.examples = self.seconds = self.waited = 0.0
        self.started: Moment = 0.0
        self.ended: Moment | None = None
        self.uncounted: tuple[float, Moment, Moment, Moment] | None = None
        """The last batch: its examples, the end of the one before, its start, its end. A GPU is still at it."""
        self.seen = 0  # batches since the loader started

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seen = 0

    @property
    def elapsed(self) -> float:
        """Seconds that the run has taken so far, without what a kill lost."""
        return time.perf_counter() - self.began

    def state_dict(self) -> dict[str, float]:
        self._count()
        return {"examples": self.examples, "seconds": self.seconds, "waited": self.waited, "elapsed": self.elapsed}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.examples = state_dict["examples"]
        self.seconds, self.waited = state_dict["seconds"], state_dict["waited"]
        self.began = time.perf_counter() - state_dict["elapsed"]  # also right when testing loads it once more

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.started = _now(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._count()
        now = _now(trainer)
        if self.ended is not None and self.seen >= self.warm_up:
            datamodule: Any = trainer.datamodule  # type: ignore[attr-defined]
            examples = datamodule.step_size / trainer.accumulate_grad_batches
            self.uncounted = (examples, self.ended, self.started, now)
        self.ended = now
        self.seen += 1

    def _count(self) -> None:
        """Adds the last batch, which is at its end, or is waited for."""
        if self.uncounted is None:
            return
        examples, before, started, ended = self.uncounted
        self.uncounted = None
        self.examples += examples
        self.seconds += _seconds(before, ended)
        self.waited += _seconds(before, started)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ended = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self.ended = None

    def measured(self, unit: str) -> Throughput | None:
        """Examples of all devices a second; None where too few batches were seen."""
        self._count()
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
        """Estimated seconds for so many batches; 0 if none was timed."""
        began, *ends = self.ends[kind] or [0.0]
        if not ends or batches == 0:
            return 0.0
        first = ends[0] - began
        later = (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else first
        return self.stretch[kind] * (first + (batches - 1) * later)


class Stopwatch(Callback):
    """Times parts of steps: what they hold and take, and what an optimizer's update takes."""

    SKIPPED = 2  # parts at the start, which are not measured

    def __init__(self) -> None:
        self.batches = 0
        self.held = 0.0
        self.parts: list[tuple[Moment, Moment, Moment]] = []
        """For each part measured: when it began, when its gradients were there, and when it had ended."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.started = _now(trainer)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        self.computed = _now(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.batches += 1
        if self.batches > self.SKIPPED:
            self.held += trainer.datamodule.held(batch)  # type: ignore[attr-defined]
            self.parts.append((self.started, self.computed, _now(trainer)))

    def seconds(self, held: float, steps: int) -> float:
        """Estimated seconds for `steps` steps that hold `held` in all on this rank."""
        computing = self.seconds_a_part * len(self.parts)
        updating = sum(_seconds(computed, ended) for _, computed, ended in self.parts)
        return held * computing / self.held + steps * updating / len(self.parts)

    @property
    def seconds_a_part(self) -> float:
        """Mean seconds per part, without the optimizer's update."""
        return sum(_seconds(started, computed) for started, computed, _ in self.parts) / len(self.parts)


def peak_memory(on_gpu: bool) -> int:
    """The most that this process has had, in bytes: of its GPU, or where it has none, of the machine.

    On a GPU it is what torch's allocator held, which is more than the tensors in it: with ever new shapes, gaps stay.
    """
    if on_gpu:
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
