"""Object detection: torchvision's networks and losses, scored as COCO scores.

The recipe of a run is in its configuration: an optimizer, a linear warm-up and drops of the learning rate to a tenth.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from lightning_modules.built import built
from lightning_modules.detector_scores import DetectorScores
from lightning_modules.published_detection import PublishedDetector
from lightning_modules.schedules import at_every_step, stepped
from lightning_modules.transfer import load_backbone, source_file

NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)


class Detector(DetectorScores):
    """A network and the recipe that trains it.

    Args:
        network: makes the network for a number of classes and the two sides of a test image.
        optimizer: makes the optimizer for parameters.
        warm_up: optimizer steps of the linear warm-up.
        warm_up_start: share of the learning rate that it begins at.
        drops: epochs after which the learning rate falls to a tenth.
        norm_weight_decay: of the weights and biases of norms, where it differs from the optimizer's.
        init_from: where the residual network's first weights come from: the name of torchvision's ImageNet weights, or
            a checkpoint of this suite's `imagenet`; None trains from scratch.
    """

    make_optimizer: OptimizerCallable

    def __init__(
        self,
        network: Callable[[int, int, int], nn.Module],
        optimizer: OptimizerCallable,
        warm_up: int,
        warm_up_start: float,
        drops: list[float],
        norm_weight_decay: float | None = None,
        init_from: str | None = None,
    ) -> None:
        super().__init__()
        self.make_network, self.make_optimizer = network, optimizer
        self.warm_up, self.warm_up_start, self.drops = warm_up, warm_up_start, drops
        self.norm_weight_decay, self.init_from = norm_weight_decay, init_from

    def build_network(self, datamodule: Any) -> nn.Module:
        """What `network` makes, to fit with the weights of `init_from`.

        Raises:
            UserError: its sizes are none, or do not fit; those weights are not there, or are of another network.
        """
        sizes = len(datamodule.categories), datamodule.short_side, datamodule.longest_side
        network = built(self.make_network, *sizes)
        if self.init_from is not None and self.trainer.state.fn == "fit":
            load_backbone(network.backbone.body, self.init_from)
        return cast(nn.Module, network)

    @property
    def initialised_from(self) -> Path | None:
        """The file that the first weights come from.

        Raises:
            UserError: it cannot be had.
        """
        return None if self.init_from is None else source_file(self.init_from)

    def category_ids(self, datamodule: Any) -> Sequence[int]:
        """The categories in ascending order, after the background."""
        return (0, *datamodule.categories)

    @staticmethod
    def published(weights: str) -> PublishedDetector:
        """A torchvision detector with published weights.

        Raises:
            UserError: the name is unknown, or the file is neither cached nor to be had.
        """
        return PublishedDetector(weights)

    def training_step(self, batch: dict[str, list[Any]], batch_idx: int) -> Tensor:
        """Sum of the network's losses over a batch."""
        targets = [
            {"boxes": boxes, "labels": labels + 1}
            for boxes, labels in zip(batch["boxes"], batch["labels"], strict=True)
        ]
        losses: dict[str, Tensor] = self(batch["image"], targets)
        loss = torch.stack(list(losses.values())).sum()
        self.require_finite(loss, {"index": batch["index"], **losses})
        self.log_step("train/loss", loss, len(targets))
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer, and its schedule at every step."""
        optimizer = self.make_optimizer(self._groups())
        per_epoch = self.trainer.datamodule.steps_per_epoch  # type: ignore[attr-defined]
        drops = [drop * per_epoch for drop in self.drops]
        return at_every_step(optimizer, lambda step: stepped(step, self.warm_up, self.warm_up_start, drops))

    def _groups(self) -> list[dict[str, Any]]:
        """Parameters to train, those of norms apart."""
        norms = [p for m in self.modules() if isinstance(m, NORMS) for p in m.parameters() if p.requires_grad]
        known = set(map(id, norms))
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in known]
        decay = {} if self.norm_weight_decay is None else {"weight_decay": self.norm_weight_decay}
        return [group for group in ({"params": rest}, {"params": norms, **decay}) if group["params"]]
