"""What a run's Trainer does beside training, so that it can stop at any moment and continue bit for bit.

Generators are reseeded from (seed, step, rank) before each step; a signal ends the run between two steps, after a
checkpoint. Lightning's own SIGTERM handler starts a collective operation inside the handler, which can deadlock against
a gradient reduction, so `StopOnSignal` takes its place while training.
"""

import signal
from collections.abc import Sequence
from math import inf
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.checkpointing import BEST, FAILURE, LAST, SUITE, AtomicCheckpointIO
from benchmarks.errors import Failure, UserError
from benchmarks.files import give_name
from benchmarks.paths import relative
from benchmarks.processes import SIGNALS, Stopped, raise_on_signal
from benchmarks.ranks import terminate
from lightning_modules.awaited import Awaited


class Checkpoints(Callback):
    """Saves every so many steps and at the end of every epoch; keeps the newest few, `last.ckpt` the newest of all.

    Args:
        folder: where to save.
        identity: what a checkpoint says of its run.
        every_n_steps: optimizer steps between two checkpoints.
        best_on: the validation metric, higher being better, whose best epoch is kept as `best.ckpt`; None keeps none.
    """

    KEPT = 3
    MOST = KEPT + 2  # on disk at once: an older one may be the best epoch's, and the next one is being written
    PREFIX = "step-"

    def __init__(self, folder: Path, identity: dict[str, Any], every_n_steps: int, best_on: str | None) -> None:
        self.folder, self.identity, self.every_n_steps = folder, identity, every_n_steps
        self.best_on, self.best = best_on, -inf
        self.judged = -inf  # the value of this epoch, once it has been validated

    @property
    def tested(self) -> Path:
        """The checkpoint that is tested after training.

        Raises:
            UserError: nothing was trained, or no epoch validated.
        """
        path = self.folder / (LAST if self.best_on is None else BEST)
        if not path.exists():
            if self.best_on is None:
                raise UserError(
                    "not a step was trained, so there is nothing to test. Leave trainer.max_time out of ARGS."
                )
            raise UserError(
                f"the epoch that is best by {self.best_on} is to be tested, but no epoch was ever validated. Leave "
                "trainer.max_steps and the validation's options out of ARGS."
            )
        return path

    def state_dict(self) -> dict[str, float]:
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.best = state_dict["best"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._require_validation(trainer)
        if trainer.is_global_zero:
            for half in self.folder.glob(".*.ckpt*"):  # left by a kill in the middle of a write
                half.unlink()

    def _require_validation(self, trainer: Trainer) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if self.best_on is not None and not data.val_dataloader():
            raise UserError(
                f"the epoch that is best by {self.best_on} is to be tested, but {type(data).__name__} holds nothing "
                "out of training to validate by. Write its val_dataloader, or claim `checkpoint: last`."
            )

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[SUITE] = self.identity

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        recount(checkpoint, trainer.accumulate_grad_batches)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # The epoch's last batch waits for `on_train_epoch_end`: a checkpoint before validation would skip it.
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch or trainer.fit_loop._should_accumulate():
            return
        if trainer.global_step % self.every_n_steps == 0:
            self.save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.best_on is not None and not trainer.sanity_checking:
            self.judged = float(trainer.callback_metrics[self.best_on])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if better := self.judged > self.best:
            self.best = self.judged
        self.judged = -inf
        self.save(trainer, (BEST, LAST) if better else (LAST,))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if isinstance(exception, Failure):
            AtomicCheckpointIO().save_checkpoint(exception.state, self.folder / FAILURE)
            exception.add_note(f"What it could not go on from is in {relative(self.folder / FAILURE)}.")

    def save(self, trainer: Trainer, names: Sequence[str] = (LAST,)) -> None:
        """Saves the present state, which then goes by the names, given in this order; every rank must call it.

        Where one has failed, as its loss is not finite, the others wait here for their end: what they have made of its
        gradients is not saved.
        """
        trainer.strategy.barrier("every rank has come this far")
        path = self.folder / f"{self.PREFIX}{trainer.global_step:08d}.ckpt"
        trainer.save_checkpoint(path)
        if trainer.is_global_zero:
            for name in names:
                give_name(path, name)
            for old in sorted(self.folder.glob(f"{self.PREFIX}*.ckpt"))[: -self.KEPT]:
                old.unlink()
        trainer.strategy.barrier("the newest checkpoint is the last one")


def recount(checkpoint: dict[str, Any], accumulate: int) -> None:
    """Tells a checkpoint's place in its epoch in batches of which `accumulate` make a step.

    Lightning counts batches, and a run may go on with another number of them a step, as with fewer devices.
    """
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    before = progress["total"]["processed"] // checkpoint["global_step"]
    for counts in (progress["total"], progress["current"]):
        more = counts["processed"] // before * accumulate - counts["processed"]
        for name in counts:
            counts[name] += more


class EndTogether(Callback):
    """Ends the ranks that rank zero started where a signal reached rank zero alone; they may be waiting for it."""

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        raise_on_signal()  # Lightning's own handler first waits for the other ranks to hear of it

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if isinstance(exception, Stopped) and not exception.everywhere:
            terminate()


class StopOnSignal(EndTogether):
    """SIGTERM, SIGUSR1 and Ctrl-C end the run between two steps, after a checkpoint, on all ranks at once.

    Several ranks hear of it a step later, as none waits for its GPU to ask the others; at the end of an epoch at once.

    Args:
        checkpoints: what saves.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints
        self.received = 0
        self.asked: Awaited | None = None

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        raise_on_signal()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for number in SIGNALS:
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        # A second signal is ignored: a group's SIGTERM arrives twice, once handed on by the parent.
        self.received = self.received or number

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch and not trainer.fit_loop._should_accumulate():
            self._stop_if_asked(trainer, save=True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop_if_asked(trainer, save=False)  # `Checkpoints` has just saved

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        raise_on_signal()
        if self.received:
            raise Stopped(self.received)

    def _stop_if_asked(self, trainer: Trainer, save: bool) -> None:
        number = self.received if trainer.world_size == 1 else self._agreed(trainer, at_once=not save)
        if number:
            if save:
                self.checkpoints.save(trainer)
            raise Stopped(number, everywhere=True)

    def _agreed(self, trainer: Trainer, at_once: bool) -> int:
        """A signal that any rank has received, by now or by the last call; else 0."""
        received = torch.full((), self.received, device=trainer.strategy.root_device)  # not `tensor`, which would wait
        torch.distributed.all_reduce(received, torch.distributed.ReduceOp.MAX)
        before, self.asked = self.asked, Awaited(received)
        answer = self.asked if at_once else before
        return 0 if answer is None else int(answer.get())


class StepSeeds(Callback):
    """Reseeds the generators from (seed, step, rank) before each step, so that a resumed run draws the same numbers.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        step = trainer.fit_loop.epoch_loop.total_batch_idx
        seed = hash((self.seed, step, trainer.global_rank)) % 2**63
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` takes 0.2 ms, for devices that are not here
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.manual_seed(seed)


class SharedBuffers(Callback):
    """Broadcasts buffers (running means of norms) from rank zero before they are used or saved."""

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._broadcast(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        # Rank zero's are the ones that are saved; the others take them over, as they would after a resume.
        self._broadcast(trainer, pl_module)

    @staticmethod
    def _broadcast(trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.world_size > 1:
            for buffer in pl_module.buffers():
                torch.distributed.broadcast(buffer, src=0)
