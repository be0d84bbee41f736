"""Image classification: cross-entropy with SGD, scored by torchmetrics' top-1 and top-5 accuracy.

Recipe of libffcv/ffcv-imagenet:train_imagenet.py: label smoothing, weight decay on what is no norm and no bias, and a
learning rate that rises linearly from 1e-4 of its peak and falls linearly to zero, updated at every step.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.classification import MulticlassAccuracy

from lightning_modules.decay import by_decay
from lightning_modules.finite import require_finite
from lightning_modules.positive import require_positive
from lightning_modules.schedules import linearly_scaled, piecewise_linear

# Mean and standard deviation of ImageNet's training pixels, the constants of torchvision's presets.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class ClassifierScores(LightningModule):
    """What every image classifier shares: normalised pixels in, top-1 and top-5 accuracy out.

    Args:
        mean: of the pixels (0-1) a channel, subtracted.
        std: divided by.
    """

    network: nn.Module
    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> None:
        super().__init__()
        self.accuracies: dict[str, MulticlassAccuracy] = {}
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @abstractmethod
    def build_network(self, num_classes: int) -> nn.Module:
        """The network for that many classes."""

    def configure_model(self) -> None:
        """Builds the network once the datamodule knows the classes."""
        if self.accuracies:
            return
        classes = self.trainer.datamodule.num_classes  # type: ignore[attr-defined]
        self.network = self.build_network(classes).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for key in (f"{stage}/top{k}" for stage in ("val", "test") for k in (1, 5) if k <= classes):
            self.accuracies[key] = MulticlassAccuracy(classes, top_k=int(key[-1]), average="micro")
            self.add_module(key.replace("/", "_"), self.accuracies[key])  # so that it moves to the device

    def forward(self, images: Tensor) -> Tensor:
        """Uint8 images [N, 3, H, W] to logits [N, classes]."""
        scaled = images.to(torch.float32, memory_format=torch.channels_last).div_(255)
        return self.network((scaled - self.mean) / self.std)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Counts correct answers."""
        self._score(batch, "val")

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> dict[str, Any]:
        """Positions in the split, and for each image the best five classes with their probabilities."""
        scores, classes = self._score(batch, "test")
        rows = zip(classes.tolist(), scores.tolist(), strict=True)
        return {
            "index": batch["index"].tolist(),
            "predictions": [{"classes": best, "scores": top} for best, top in rows],
        }

    def _score(self, batch: dict[str, Tensor], stage: str) -> tuple[Tensor, Tensor]:
        if len(batch["label"]) == 0:  # a rank without images in this round
            return torch.empty(0, 5), torch.empty(0, 5)
        probabilities = self(batch["image"]).float().softmax(dim=1)
        # Logits in bf16 often tie. One stable order decides for the metric and for the predictions file alike; argmax
        # and topk break ties each in their own way.
        scores, classes = probabilities.sort(dim=1, descending=True, stable=True)
        places = torch.arange(0.0, -classes.shape[1], -1.0, device=classes.device)
        ranking = torch.empty_like(probabilities).scatter_(1, classes, places.expand_as(probabilities))
        for name, accuracy in self.accuracies.items():
            if name.startswith(stage):
                accuracy.update(ranking, batch["label"])
        return scores[:, :5], classes[:, :5]

    def on_validation_epoch_end(self) -> None:
        """Logs the accuracies, in percent."""
        self._log_accuracies("val")

    def on_test_epoch_end(self) -> None:
        """Logs the accuracies, in percent."""
        self._log_accuracies("test")

    def _log_accuracies(self, stage: str) -> None:
        # Computed here, not by `self.log(metric)`: a rank that never updated one must still take part in its sum.
        for name, accuracy in self.accuracies.items():
            if name.startswith(stage):
                self.log(name, accuracy.compute() * 100, prog_bar=True)
                accuracy.reset()


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

    def build_network(self, num_classes: int) -> nn.Module:
        """What `network` makes for that many classes."""
        return self.make_network(num_classes)

    @staticmethod
    def published(weights: str) -> ClassifierScores:
        """A torchvision classifier with published weights.

        Raises:
            UserError: the name is unknown, or the file is neither cached nor to be had.
        """
        from lightning_modules.published import PublishedClassifier

        return PublishedClassifier(weights)

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Mean smoothed cross-entropy of a batch.

        Raises:
            Failure: it is not finite.
        """
        logits = self(batch["image"])
        loss = functional.cross_entropy(logits, batch["label"], label_smoothing=self.label_smoothing)
        seen = {"index": batch["index"], "label": batch["label"], "logits": logits}
        require_finite(loss, self.trainer.global_step, seen)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """SGD, and the schedule of the source's `get_cyclic_lr` at every step."""
        datamodule, epochs = self.trainer.datamodule, self.trainer.max_epochs  # type: ignore[attr-defined]
        assert epochs is not None
        peak = linearly_scaled(self.learning_rate_per_256, datamodule.global_batch_size)
        optimizer = torch.optim.SGD(
            by_decay(self.parameters()), lr=peak, momentum=self.momentum, weight_decay=self.weight_decay
        )
        knots, values = (0, self.peak_epoch, epochs), (1e-4, 1.0, 0.0)
        per_epoch = datamodule.steps_per_epoch  # which counts the images whenever it is asked
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: piecewise_linear(step / per_epoch, knots, values)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
