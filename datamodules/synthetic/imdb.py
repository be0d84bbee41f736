"""IMDB's shapes, made up: reviews without sense, as long as real ones are."""

from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.arrays import Floats
from datamodules.example_data import Loader
from datamodules.imdb import ImdbData
from datamodules.imdb_examples import LabelledReviews, MaskedReviews, TrainingReviews, collate_labelled, collate_masked
from datamodules.layouts.imdb import CLASSES, OFFICIAL
from datamodules.masking import Masking
from datamodules.subwords import MASK
from datamodules.synthetic.unread import NoSubwords, Unread, random_ids

MEDIAN, MEAN, MOST = 174, 234, 2470  # words of a review
SUBWORDS_A_WORD = 1.3


def made_up_lengths(count: int) -> Floats:
    """Tokens of reviews by a log-normal distribution with IMDB's statistics, [count]."""
    spread = np.sqrt(2 * np.log(MEAN / MEDIAN))
    words = np.exp(np.random.default_rng(0).normal(np.log(MEDIAN), spread, count)).clip(10, MOST)
    return np.rint(words * SUBWORDS_A_WORD)


class Babble(TrainingReviews):
    """Reviews of these lengths [n], the place of each its number, of a vocabulary of `size` subwords."""

    def __init__(self, lengths: Floats, size: int) -> None:
        self.lengths, self.size, self.places = lengths, size, np.arange(len(lengths))

    def tokens(self, place: int) -> list[int]:
        """Tokens without sense."""
        return random_ids((0, place), self.lengths[place], MASK + 1, self.size)


class Masked(Babble, MaskedReviews):
    """Reviews without sense, in which words are to be guessed."""

    def __init__(self, lengths: Floats, size: int, masking: Masking) -> None:
        super().__init__(lengths, size)
        self.masking, self.seed = masking, 0


class Labelled(Babble, LabelledReviews):
    """Reviews without sense, with labels that say nothing."""

    def __init__(self, lengths: Floats, size: int) -> None:
        super().__init__(lengths, size)
        self.labels = self.places % len(CLASSES)


class SyntheticData(Unread, ImdbData):
    """Made-up reviews, as many as are trained on: all of both splits, or the labelled ones that are not held out."""

    subwords = NoSubwords()  # type: ignore[assignment]

    @cached_property
    def lengths(self) -> Floats:
        """Tokens of each, [n]."""
        labelled = OFFICIAL["train"]
        count = round(labelled * (1 - self.share)) if self.masking is None else labelled + OFFICIAL["unsupervised"]
        return np.minimum(made_up_lengths(count), self.longest)

    def train_dataloader(self) -> Loader:
        """Batches of this rank."""
        if self.masking is None:
            return self.training_loader(Labelled(self.lengths, self.num_subwords), collate_labelled)
        return self.training_loader(Masked(self.lengths, self.num_subwords, self.masking), collate_masked)

    def held(self, batch: dict[str, Any]) -> float:
        """The tokens of a batch."""
        return float(sum(batch["counts"]))
