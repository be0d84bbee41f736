"""Systems that output subwords: their vocabulary is stored with their weights."""

from typing import Any

import torch

from datamodules.subwords import Subwords
from lightning_modules.interface import BenchmarkModule

SUBWORDS = "subwords"  # the key of a checkpoint that holds the vocabulary


class SubwordModule(BenchmarkModule):
    """Keeps in every checkpoint the vocabulary that its weights were trained for."""

    subwords: Subwords

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the vocabulary."""
        checkpoint[SUBWORDS] = torch.frombuffer(bytearray(self.subwords.model), dtype=torch.uint8)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the vocabulary of the weights."""
        self.subwords = Subwords(checkpoint[SUBWORDS].numpy().tobytes())
