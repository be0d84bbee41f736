"""What a run asks of its system, beside the steps that Lightning asks for."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torchmetrics import Metric

from benchmarks.errors import UserError
from benchmarks.schema import Signature
from datamodules.interface import BenchmarkData
from lightning_modules.awaited import Awaited
from lightning_modules.finite import AwaitedLoss


class BenchmarkModule(LightningModule, ABC):
    """Base of every system; what stands here holds for one that says nothing else.

    Its constructor touches no disk, so that settings are tried before anything is read. It builds its network in
    `configure_model`, which knows `trainer.datamodule`, and makes its metrics there: those of torchmetrics read files.
    A batch of a rank may be empty in testing. `test_step` returns `index`, a position in the split for each example,
    and as many `predictions`, plain values that JSON holds: what the task's `write` takes
    (`benchmarks/predictions.py`). `on_test_epoch_end` logs what a claim is about, as `<prefix>/<metric>`, which must
    agree with the score of the predictions.
    """

    only_precision: str | None = None
    """The precision of the Trainer, such as 32-true, where the system computes in no other."""
    make_optimizer: OptimizerCallable | None = None
    """Makes the optimizer for parameters, where the settings name one; a run tries it before there are weights."""
    unlogged: Collection[str] = ()
    """Metrics of its task that only the predictions tell; all others that a claim is about, its test loop logs too."""
    init_from: str | None = None
    """The source of the first weights, if not chance; a run sets it for a stage that follows another."""
    awaited: AwaitedLoss | None = None
    """The loss of a batch whose backward pass is under way."""
    shown: Mapping[str, Awaited] = MappingProxyType({})
    """What the last step logged, for a progress bar."""
    of_parts: Mapping[str, tuple[int, tuple[Tensor, ...]]] = MappingProxyType({})
    """The last step that logged something, and what its accumulated batches did so far."""

    @classmethod
    def load_from_checkpoint(cls, *arguments: Any, **more: Any) -> NoReturn:
        """Refuses: the network is built for data, which a checkpoint does not hold.

        Raises:
            UserError: always; it says what to do.
        """
        raise UserError(
            f"a {cls.__name__} builds its network for a datamodule. Make both, as README shows under `In Python`, and "
            "give the checkpoint to the Trainer: trainer.test(module, datamodule=..., ckpt_path=...)."
        )

    def setup(self, stage: str) -> None:
        """Looks whether the Trainer leaves the order of examples to the datamodule; Lightning asks before it begins.

        Raises:
            UserError: it would deal them out itself, or cut epochs short.
        """
        require_own_order(self.trainer, stage)

    @property
    def max_epochs(self) -> int:
        """Epochs of the whole training, by which schedules go; some systems' also end with fewer `max_steps`.

        Raises:
            UserError: the Trainer has no number of them.
        """
        return required_epochs(self.trainer.max_epochs)

    @property
    def initialised_from(self) -> Path | None:
        """The file that the first weights come from.

        Raises:
            UserError: it cannot be had.
        """
        return None

    @property
    def compiled(self) -> bool | None:
        """Whether updates are compiled on this machine; None of systems whose updates never are."""
        return None

    @property
    def decoding(self) -> Signature:
        """The system's part of the evaluation's protocol, beside the data's."""
        return {}

    @property
    def suffix(self) -> str:
        """What the names of test sets end with, so that no metric of another decoder passes for the claim's."""
        return ""

    @property
    def data_settings(self) -> dict[str, object]:
        """Arguments of the datamodule that the preset of published weights decides; none where weights are our own."""
        return {}

    @staticmethod
    def published(weights: str) -> BenchmarkModule:
        """The system with the weights that others published under this name.

        Raises:
            UserError: nobody publishes any, the name is unknown, or the file is neither cached nor to be had.
        """
        raise UserError(f"WEIGHTS={weights}: nobody publishes weights of this system. Use CHECKPOINT or PREDICTIONS.")

    def require_finite(self, loss: Tensor, seen: Mapping[str, Any], name: Callable[[int], str] | None = None) -> None:
        """Keeps a batch's loss for `on_after_backward`, which checks it after the backward pass, before the update.

        Args:
            loss: a scalar, or one of each example [N].
            seen: what it came from, tensors and plain values, kept where it is not finite.
            name: of an example by its place in the batch, if there is a loss of each.
        """
        self.awaited = AwaitedLoss(loss, self.trainer.global_step, seen, name)

    def on_after_backward(self) -> None:
        """Ends the run where the loss is not finite.

        Raises:
            Failure: it is not.
        """
        awaited, self.awaited = self.awaited, None
        if awaited is not None:
            awaited.require_finite()

    def log_step(self, name: str, value: Tensor, batch_size: int | None = None) -> None:
        """Logs a value of a training step; with `prog_bar`, Lightning would wait for the GPU at the end of each.

        Lightning keeps what is logged last, so each accumulated batch logs the mean over those of its step so far.

        Args:
            name: that it goes by.
            value: a scalar, of a batch.
            batch_size: examples, which Lightning else looks for in the batch.
        """
        step, before = self.of_parts.get(name, (self.global_step, ()))
        parts = (*(before if step == self.global_step else ()), value.detach())
        self.of_parts = {**self.of_parts, name: (self.global_step, parts)}
        mean = torch.stack(parts).mean() if len(parts) > 1 else parts[0]
        self.log(name, mean, batch_size=batch_size)
        self.shown = {**self.shown, name: Awaited(mean)}

    def log_percentage(self, name: str, metric: Metric) -> None:
        """Logs a share over all ranks, in percent, and begins it anew.

        It is computed here, not by `self.log(metric)`: a rank that never updated one must still take part in its sum.
        """
        self.log(name, metric.compute() * 100, prog_bar=True)
        metric.reset()

    def to_come(self, share: float) -> int:
        """Bytes that it will remember more than now, in memory and in each checkpoint, such as of a replay.

        Args:
            share: of training that is over.
        """
        return 0

    def verify(self, datamodule: BenchmarkData) -> None:
        """Looks whether it can learn these data, once `setup("fit")` has run and before anything long begins.

        Raises:
            UserError: it cannot.
        """

    def shapes(self, datamodule: BenchmarkData) -> dict[str, list[int]]:
        """The shapes of all weights of the network for these data, which one stage hands on to the next.

        Raises:
            UserError: it hands on none, or the network's sizes do not fit each other.
        """
        raise UserError(f"a {type(self).__name__} hands on no weights. Train it in one stage.")


