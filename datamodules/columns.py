"""Texts as subword ids in flat files: written once in blocks, then mapped by whoever reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from benchmarks.arrays import Integers
from benchmarks.files import make_once, sha256, sync
from benchmarks.paths import ROOT
from benchmarks.schema import short_hash
from datamodules.subwords import Subwords

MODEL, DIGEST = "subwords.model", "digest.txt"

T = TypeVar("T")


class Column:
    """The ids of texts, in the order of the texts.

    Args:
        folder: with the ids of all texts one after the other, and where each text begins.
        name: of these two files, without their ends.
        size: of the vocabulary.
    """

    def __init__(self, folder: Path, name: str, size: int) -> None:
        self.bounds: Integers = np.load(folder / f"{name}.bounds.npy")
        self.ids = np.memmap(folder / f"{name}.ids", kind(size), mode="r")

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def text(self, index: int) -> NDArray[np.unsignedinteger]:
        """The ids of a text."""
        return self.ids[self.bounds[index] : self.bounds[index + 1]]

    @cached_property
    def lengths(self) -> Integers:
        """Subwords of each text, [n]."""
        return np.diff(self.bounds)


class Corpus:
    """A folder that holds a vocabulary, columns of texts in it, and a digest of all that.

    Args:
        folder: where they lie.
    """

    names: ClassVar[tuple[str, ...]]
    """The names of the columns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.subwords = Subwords((folder / MODEL).read_bytes())
        self.digest = (folder / DIGEST).read_text()
        self.columns = [Column(folder, name, len(self.subwords.pieces)) for name in self.names]

    def __reduce__(self) -> tuple[type[Corpus], tuple[Path]]:
        """Pickles the folder alone, which a worker maps anew."""
        return type(self), (self.folder,)

    def __len__(self) -> int:
        return len(self.columns[0])


def kind(size: int) -> np.dtype[np.unsignedinteger]:
    """The smallest type that holds every id of a vocabulary."""
    return np.min_scalar_type(size - 1)


@contextmanager
def written(folder: Path, name: str, subwords: Subwords) -> Iterator[Callable[[list[str]], None]]:
    """Writes a column: yields what takes its texts, block by block, and encodes each in several threads."""
    counts: list[int] = []
    with (folder / f"{name}.ids").open("wb") as file:

        def add(texts: list[str]) -> None:
            found = subwords.processor.encode(texts, num_threads=-1)
            file.write(np.fromiter(chain.from_iterable(found), kind(len(subwords.pieces))).tobytes())
            counts.extend(map(len, found))

        yield add
    np.save(folder / f"{name}.bounds.npy", np.fromiter(accumulate(counts, initial=0), np.int64))


def tokenised_folder(key: list[Any], write: Callable[[Path], None]) -> Path:
    """The folder that follows from a key, `data/tokenised/<hash>/`, as `write` fills it where nobody has yet.

    Raises:
        UserError: the disk is full, or may not be written to.
    """
    folder = ROOT / "data" / "tokenised" / short_hash([*key, sentencepiece.__version__])
    make_once(folder, write)
    return folder


def seal(folder: Path) -> None:
    """Adds the digest, once all else is there.

    It is of what is trained on, so that it is the same whatever form the text came in. All of it is on disk then: the
    power may fail once the folder has its name.
    """
    digests = "".join(sha256(file) for file in sorted(folder.iterdir()))
    (folder / DIGEST).write_text(hashlib.sha256(digests.encode()).hexdigest())
    for path in (*folder.iterdir(), folder):
        sync(path)


def blocks(examples: Iterable[T], size: int) -> Iterator[list[T]]:
    """Examples in their order, so many at once."""
    source = iter(examples)
    while block := list(islice(source, size)):
        yield block
