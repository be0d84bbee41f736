"""Parallel text as subword ids: made once for a training text and a vocabulary size, then mapped by whoever reads it.

The vocabulary is learnt from the very text, of both languages and whatever the direction, so all benchmarks, seeds and
ranks share one folder, `data/tokenised/<hash of the text and the size>/`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path

import numpy as np
import sentencepiece
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.files import make_once, sha256
from benchmarks.paths import ROOT
from benchmarks.runs import announce
from benchmarks.schema import short_hash
from datamodules.layouts.wmt import Pairs
from datamodules.layouts.wmt_text import LANGUAGES
from datamodules.subwords import TRANSLATION, Subwords

MODEL, DIGEST = "subwords.model", "digest.txt"
BLOCK = 50_000  # pairs that are encoded at once


class Tokenised:
    """Pairs of sentences, in the order of the text.

    Args:
        folder: with the vocabulary, and of each language the ids of all sentences and where each begins.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.subwords = Subwords((folder / MODEL).read_bytes())
        self.digest = (folder / DIGEST).read_text()
        self.bounds = [np.load(folder / f"{language}.bounds.npy") for language in LANGUAGES]
        kind = _kind(len(self.subwords.pieces))
        self.ids = [np.memmap(folder / f"{language}.ids", kind, mode="r") for language in LANGUAGES]

    def __reduce__(self) -> tuple[type[Tokenised], tuple[Path]]:
        """By its folder, which a worker maps anew."""
        return Tokenised, (self.folder,)

    def __len__(self) -> int:
        return len(self.bounds[0]) - 1

    def pair(self, index: int) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Ids of German and of English."""
        german, english = (
            ids[bounds[index] : bounds[index + 1]] for ids, bounds in zip(self.ids, self.bounds, strict=True)
        )
        return german, english

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Subwords of German and English, [n, 2]."""
        return np.stack([np.diff(bounds) for bounds in self.bounds], axis=1)


def tokenised(pairs: Pairs, size: int) -> Tokenised:
    """The pairs in a vocabulary of `size` subwords that is learnt from them.

    Raises:
        UserError: the text is too short for so many subwords, the disk is full, or may not be written to.
    """
    folder = ROOT / "data" / "tokenised" / short_hash([pairs.digest, size, TRANSLATION, sentencepiece.__version__])
    make_once(folder, lambda draft: _write(draft, pairs, size))
    return Tokenised(folder)


def _kind(size: int) -> np.dtype[np.unsignedinteger]:
    """The smallest type that holds every id."""
    return np.min_scalar_type(size - 1)


def _write(folder: Path, pairs: Pairs, size: int) -> None:
    announce(f"learning {size:,} subwords from {len(pairs):,} pairs of sentences (once)")
    subwords = Subwords.for_translation((side for pair in _progress(pairs, "reading") for side in pair), size)
    (folder / MODEL).write_bytes(subwords.model)
    counts: tuple[list[int], list[int]] = ([], [])
    with ExitStack() as stack:
        files = [stack.enter_context((folder / f"{language}.ids").open("wb")) for language in LANGUAGES]
        for block in _blocks(pairs):
            for sentences, file, known in zip(zip(*block, strict=True), files, counts, strict=True):
                found = subwords.processor.encode(list(sentences), num_threads=-1)
                file.write(np.fromiter(chain.from_iterable(found), _kind(size)).tobytes())
                known.extend(map(len, found))
    for language, lengths in zip(LANGUAGES, counts, strict=True):
        np.save(folder / f"{language}.bounds.npy", np.fromiter(accumulate(lengths, initial=0), np.int64))
    # Of what is trained on, so that it is the same whether the text came in plain files or in Parquet.
    digests = "".join(sha256(file) for file in sorted(folder.iterdir()))
    (folder / DIGEST).write_text(hashlib.sha256(digests.encode()).hexdigest())


def _blocks(pairs: Pairs) -> Iterator[list[tuple[str, str]]]:
    block: list[tuple[str, str]] = []
    for pair in _progress(pairs, "writing subwords"):
        block.append(pair)
        if len(block) == BLOCK:
            yield block
            block = []
    if block:
        yield block


def _progress(pairs: Pairs, what: str) -> Iterator[tuple[str, str]]:
    places = tqdm(range(len(pairs)), what, unit=" pairs", disable=not sys.stderr.isatty())
    return (pairs.pair(place) for place in places)
