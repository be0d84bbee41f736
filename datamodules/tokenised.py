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

from benchmarks.runs import announce
from datamodules.columns import MODEL, Corpus, blocks, made_once, seal, written
from datamodules.layouts.wmt import Pairs
from datamodules.layouts.wmt_text import LANGUAGES
from datamodules.progress import progress
from datamodules.subwords import TRANSLATION, Subwords

BLOCK = 50_000  # pairs that are encoded at once


class Tokenised(Corpus):
    """Pairs of sentences, in the order of the text."""

    names = LANGUAGES

    def pair(self, index: int) -> tuple[NDArray[np.unsignedinteger], NDArray[np.unsignedinteger]]:
        """Ids of German and of English."""
        german, english = (column.text(index) for column in self.columns)
        return german, english

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Subwords of German and English, [n, 2]."""
        return np.stack([column.lengths for column in self.columns], axis=1)


def tokenised(pairs: Pairs, size: int) -> Tokenised:
    """The pairs in a vocabulary of `size` subwords that is learnt from them.

    Raises:
        UserError: the text is too short for so many subwords, the disk is full, or may not be written to.
    """
    return Tokenised(made_once([pairs.digest, size, TRANSLATION], lambda draft: _write(draft, pairs, size)))


def _write(folder: Path, pairs: Pairs, size: int) -> None:
    announce(f"learning {size:,} subwords from {len(pairs):,} pairs of sentences (once)")
    subwords = Subwords.for_translation((side for pair in _read(pairs, "reading") for side in pair), size)
    (folder / MODEL).write_bytes(subwords.model)
    with ExitStack() as stack:
        writers = [stack.enter_context(written(folder, language, subwords)) for language in LANGUAGES]
        for block in blocks(_read(pairs, "writing subwords"), BLOCK):
            for add, sentences in zip(writers, zip(*block, strict=True), strict=True):
                add(list(sentences))
    seal(folder)


def _read(pairs: Pairs, what: str) -> Iterable[tuple[str, str]]:
    return progress((pairs.pair(place) for place in range(len(pairs))), len(pairs), what, "pairs")
