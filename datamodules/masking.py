"""Words that a network has to guess (Devlin et al. 2019, "BERT", section 3.1), as pure functions on numpy arrays."""

from dataclasses import dataclass

import numpy as np

from benchmarks.arrays import Integers
from datamodules.subwords import MASK

HIDDEN, REPLACED = 0.8, 0.1
"""Shares of the tokens to be guessed that become MASK, and another piece; the others stay as they are."""


@dataclass(frozen=True)
class Masking:
    """How much of a review has to be guessed.

    Args:
        share: of its tokens after the first, BEGIN; of a review that has any, one at least.

    Raises:
        ValueError: it is not between 0 and 1.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share}; it must be above 0 and below 1")

    def counts(self, lengths: Integers) -> Integers:
        """How many tokens have to be guessed in reviews of so many tokens, BEGIN among them; both [n]."""
        others = lengths - 1
        wanted: Integers = np.maximum(1, np.rint(self.share * others)).astype(np.int64)
        return np.minimum(wanted, others)


def masked(tokens: Integers, count: int, size: int, generator: np.random.Generator) -> tuple[Integers, Integers]:
    """A review with masks put in.

    Args:
        tokens: of the review, [T], BEGIN first, which is never masked.
        count: how many have to be guessed, 0 to T - 1.
        size: of the vocabulary; pieces that replace others are drawn evenly from those above MASK.
        generator: draws what is masked, and how.

    Returns:
        The tokens as the network sees them [T], and where those are that it has to guess, [count], ascending.
    """
    places: Integers = np.sort(1 + generator.permutation(len(tokens) - 1)[:count])
    lots, pieces = generator.random(count), generator.integers(MASK + 1, size, count)
    replaced = np.where(lots < HIDDEN + REPLACED, pieces, tokens[places])
    seen = tokens.copy()
    seen[places] = np.where(lots < HIDDEN, MASK, replaced)
    return seen, places
