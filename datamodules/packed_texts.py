"""Texts in one block of memory, which the processes that read examples share."""

from collections.abc import Iterable, Iterator

import numpy as np

from benchmarks.arrays import Integers

ENCODING = ("utf-8", "surrogateescape")  # as file names are decoded


class PackedTexts:
    """Texts in their order: as Python's own strings, each would be copied by every process that counts a reference."""

    def __init__(self, texts: Iterable[str]) -> None:
        encoded = [text.encode(*ENCODING) for text in texts]
        self.data = b"".join(encoded)
        self.bounds: Integers = np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, index: int) -> str:
        """A text; IndexError where there is no such one."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.data[self.bounds[index] : self.bounds[index + 1]].decode(*ENCODING)

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))
