"""Classification of texts: an encoder's mean vector and a linear layer, scored by torchmetrics' accuracy.

The encoder may begin with the weights of its pretraining; then layers nearer to the text learn more slowly (Howard and
Ruder 2018, ULMFiT, arXiv 1801.06146, section 3.2). Validation and test compute in float32, whatever training did.
"""

import heapq
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from datamodules.subwords import padded
from lightning_modules.decay import by_decay
from lightning_modules.networks.attention import projection
from lightning_modules.networks.encoder import Encoder, pooled
from lightning_modules.occlusion import word_changes
from lightning_modules.pretrained import load_encoder
from lightning_modules.steps import StepModule
from lightning_modules.transfer import own_file
from results.scoring.classification import as_written
from results.scoring.words import SHOWN


class TextClassifier(StepModule):
    """An encoder, a linear head, and the recipe that trains them.

    Args:
        network: makes the encoder for a number of subwords.
        optimizer: makes the optimizer for parameters; its weight decay spares norms and biases.
        schedule: the share of the learning rate at a step of so many.
        layer_decay: by which factor a layer's learning rate is smaller than that of the layer above it.
        dropout: probability that a value of the mean vector is dropped before the head.
        init_from: the checkpoint of the pretraining that the encoder's first weights come from, its path absolute or
            from the repository on; None trains from scratch.

    Raises:
        ValueError: layer_decay is no such factor.
    """

    network: Encoder
    head: nn.Linear

    def __init__(
        self,
        network: Callable[[int], Encoder],
        optimizer: OptimizerCallable,
        schedule: Callable[[int, int], float],
        layer_decay: float,
        dropout: float,
        init_from: str | None = None,
    ) -> None:
        super().__init__(network, optimizer, schedule)
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay is {layer_decay}; it is more than 0 and at most 1")
        self.layer_decay, self.init_from = layer_decay, init_from
        self.dropout = nn.Dropout(dropout)
        self.confident: list[tuple[float, int]] = []  # probabilities and negated places of the worst mistakes, a heap

    @property
    def initialised_from(self) -> Path | None:
        """The file that the first weights come from.

        Raises:
            UserError: it is not there.
        """
        return None if self.init_from is None else own_file(self.init_from)

    def configure_model(self) -> None:
        """Builds the network for the datamodule's subwords and classes; to fit, with its first weights.

        Raises:
            UserError: its sizes do not fit each other, or the first weights are not there or of something else.
        """
        if hasattr(self, "head"):
            return
        self.build_network()
        classes = self.trainer.datamodule.num_classes  # type: ignore[attr-defined]
        self.head = projection(self.network.width, classes)
        # Not in the constructor, as torchmetrics reads a file of torch's when it makes one.
        self.val_accuracy, self.test_accuracy = (MulticlassAccuracy(classes, average="micro") for _ in range(2))
        self.val_loss = MeanMetric()
        if self.trainer.state.fn == "fit" and (path := self.initialised_from) is not None:
            load_encoder(self.network, path, self.subwords)  # where a fit is resumed, its own weights come after these

    def forward(self, tokens: Tensor, counts: Sequence[int]) -> Tensor:
        """Tokens [N, T] of texts, and how many each has, to logits, float32 [N, classes]."""
        return self.head(self.dropout(pooled(self.network(tokens, counts), counts))).float()

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """The cross entropies of a batch's texts, over those that an optimizer step has on the average."""
        loss = functional.cross_entropy(self(batch["tokens"], batch["counts"]), batch["label"], reduction="sum")
        return self.share_of_step(loss, {name: batch[name] for name in ("tokens", "label")})

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Counts right answers, and takes their cross entropies."""
        if not batch["index"]:  # a rank without texts in this round
            return
        logits = self._logits(batch["texts"])
        self.val_loss.update(functional.cross_entropy(logits, batch["label"], reduction="none"))
        self.val_accuracy.update(ranked(logits)[1][:, 0], batch["label"])

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        """Positions in the split, and for each text both classes, the better one first, with their probabilities.

        The most confident mistakes so far come with their words, and by how much each spoke for the mistake.
        """
        if not batch["index"]:
            return {"index": [], "predictions": []}
        scores, classes = ranked(self._logits(batch["texts"]))
        self.test_accuracy.update(classes[:, 0], batch["label"])
        labels = batch["label"].tolist()
        rows = zip(batch["index"], batch["texts"], labels, classes.tolist(), scores.tolist(), strict=True)
        return {"index": batch["index"], "predictions": [self._prediction(*row) for row in rows]}

    def _prediction(self, place: int, text: str, label: int, classes: list[int], scores: list[float]) -> dict[str, Any]:
        found: dict[str, Any] = {"classes": classes, "scores": scores}
        if classes[0] != label and self._may_be_shown(scores[0], place):
            plain = self.trainer.datamodule.plain(text)  # type: ignore[attr-defined]
            changes = word_changes(lambda texts: self._probabilities(texts, classes[0]), plain)
            found["words"] = [[word, change] for word, change in changes]
        return found

    def _may_be_shown(self, confidence: float, place: int) -> bool:
        """Whether a mistake is among the first of this rank so far, in the order of `Predictions.mistakes`."""
        mistake = (float(as_written(confidence)), -place)
        if len(self.confident) < SHOWN:
            heapq.heappush(self.confident, mistake)
            return True
        return heapq.heappushpop(self.confident, mistake) < mistake

    def _probabilities(self, texts: Sequence[str], label: int) -> list[float]:
        """The probability of one class for each text."""
        return self._logits(texts).softmax(dim=1)[:, label].tolist()

    def _logits(self, texts: Sequence[str]) -> Tensor:
        """The logits of texts as they are written, in float32, so that their neighbours do not sway them."""
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        ids = [datamodule.encoded(self.subwords, text) for text in texts]
        with torch.autocast(self.device.type, enabled=False):
            return self(padded(ids).to(self.device), [len(each) for each in ids])

    def on_validation_epoch_end(self) -> None:
        """Logs accuracy, in percent, and mean cross entropy."""
        self.log_percentage("val/accuracy", self.val_accuracy)
        self.log("val/loss", self.val_loss.compute())
        self.val_loss.reset()

    def on_test_start(self) -> None:
        """Forgets the mistakes of an earlier test."""
        self.confident = []

    def on_test_epoch_end(self) -> None:
        """Logs accuracy, in percent."""
        self.log_percentage("test/accuracy", self.test_accuracy)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer, a peak for each layer's learning rate, and the schedule at every step."""
        layers = [by_decay(parameters) for parameters in self._layers()]
        optimizer = self.make_optimizer([group for groups in layers for group in groups])
        factors = [self.layer_decay**distance for distance, groups in enumerate(layers) for _ in groups]
        for group, factor in zip(optimizer.param_groups, factors, strict=True):
            group["lr"] *= factor
        return self.scheduled(optimizer)

    def _layers(self) -> list[list[nn.Parameter]]:
        """Parameters by their distance from the head: its own first, then from the last layer to the embedding."""
        *below, last = self.network.layers
        parts: list[list[nn.Module]] = [[self.head], [last, self.network.norm]]
        parts += [[layer] for layer in reversed(below)] + [[self.network.embedding]]
        return [[weight for module in part for weight in module.parameters()] for part in parts]


def ranked(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities and classes, [N, classes] each, best first; of two alike, the class that comes first.

    One rule for the metric and for the predictions file: argmax and topk break ties each in their own way.
    """
    found = logits.softmax(dim=1).sort(dim=1, descending=True, stable=True)
    return found.values, found.indices
