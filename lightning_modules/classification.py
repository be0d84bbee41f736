"""Image classification: cross-entropy with SGD, scored by torchmetrics' top-1 and top-5 accuracy.

Recipe of libffcv/ffcv-imagenet:train_imagenet.py: label smoothing, weight decay on what is no norm and no bias, and a
learning rate that rises linearly from 1e-4 of its peak and falls linearly to zero, updated at every step.
"""

from collections.abc import Callable

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional

from lightning_modules.built import built
from lightning_modules.classifier_scores import ClassifierScores
from lightning_modules.compiling import kernel_compiler
from lightning_modules.decay import by_decay
from lightning_modules.positive import require_positive
from lightning_modules.published import PublishedClassifier
from lightning_modules.schedules import at_every_step, linearly_scaled, piecewise_linear


class ImageClassifier(ClassifierScores):
    """A network and the recipe that trains it.

    Args:
        network: makes the network for a number of classes.
        learning_rate_per_256: peak learning rate at a global batch of 256; it scales linearly with the batch.
        peak_epoch: when the learning rate peaks, in epochs.
        momentum: of SGD.
        weight_decay: on every weight that is neither a norm's nor a bias.
        label_smoothing: probability mass spread over all classes.
    """

    compiled: bool | None = None
    """Whether training's forward and backward pass were compiled; None on a processor, and without training."""

    def __init__(
        self,
        network: Callable[[int], nn.Module],
        learning_rate_per_256: float,
        peak_epoch: float,
        momentum: float,
        weight_decay: float,
        label_smoothing: float,
    ) -> None:
        super().__init__()
        require_positive(learning_rate_per_256=learning_rate_per_256)
        self.make_network = network
        self.learning_rate_per_256 = learning_rate_per_256
        self.peak_epoch = peak_epoch
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.learn = self.losses

    def build_network(self, num_classes: int) -> nn.Module:
        """What `network` makes for that many classes.

        Raises:
            UserError: its sizes are none, or do not fit each other.
        """
        return built(self.make_network, num_classes)

    @staticmethod
    def published(weights: str) -> PublishedClassifier:
        """A torchvision classifier with published weights.

        Raises:
            UserError: the name is unknown, or the file is neither cached nor to be had.
        """
        return PublishedClassifier(weights)

    def on_fit_start(self) -> None:
        """Compiles the step where a GPU gains by it; for each resolution anew, as only fixed sizes are fast."""
        self.compiled = kernel_compiler() is not None if self.on_gpu else None
        self.learn = torch.compile(self.losses, dynamic=False) if self.compiled else self.losses

    def losses(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean smoothed cross-entropy of uint8 images [N, 3, H, W] with labels [N], and logits [N, classes]."""
        logits = self(images)
        return functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing), logits

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Mean smoothed cross-entropy of a batch."""
        loss, logits = self.learn(batch["image"], batch["label"])
        seen = {"index": batch["index"], "label": batch["label"], "logits": logits}
        self.require_finite(loss, seen)
        self.log_step("train/loss", loss)
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """SGD, and the schedule of the source's `get_cyclic_lr` at every step.

        Raises:
            UserError: the Trainer does not say how many epochs there are.
        """
        datamodule, epochs = self.trainer.datamodule, self.max_epochs  # type: ignore[attr-defined]
        peak = linearly_scaled(self.learning_rate_per_256, datamodule.global_batch_size)
        optimizer = torch.optim.SGD(
            by_decay(self.parameters()), lr=peak, momentum=self.momentum, weight_decay=self.weight_decay,
            fused=(self.on_gpu and not self.trainer.gradient_clip_val) or None,  # Lightning clips none for a fused one
        )  # fmt: skip
        knots, values = (0, self.peak_epoch, epochs), (1e-4, 1.0, 0.0)
        per_epoch = datamodule.steps_per_epoch  # which counts the images whenever it is asked
        return at_every_step(optimizer, lambda step: piecewise_linear(step / per_epoch, knots, values))
