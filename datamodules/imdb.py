"""IMDB's reviews: masked ones to learn the language from, labelled ones to learn to judge; in batches of tokens.

Training leaves out reviews that stand in the test set; of the test set every review is judged.
"""

from __future__ import annotations

from functools import cache, cached_property, lru_cache
from itertools import chain
from typing import Any

import numpy as np

from benchmarks.arrays import Floats
from benchmarks.errors import UserError
from benchmarks.runs import announce
from benchmarks.schema import DIGEST, REVIEWS, Signature
from datamodules.example_data import Loader
from datamodules.imdb_choice import Choice, all_texts, labelled, name
from datamodules.imdb_examples import (
    JudgedReviews,
    LabelledReviews,
    MaskedReviews,
    collate_evaluation,
    collate_labelled,
    collate_masked,
    cut,
)
from datamodules.layouts.imdb import CLASSES, open_reviews, plain
from datamodules.layouts.imdb_reviews import Reviews, by_text
from datamodules.masking import Masking
from datamodules.sequence_data import SequenceData
from datamodules.subwords import BEGIN, SPACE, Subwords
from datamodules.tokenised_reviews import TokenisedReviews, tokenised

# Once a process, as both stages of a run read the same.
_opened = cache(open_reviews)


@cache
def _by_text(root: str, split: str) -> Reviews:
    return by_text(_opened(root, split))


@lru_cache(2**16)
def _of_word(subwords: Subwords, word: str) -> tuple[int, ...]:
    return tuple(subwords.encode(word))


def encoded(subwords: Subwords, text: str, longest: int) -> list[int]:
    """BEGIN and the ids of a review, as `plain` has it, cut to `longest` tokens.

    Words are remembered, as a mistake is read again without each of its words; no piece reaches over a space.
    """
    whole = plain(text)
    words = [whole] if SPACE in whole else whole.split(" ")
    return cut([BEGIN, *chain.from_iterable(_of_word(subwords, word) for word in words)], longest)


