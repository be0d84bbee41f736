"""Pretraining: an encoder learns to guess tokens that were hidden from it (Devlin et al. 2019, section 3.1).

Which tokens are hidden, and what stands in their place, is the datamodule's choice.
"""

from collections.abc import Callable
from typing import Any

from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional

from lightning_modules.decay import by_decay
from lightning_modules.networks.encoder import Encoder, MaskedHead
from lightning_modules.steps import StepModule


class MaskedLanguageModel(StepModule):
    """An encoder, a head that is thrown away afterwards, and the recipe that trains them.

    Args:
        network: makes the encoder for a number of subwords.
        optimizer: makes the optimizer for parameters; its weight decay spares norms and biases.
        schedule: the share of the learning rate at a step of so many.
    """

    network: Encoder
    head: MaskedHead

    def __init__(
        self,
        network: Callable[[int], Encoder],
        optimizer: OptimizerCallable,
        schedule: Callable[[int, int], float],
    ) -> None:
        super().__init__(network, optimizer, schedule)

    def configure_model(self) -> None:
        """Builds the network once the datamodule knows how many subwords there are.

        Raises:
            UserError: its sizes do not fit each other.
        """
        if hasattr(self, "head"):
            return
        self.build_network()
        self.head = MaskedHead(self.network.width, self.network.embedding.num_embeddings)

    def forward(self, tokens: Tensor, counts: list[int], places: Tensor) -> Tensor:
        """Logits of the hidden tokens.

        Args:
            tokens: int64 [N, T], with masks where tokens are hidden.
            counts: tokens of each text.
            places: int64 [M], where they are in the flattened tokens.

        Returns:
            float32 [M, subwords].
        """
        found = self.network(tokens, counts).flatten(0, 1)[places]
        return self.head(found, self.network.embedding.weight).float()

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """The cross entropies of a batch's hidden tokens, over those that an optimizer step has on the average."""
        targets = batch["targets"]
        logits = self(batch["tokens"], batch["counts"], batch["places"])
        loss = functional.cross_entropy(logits, targets, reduction="sum")
        share = self.share_of_step(loss, {name: batch[name] for name in ("tokens", "places", "targets")})
        right = (logits.detach().argmax(dim=1) == targets).sum()
        # None may be hidden in a small batch, whose loss is then 0.
        self.log_step("train/masked_accuracy", right / max(1, len(targets)), 1)
        return share

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer, weight decay on what is no norm and no bias, and its schedule at every step."""
        return self.scheduled(self.make_optimizer(by_decay(self.parameters())))
