"""IMDB's reviews as examples, masked, labelled or to be judged, and as batches of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.arrays import Floats, Integers
from datamodules.layouts.imdb_reviews import Reviews
from datamodules.masking import Masking, masked
from datamodules.sampling import Key, example_generator
from datamodules.subwords import BEGIN, padded
from datamodules.tokenised_reviews import TokenisedReviews


def cut(tokens: list[int], longest: int) -> list[int]:
    """The first half of `longest` tokens, rounded up, and the last, where there are more.

    What a review says of its film stands at its ends (Sun et al. 2019, arXiv 1905.05583, section 5.3.1, "head+tail").
    """
    return tokens if len(tokens) <= longest else tokens[: (longest + 1) // 2] + tokens[-(longest // 2) :]


class TrainingReviews(Dataset[dict[str, Any]]):
    """Tokens of reviews.

    Args:
        text: all reviews.
        places: of those that are used, [n].
        longest: tokens that a review may have, BEGIN among them.
    """

    def __init__(self, text: TokenisedReviews, places: Integers, longest: int) -> None:
        self.text, self.places, self.longest = text, places, longest

    def tokens(self, place: int) -> list[int]:
        """The tokens of the review at a place, as `encoded` has them."""
        return cut([BEGIN, *self.text.reviews.text(place).tolist()], self.longest)


class LabelledReviews(TrainingReviews):
    """(epoch, position) -> tokens and label, of `labels` [all labelled reviews]."""

    def __init__(self, text: TokenisedReviews, places: Integers, longest: int, labels: Integers) -> None:
        super().__init__(text, places, longest)
        self.labels = labels

    def __getitem__(self, key: Key) -> dict[str, Any]:
        _, index = key
        place = int(self.places[index])
        return {"tokens": self.tokens(place), "label": int(self.labels[place])}


class MaskedReviews(TrainingReviews):
    """(epoch, position) -> tokens with masks put in, where those to be guessed are, and what stood there.

    A function of (seed, epoch, place of the review): ids differ between the forms of the data, places do not.
    """

    def __init__(self, text: TokenisedReviews, places: Integers, longest: int, masking: Masking, seed: int) -> None:
        super().__init__(text, places, longest)
        self.masking, self.seed, self.size = masking, seed, len(text.subwords.pieces)

    def __getitem__(self, key: Key) -> dict[str, Any]:
        epoch, index = key
        place = int(self.places[index])
        tokens = np.array(self.tokens(place), np.int64)
        count = int(self.masking.counts(np.array([len(tokens)]))[0])
        generator = example_generator(self.seed, epoch, f"review {place}")
        seen, places = masked(tokens, count, self.size, generator)
        return {"tokens": seen, "places": places, "targets": tokens[places]}


class JudgedReviews(Dataset[dict[str, Any]]):
    """(0, index) -> text and label of the review at `places[index]`."""

    def __init__(self, reviews: Reviews, places: Integers) -> None:
        self.reviews, self.places = reviews, places

    def __getitem__(self, key: Key) -> dict[str, Any]:
        _, index = key
        place = int(self.places[index])
        return {"text": self.reviews.text(place), "label": int(self.reviews.labels[place]), "index": index}

    @property
    def lengths(self) -> Floats:
        """Characters of each text, and one more for its beginning, [n]."""
        return np.array([len(self.reviews.text(place)) + 1.0 for place in self.places.tolist()])


def collate_masked(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Tokens int64 [N, T], padded, how many each has; where masked ones are in [N * T], and what stood there, [M]."""
    found = _tokens(examples)
    width = found["tokens"].shape[1]
    places = np.concatenate([row * width + example["places"] for row, example in enumerate(examples)])
    targets = np.concatenate([example["targets"] for example in examples])
    return found | {"places": torch.from_numpy(places), "targets": torch.from_numpy(targets)}


def collate_labelled(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Tokens int64 [N, T], padded, how many each has, and labels int64 [N]."""
    return _tokens(examples) | {"label": _labels(examples)}


def collate_evaluation(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Texts as in their files, labels int64 [N] and positions; none where a rank has no example in a round."""
    return {
        "texts": [example["text"] for example in examples],
        "label": _labels(examples),
        "index": [example["index"] for example in examples],
    }


def _tokens(examples: list[dict[str, Any]]) -> dict[str, Any]:
    tokens = [example["tokens"] for example in examples]
    return {"tokens": padded(tokens), "counts": list(map(len, tokens))}


def _labels(examples: list[dict[str, Any]]) -> Tensor:
    return torch.tensor([example["label"] for example in examples], dtype=torch.int64)