class ImdbData(SequenceData):
    """Reviews to train on, a held-out part of the labelled ones to select by, and the test set.

    Reviews come in an order that follows from their texts, so that a tree and Parquet train alike. The held-out part is
    the same for every seed, so that seeds are comparable. With a masking all training and unlabelled reviews are used,
    the texts of the held-out ones among them, without any label.

    Args:
        root: the folder with the reviews, or hf:<name>.
        seed: of the run; decides order and masking.
        subwords: of the vocabulary.
        longest: tokens of a review, from 2 on; of a longer one the middle is left out.
        held_out: share of the labelled training reviews that is kept for selection.
        global_batch_size: tokens in one optimizer step, over all devices.
        evaluation_batch_size: characters that a device sees at once in evaluation, padding included.
        masking: what has to be guessed; None to train on labels.
        workers: processes that read reviews, a device.

    Raises:
        ValueError: `longest` or `held_out` is out of its range.
    """

    unit = "tokens"
    num_classes = len(CLASSES)
    jitter = 0.05  # lengths vary more than those of recordings: 0.1 would pad by 7 %, this by less than 5 %

    def __init__(
        self,
        root: str,
        seed: int,
        subwords: int,
        longest: int,
        held_out: float,
        global_batch_size: int,
        evaluation_batch_size: int,
        masking: Masking | None = None,
        workers: int = 2,
    ) -> None:
        super().__init__(seed, global_batch_size, evaluation_batch_size, workers)
        if longest < 2:
            raise ValueError(f"longest is {longest}; it must be 2 at least")
        if not 0 < held_out < 1:
            raise ValueError(f"held_out is {held_out}; it must be above 0 and below 1")
        self.root, self.num_subwords, self.longest = root, subwords, longest
        self.share, self.masking = held_out, masking
        self.text: TokenisedReviews | None = None
        self.train: Reviews | None = None
        self.test: Reviews | None = None
        self.choice = all_texts(0, np.empty(0, np.int64))
        self.names: tuple[str, ...] = ()

    @property
    def signature(self) -> Signature:
        """The protocol: how many classes there are, and that no text but IMDB's own is learnt from."""
        return {"classes": self.num_classes, "outside_text": "none"}

    @property
    def left_out(self) -> tuple[str, ...]:
        """Reviews that are not trained on since they stand in the test set, such as `train/pos/0_10`."""
        return self.names

    @property
    def fingerprint(self) -> dict[str, Any]:
        """How many reviews of what is open, and digests of them, and of the vocabulary and the training text in it.

        They are the same for the same reviews, in whichever form.
        """
        found: dict[str, Any] = {}
        if self.test is not None:
            found = {"test": len(self.test), f"test texts{DIGEST}": _by_text(self.root, "test").digest}
        if self.text is None or self.train is None:
            return found
        used, labelled_ones = len(self.choice.used), int(np.sum(self.choice.used < len(self.train)))
        return found | {
            "train": labelled_ones,
            "unsupervised": used - labelled_ones,
            "left out": len(self.choice.left_out),
            "held out": len(self.choice.held_out),
            "held out twice": len(self.choice.duplicates),
            REVIEWS: self.text.digest,
        }

    @property
    def trained_on(self) -> dict[str, int]:
        """Labelled and unlabelled reviews, all of which make the vocabulary."""
        assert self.train is not None, "setup has not run"
        assert self.text is not None
        return {"train": len(self.train), "unsupervised": len(self.text) - len(self.train)}

    def setup(self, stage: str) -> None:
        """Opens what the stage needs; the reviews' subwords are made where no run has made them.

        Raises:
            UserError: a split is missing or malformed, or no review is left to train on.
        """
        if self.test is None:
            self.test = _opened(self.root, "test")
        if stage != "test" and self.text is None:  # reviews to validate by are held out of those to train on
            train, unsupervised, test = (_by_text(self.root, split) for split in ("train", "unsupervised", "test"))
            self.text, self.train = tokenised(train, unsupervised, test, self.num_subwords), train
            self.choice = self._choice(self.text, train)
            self.names = tuple(name(place, train.ids, unsupervised.ids) for place in self.choice.left_out.tolist())
            self._tell_what_is_used()

    def _choice(self, text: TokenisedReviews, train: Reviews) -> Choice:
        if self.masking is None:
            return labelled(train, text.in_test, self.share)
        return all_texts(len(text), text.in_test)

    def _tell_what_is_used(self) -> None:
        choice = self.choice
        if not len(choice.used):
            raise UserError(
                f"{self.root}: no review is left to train on: {len(choice.left_out):,} stand in the test set, "
                f"{len(choice.held_out):,} are held out. Look at the data, or lower data.init_args.held_out (which "
                "makes the run unofficial)."
            )
        told = f"training on {len(choice.used):,} {'labelled' if self.masking is None else 'masked'} reviews"
        told += f"; left out, as they stand in the test set: {len(choice.left_out):,}"
        if self.masking is None:
            told += f"; held out: {len(choice.held_out):,}, and {len(choice.duplicates):,} that stand there twice"
        announce(told)

    @property
    def subwords(self) -> Subwords:
        """The vocabulary, once `setup("fit")` has run."""
        assert self.text is not None, "setup has not run"
        return self.text.subwords

    def plain(self, text: str) -> str:
        """A review without its HTML, of which words are looked into."""
        return plain(text)

    def encoded(self, subwords: Subwords, text: str) -> list[int]:
        """Tokens of a review as training cuts it, by the vocabulary of the weights that read it."""
        return encoded(subwords, text, self.longest)

    @cached_property
    def lengths(self) -> Floats:
        """Tokens of each review that is trained on, BEGIN among them, once `setup("fit")` has run."""
        assert self.text is not None, "setup has not run"
        whole = self.text.reviews.lengths[self.choice.used] + 1
        return np.minimum(whole, self.longest).astype(np.float64)

    @cached_property
    def step_targets(self) -> float:
        """What is guessed in a step on the average: masked tokens, or labels."""
        if self.masking is None:
            return len(self.lengths) / self.steps_per_epoch
        return float(self.masking.counts(self.lengths.astype(np.int64)).sum()) / self.steps_per_epoch

    def train_dataloader(self) -> Loader:
        """Batches of this rank, from the step on where training stands."""
        assert self.text is not None
        assert self.train is not None
        used = self.choice.used
        if self.masking is None:
            labels = LabelledReviews(self.text, used, self.longest, self.train.labels)
            return self.training_loader(labels, collate_labelled)
        hidden = MaskedReviews(self.text, used, self.longest, self.masking, self.seed)
        return self.training_loader(hidden, collate_masked)

    def val_dataloader(self) -> list[Loader]:
        """This rank's share of the held-out reviews; none where words are guessed."""
        assert self.train is not None
        if self.masking is not None:
            return []
        return [self._judged(JudgedReviews(self.train, self.choice.held_out))]

    def test_dataloader(self) -> Loader:
        """This rank's share of the test set."""
        assert self.test is not None
        return self._judged(JudgedReviews(self.test, np.arange(len(self.test))))

    def _judged(self, reviews: JudgedReviews) -> Loader:
        return self.evaluation_loader(reviews, reviews.lengths, collate_evaluation)
