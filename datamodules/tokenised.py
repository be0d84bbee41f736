"""Parallel text as subword ids: made once for a training text and a vocabulary size, then mapped by whoever reads it.

The vocabulary is learnt from the very text, of both languages and whatever the direction, so all benchmarks, seeds and
ranks share one folder, `data/tokenised/<hash of the text and the size>/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Integers
from benchmarks.runs import announce
from datamodules.columns import MODEL, Column, Corpus, blocks, seal, tokenised_folder, written
from datamodules.layouts.wmt import Pairs
from datamodules.layouts.wmt_text import LANGUAGES
from datamodules.progress import progress
from datamodules.subwords import TRANSLATION, Subwords

BLOCK = 50_000  # pairs that are encoded at once
SAMPLE = 1000  # pairs whose characters are counted
BYTES = 6  # of SentencePiece's memory a character of millions of sentences (synthetic text: 4 with 265M, 12 with 91M)
GIGABYTE = 10**9


class Tokenised(Corpus):
    """Pairs of sentences, in the order of the text."""

    names = LANGUAGES

    def pair(self, index: int) -> tuple[NDArray[np.unsignedinteger], NDArray[np.unsignedinteger]]:
        """Ids of German and of English."""
        german, english = (column.text(index) for column in self.columns)
        return german, english

    @cached_property
    def lengths(self) -> Integers:
        """Subwords of German and English, [n, 2]."""
        return np.stack([column.lengths for column in self.columns], axis=1)

    def count_shared(self, pairs: Iterable[tuple[str, str]]) -> int:
        """How many of other pairs, German and English, stand in the text, each counted once."""
        sides = [
            self._encoded(texts, column) for texts, column in zip(zip(*pairs, strict=True), self.columns, strict=True)
        ]
        alike = np.ones(len(self), bool)
        for texts, column in zip(sides, self.columns, strict=True):  # spares a look at nearly all of the millions
            bounds = np.cumsum([0, *map(len, texts)])
            alike &= np.isin(_marks(column.ids, column.bounds), _marks(np.concatenate(texts), bounds))
        there = (self.pair(place) for place in np.flatnonzero(alike).tolist())
        return len(set(map(_as_bytes, zip(*sides, strict=True))).intersection(map(_as_bytes, there)))

    def _encoded(self, texts: Iterable[str], column: Column) -> list[NDArray[np.unsignedinteger]]:
        return [np.array(self.subwords.encode(text), column.ids.dtype) for text in texts]


def _marks(ids: NDArray[np.unsignedinteger], bounds: Integers) -> Integers:
    """A number a text, [n]: of its length and of the id in its middle."""
    middle = (bounds[:-1] + bounds[1:]) // 2 % len(ids)  # of an empty text at the end, any id
    marks: Integers = np.diff(bounds) << 32 | ids[middle]
    return marks


def _as_bytes(pair: Iterable[NDArray[np.unsignedinteger]]) -> tuple[bytes, ...]:
    return tuple(side.tobytes() for side in pair)


def tokenised(pairs: Pairs, size: int) -> Tokenised:
    """The pairs in a vocabulary of `size` subwords that is learnt from them.

    Raises:
        UserError: the text is too short for so many subwords, the disk is full, or may not be written to.
    """
    return Tokenised(tokenised_folder([pairs.digest, size, TRANSLATION], lambda draft: _write(draft, pairs, size)))


def _write(folder: Path, pairs: Pairs, size: int) -> None:
    announce(f"learning {size:,} subwords from {len(pairs):,} pairs of sentences (once{_cost(pairs)})")
    subwords = Subwords.for_translation((side for pair in _read(pairs, "reading") for side in pair), size)
    (folder / MODEL).write_bytes(subwords.model)
    with ExitStack() as stack:
        writers = [stack.enter_context(written(folder, language, subwords)) for language in LANGUAGES]
        for block in blocks(_read(pairs, "writing subwords"), BLOCK):
            for add, sentences in zip(writers, zip(*block, strict=True), strict=True):
                add(list(sentences))
    seal(folder)


def _cost(pairs: Pairs) -> str:
    """What learning takes, by a sample of the text; nothing where that is little."""
    places = range(0, len(pairs), max(1, len(pairs) // SAMPLE))
    characters = sum(len(side) for place in places for side in pairs.pair(place)) / len(places) * len(pairs)
    memory = BYTES * characters / GIGABYTE
    return f"; some {memory:.0f} GB of memory, minutes" if memory >= 1 else ""


def _read(pairs: Pairs, what: str) -> Iterable[tuple[str, str]]:
    return progress((pairs.pair(place) for place in range(len(pairs))), len(pairs), what, "pairs")