def require_own_order(trainer: Trainer, stage: str) -> None:
    """Refuses settings of a Trainer that overrule the order of a `BenchmarkData`, which follows from the step alone.

    Raises:
        UserError: it would sample anew in each process, or begin epochs where the data go on with the last one.
    """
    if trainer.world_size > 1 and trainer._accelerator_connector.use_distributed_sampler:
        raise UserError(
            "trainer.use_distributed_sampler is true, but the datamodule deals the examples out to processes, each "
            "once. Set it to false."
        )
    if stage == "fit" and trainer.max_epochs != 1:
        require_whole_epochs(trainer.limit_train_batches, trainer.overfit_batches)  # type: ignore[attr-defined]


def required_epochs(epochs: int | None) -> int:
    """The epochs of a whole training, as a Trainer is given them.

    Raises:
        UserError: it is given no number.
    """
    if epochs is None or epochs < 0:
        raise UserError(
            f"trainer.max_epochs is {epochs}, but the learning rate goes by the epochs of the whole training. Give "
            "their number, beside max_steps if need be."
        )
    return epochs


def leaves_nothing_out(limit: float | None) -> bool:
    """Whether a Trainer's limit of batches is none: 1.0 is all of them, 1 a single one, and 2.0 two."""
    return limit is None or (isinstance(limit, float) and limit == 1)


def require_whole_epochs(limit: float | None, overfit: float) -> None:
    """Refuses a Trainer's `limit_train_batches` and `overfit_batches`, where they leave out a part of an epoch.

    Raises:
        UserError: one of them does.
    """
    if overfit or not leaves_nothing_out(limit):
        key = "overfit_batches" if overfit else "limit_train_batches"
        raise UserError(
            f"trainer.{key} cuts epochs short, but order and learning rate go by whole ones. Limit max_steps instead."
        )
