"""What image classifiers share, trained here or published: torchmetrics' top-1 and top-5 accuracy."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from lightning_modules.interface import BenchmarkModule

# Mean and standard deviation of ImageNet's training pixels, the constants of torchvision's presets.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class ClassifierScores(BenchmarkModule):
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
        """Uint8 images [N, 3, H, W] to logits [N, classes].

        Raises:
            TypeError: they are of another type, of which nobody knows what white is.
        """
        if images.dtype != torch.uint8:
            raise TypeError(f"expected images of uint8, from 0 to 255, got {images.dtype}")
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
        for name, accuracy in self.accuracies.items():
            if name.startswith(stage):
                self.log_percentage(name, accuracy)
