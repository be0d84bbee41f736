"""Which of IMDB's reviews a training uses: functions of the data alone, so that all seeds use the same ones.

Reviews are named by their places: those of `train` in their order, then those of `unsupervised`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.arrays import Integers
from datamodules.layouts.imdb import CLASSES, overlap
from datamodules.layouts.imdb_reviews import Reviews


def _none() -> Integers:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Choice:
    """Places of reviews, each kind ascending.

    Args:
        used: what is trained on.
        left_out: what is not, since it stands in the test set.
        held_out: what training is looked at by.
        duplicates: what is not trained on, since it stands in the held-out part too.
    """

    used: Integers
    left_out: Integers
    held_out: Integers = field(default_factory=_none)
    duplicates: Integers = field(default_factory=_none)


def all_texts(count: int, in_test: Integers) -> Choice:
    """All of `count` reviews, but for those that stand in the test set (their places are given)."""
    return Choice(_without(np.arange(count), in_test), in_test)


def labelled(train: Reviews, in_test: Integers, share: float) -> Choice:
    """Labelled reviews that are not in the test set; of each class the last ones are held out, at least one.

    Args:
        train: the labelled reviews.
        in_test: the places of all reviews that stand in the test set.
        share: of each class that is held out.
    """
    left_out = in_test[in_test < len(train)]
    free = _without(np.arange(len(train)), left_out)
    held_out = np.sort(
        np.concatenate([_last(free[train.labels[free] == label], share) for label in range(len(CLASSES))])
    )
    rest = _without(free, held_out)
    duplicates = rest[overlap(map(train.text, rest.tolist()), map(train.text, held_out.tolist()))]
    return Choice(_without(rest, duplicates), left_out, held_out, duplicates)


def _last(places: Integers, share: float) -> Integers:
    return places[len(places) - max(1, round(share * len(places))) :]


def _without(places: Integers, others: Integers) -> Integers:
    return np.setdiff1d(places, others, assume_unique=True)


def name(place: int, train: Sequence[str], unsupervised: Sequence[str]) -> str:
    """The review at a place by its split and id, such as `train/pos/0_10`; of Parquet by its id alone, which says both.

    Args:
        place: of the review.
        train: ids of that split.
        unsupervised: ids of that split.
    """
    is_labelled = place < len(train)
    split, identity = ("train", train[place]) if is_labelled else ("unsupervised", unsupervised[place - len(train)])
    return identity if identity.startswith(f"{split}-") else f"{split}/{identity.removeprefix('unsup/')}"
