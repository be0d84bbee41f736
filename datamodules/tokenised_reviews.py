"""IMDB's reviews as subword ids: made once for the reviews and a vocabulary size, then mapped by whoever reads them.

The vocabulary is learnt from the very reviews that are trained on, so both trainings, all seeds and all ranks share one
folder, `data/tokenised/<hash of the reviews and the size>/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.arrays import Integers
from benchmarks.runs import announce
from datamodules.columns import MODEL, Column, Corpus, blocks, seal, tokenised_folder, written
from datamodules.layouts.imdb import BREAK, overlap, plain
from datamodules.layouts.imdb_reviews import Reviews
from datamodules.progress import progress
from datamodules.subwords import REVIEWS, Subwords

COLUMN, IN_TEST = "reviews", "in_test.npy"
BLOCK = 2_000  # reviews that are encoded at once: as Python's numbers they take 20 MB


class TokenisedReviews(Corpus):
    """The reviews of `train`, then those of `unsupervised`, all of them; `in_test` are the places of test texts."""

    names = (COLUMN,)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.in_test: Integers = np.load(folder / IN_TEST)

    @property
    def reviews(self) -> Column:
        """The ids of each, without any symbol around them."""
        return self.columns[0]


def tokenised(train: Reviews, unsupervised: Reviews, test: Reviews, size: int) -> TokenisedReviews:
    """The training and the unlabelled reviews, as `plain` has them, in a vocabulary of `size` subwords.

    It is learnt from those that do not stand in the test set too, which are found here.

    Raises:
        UserError: the reviews are too few for so many subwords, the disk is full, or may not be written to.
    """
    key = [*(split.digest for split in (train, unsupervised, test)), size, REVIEWS, BREAK.pattern]
    return TokenisedReviews(tokenised_folder(key, lambda draft: _write(draft, (train, unsupervised), test, size)))


def _write(folder: Path, splits: tuple[Reviews, ...], test: Reviews, size: int) -> None:
    announce(f"learning {size:,} subwords from {sum(map(len, splits)):,} reviews (once)")
    in_test = overlap(_texts(*splits), _texts(test))
    np.save(folder / IN_TEST, in_test)
    known = set(in_test.tolist())
    others = (text for place, text in enumerate(_read(splits, "reading")) if place not in known)
    subwords = Subwords.for_reviews(others, size)
    (folder / MODEL).write_bytes(subwords.model)
    with written(folder, COLUMN, subwords) as add:
        for block in blocks(_read(splits, "writing subwords"), BLOCK):
            add(block)
    seal(folder)


def _read(splits: tuple[Reviews, ...], what: str) -> Iterable[str]:
    return progress(map(plain, _texts(*splits)), sum(map(len, splits)), what, "reviews")


def _texts(*splits: Reviews) -> Iterator[str]:
    return (split.text(index) for split in splits for index in range(len(split)))
