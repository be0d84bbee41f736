"""WMT's shapes, made up: pairs of sentences without sense, as long as real ones are."""

from functools import cached_property
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from benchmarks.arrays import Floats
from datamodules.example_data import Loader
from datamodules.sampling import Key
from datamodules.subwords import BEGIN, END
from datamodules.synthetic.unread import NoSubwords, Unread, random_ids
from datamodules.wmt import WmtData, collate_training

PAIRS = 4_500_000  # of WMT14's training text, before any is left out


def made_up_pairs(count: int) -> Floats:
    """Subwords of a sentence and of its translation, [n, 2]."""
    source = np.exp(np.random.default_rng(7).normal(3.1, 0.65, count)).clip(1, 250).round()
    target = (source * np.exp(np.random.default_rng(8).normal(0, 0.22, count))).clip(1, 250).round()
    return np.stack([source, target], axis=1)


class Babble(Dataset[dict[str, Any]]):
    """(epoch, position) -> ids of the source, with the end, and of the target, with beginning and end."""

    def __init__(self, lengths: Floats, subwords: int) -> None:
        self.lengths, self.subwords = lengths, subwords

    def __getitem__(self, key: Key) -> dict[str, Any]:
        source, target = (random_ids(key, length - 1, END + 1, self.subwords) for length in self.lengths[key[1]])
        return {"source": [*source, END], "target": [BEGIN, *target, END]}


class SyntheticData(Unread, WmtData):
    """Made-up pairs, as many as are left of the training text."""

    subwords = NoSubwords()  # type: ignore[assignment]

    @cached_property
    def lengths(self) -> Floats:
        """Tokens of source and target of each, each with its end, [n, 2]."""
        pairs = made_up_pairs(PAIRS)
        return pairs[self.filter.kept(pairs.astype(np.int64))] + 1

    def train_dataloader(self) -> Loader:
        """Batches of this rank."""
        return self.training_loader(Babble(self.lengths, self.num_subwords), collate_training)

    def held(self, batch: dict[str, Any]) -> float:
        """The tokens of both sides of a batch, each with its end."""
        return float(sum(batch["counts"])) + float((batch["target"] > BEGIN).sum())
