r"""The reviews of a split, in memory: text by text as their authors wrote them, whatever form they were read from.

Texts are UTF-8, kept as they are, `<br />` and "\r" included, but for a byte order mark at the start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from benchmarks.arrays import Integers
from benchmarks.errors import UserError

BOM = "\ufeff"


@dataclass(frozen=True, eq=False)
class Listing:
    """The examples of a split: ids, labels [n] (0 negative, 1 positive, -1 unlabelled), and where each one lies."""

    ids: tuple[str, ...]
    labels: Integers
    places: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Reviews:
    """Examples and their texts: text i is `data[bounds[i] : bounds[i + 1]]`, where `bounds` is int64 [n + 1].

    All texts are one object (130 MB for the largest split), so that forked workers share it.
    """

    listing: Listing
    data: bytes
    bounds: Integers

    def __len__(self) -> int:
        return len(self.listing.ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """The id of each review, as `imdb.truth` has it."""
        return self.listing.ids

    @property
    def labels(self) -> Integers:
        """0 negative, 1 positive, -1 unlabelled; [n]."""
        return self.listing.labels

    def text(self, index: int) -> str:
        """A review; IndexError where there is no such one."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.data[self.bounds[index] : self.bounds[index + 1]].decode()

    def where(self, index: int) -> str:
        """The file, or the Parquet folder or hub name and the row, from 0."""
        return self.listing.places[index]

    @property
    def digest(self) -> str:
        """A SHA-256 of all texts and labels: the same for the same reviews in the same order, in whichever form."""
        found = hashlib.sha256(self.labels.tobytes())
        found.update(self.bounds.tobytes())
        found.update(self.data)
        return found.hexdigest()


def by_text(reviews: Reviews) -> Reviews:
    """The same reviews, class by class in the order of a hash of their texts, which is the same in every form."""
    texts = [reviews.data[start:end] for start, end in pairwise(reviews.bounds.tolist())]
    keys = [(label, hashlib.sha256(text).digest()) for label, text in zip(reviews.labels.tolist(), texts, strict=True)]
    order = sorted(range(len(reviews)), key=keys.__getitem__)
    ids, places = (tuple(names[place] for place in order) for names in (reviews.ids, reviews.listing.places))
    bounds = np.cumsum([0, *(len(texts[place]) for place in order)], dtype=np.int64)
    return Reviews(Listing(ids, reviews.labels[order], places), b"".join(texts[place] for place in order), bounds)


def pack(listing: Listing, raw: Iterable[bytes]) -> Reviews:
    """The reviews of a listing, from the bytes of each.

    Raises:
        UserError: one is not UTF-8 or holds no text.
    """
    texts = [_checked(data, place) for data, place in zip(raw, listing.places, strict=True)]
    bounds = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return Reviews(listing, b"".join(texts), bounds)


def _checked(data: bytes, place: str) -> bytes:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        wrong = f"byte {error.start} (0x{data[error.start]:02x})"
        raise UserError(f"{place}: {wrong} is not UTF-8. Save it in UTF-8, or fetch the data set again.") from None
    if not text.removeprefix(BOM).strip():
        raise UserError(f"{place} is empty. Fetch the data set again.")
    return data.removeprefix(BOM.encode())
