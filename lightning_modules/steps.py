"""What modules share that read or write subwords: a network for these, a batch's part of a step, each step's rate."""

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from lightning_modules.built import built
from lightning_modules.schedules import at_every_step
from lightning_modules.vocabulary import SubwordModule


class StepModule(SubwordModule):
    """Base of systems whose loss is a sum over targets, and whose learning rate is set at every step.

    Args:
        network: makes the network for a number of subwords.
        optimizer: makes the optimizer for parameters.
        schedule: the share of the learning rate at a step of so many.
    """

    network: nn.Module
    make_optimizer: OptimizerCallable

    def __init__(
        self,
        network: Callable[[int], nn.Module],
        optimizer: OptimizerCallable,
        schedule: Callable[[int, int], float],
    ) -> None:
        super().__init__()
        self.make_network, self.make_optimizer, self.schedule = network, optimizer, schedule

    def build_network(self) -> None:
        """Builds the network for the datamodule's vocabulary, and takes this where weights are to be trained for it.

        Raises:
            UserError: the network's sizes do not fit each other.
        """
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        self.network = built(self.make_network, datamodule.num_subwords)
        if self.trainer.state.fn == "fit":
            self.subwords = datamodule.subwords

    def shapes(self, datamodule: Any) -> dict[str, list[int]]:
        """The shapes of all weights of the network for a datamodule's vocabulary; nothing is computed.

        Raises:
            UserError: the network's sizes do not fit each other.
        """
        with torch.device("meta"):
            network = built(self.make_network, datamodule.num_subwords)
        return {name: [*weights.shape] for name, weights in network.state_dict().items()}

    def verify(self, datamodule: Any) -> None:
        """Looks at the network's sizes before anything long begins.

        Raises:
            UserError: they do not fit each other.
        """
        self.shapes(datamodule)

    def share_of_step(self, loss: Tensor, seen: dict[str, Tensor], name: Callable[[int], str] | None = None) -> Tensor:
        """A batch's sum of losses, over the targets that an optimizer step has on the average; it is logged.

        Divided by those of the very step, a target would weigh more the fewer it shares the step with.

        Args:
            loss: the sum, a scalar, or one of each example [N].
            seen: what it came from, kept where it is not finite.
            name: of an example by its place in the batch, if there is a loss of each.
        """
        self.require_finite(loss, seen, name)
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        # Gradients are averaged over ranks and accumulated batches.
        shares = self.trainer.world_size * self.trainer.accumulate_grad_batches
        share = loss.sum() * shares / datamodule.step_targets
        self.log_step("train/loss", share.detach(), 1)
        return share

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole training, which ends with its epochs or with fewer `max_steps`.

        Raises:
            UserError: the Trainer does not say how many epochs that is.
        """
        steps = self.trainer.datamodule.steps_per_epoch * self.max_epochs  # type: ignore[attr-defined]
        return int(min(steps, self.trainer.max_steps) if self.trainer.max_steps > 0 else steps)

    def scheduled(self, optimizer: torch.optim.Optimizer) -> OptimizerLRScheduler:
        """The optimizer and its schedule at every step; each group keeps its own rate as the peak."""
        total = self.total_steps
        return at_every_step(optimizer, lambda step: self.schedule(step, total))
