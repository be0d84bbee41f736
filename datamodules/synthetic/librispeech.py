"""LibriSpeech's shapes, made up: noise as long as its recordings are."""

from functools import cached_property
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from benchmarks.arrays import Floats
from datamodules.example_data import Loader
from datamodules.layouts.audio import SAMPLE_RATE
from datamodules.layouts.librispeech import OFFICIAL
from datamodules.librispeech import LibriSpeechData, collate_training
from datamodules.sampling import Key
from datamodules.subwords import BLANK
from datamodules.synthetic.unread import NoSubwords, Unread, random_ids

LOUDEST = 1000  # of 32,768
SUBWORDS_A_SECOND = 4


def made_up_seconds(count: int) -> Floats:
    """The lengths of made-up recordings in seconds, [count]: most from 12 to 16.7 s, one in a hundred longer.

    LibriSpeech's 281,241 have 960.9 hours, 12.3 seconds each on the average, and 99 % of them are below 16.7 s.
    """
    generator = np.random.default_rng(0)
    kinds = generator.choice(3, size=count, p=(0.27, 0.72, 0.01))
    least, most = np.array([(1.0, 12.0), (12.0, 16.7), (16.7, 30.0)]).T
    seconds: Floats = generator.uniform(least[kinds], most[kinds])
    return seconds


class Noise(Dataset[dict[str, Any]]):
    """(epoch, position) -> samples, labels, and a number that decides their augmentation."""

    def __init__(self, lengths: Floats, subwords: int) -> None:
        self.lengths, self.subwords = lengths, subwords

    def __getitem__(self, key: Key) -> dict[str, Any]:
        seconds, generator = self.lengths[key[1]], np.random.default_rng(key)
        return {
            "samples": generator.integers(-LOUDEST, LOUDEST, int(seconds * SAMPLE_RATE), np.int16),
            "labels": random_ids(key, seconds * SUBWORDS_A_SECOND, BLANK + 1, self.subwords),
            "random": int(generator.integers(2**63)),
            "index": key[1],
        }


class SyntheticData(Unread, LibriSpeechData):
    """Made-up recordings, as many as the training subsets have."""

    subwords = NoSubwords()  # type: ignore[assignment]

    @cached_property
    def lengths(self) -> Floats:
        """Seconds of each, [n]."""
        return made_up_seconds(sum(OFFICIAL[name] for name in self.training))

    def train_dataloader(self) -> Loader:
        """Batches of this rank."""
        return self.training_loader(Noise(self.lengths, self.num_subwords), collate_training)

    def held(self, batch: dict[str, Any]) -> float:
        """The seconds of a batch."""
        return float(sum(batch["counts"])) / SAMPLE_RATE
