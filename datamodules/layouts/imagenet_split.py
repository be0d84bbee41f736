"""One opened split of ImageNet, whatever its form on disk."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Integers
from benchmarks.errors import UserError
from datamodules.layouts.digest import digest

COMPARED = 20
"""Images of one name in both splits that are read."""

SUFFIXES = (".JPEG", ".jpeg", ".jpg", ".JPG", ".png", ".PNG")


class Source(Protocol):
    """A store of the encoded images of a split."""

    def open(self, identity: str, index: int) -> BinaryIO:
        """The encoded image as a readable, seekable stream; OSError where there is none."""

    def where(self, identity: str, index: int) -> str:
        """The place to name in a message."""

    def paths(self, identities: Iterable[str]) -> Sequence[str]:
        """The files that hold the images of these ids, all that there are."""


@dataclass(frozen=True, eq=False)
class Files:
    """Image files at `<folder>/<id><suffix>`; `suffixes` holds each file's index into SUFFIXES, uint8 [n]."""

    folder: str
    suffixes: NDArray[np.uint8]

    def where(self, identity: str, index: int) -> str:
        """The file's path."""
        return f"{self.folder}/{identity}{SUFFIXES[self.suffixes[index]]}"

    def paths(self, identities: Iterable[str]) -> list[str]:
        """The files, one an image."""
        return [self.where(identity, index) for index, identity in enumerate(identities)]

    def open(self, identity: str, index: int) -> BinaryIO:
        """The file, opened."""
        return open(self.where(identity, index), "rb")  # noqa: PTH123 (a Path a file costs more than the read)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a `datasets.Dataset` whose column `image` is undecoded: a memory map, pickled as its file names."""

    origin: str
    split: str
    dataset: Any

    def where(self, identity: str, index: int) -> str:
        """The Parquet folder or hub name and the row."""
        return f"{self.origin}, row {index} of {self.split} ({identity})"

    def paths(self, identities: Iterable[str]) -> list[str]:
        """The files of the memory maps."""
        return [each["filename"] for each in self.dataset.cache_files]

    def __getstate__(self) -> dict[str, Any]:
        """All but the column, which a worker finds in its own memory map."""
        return {key: value for key, value in self.__dict__.items() if key != "encoded"}

    @cached_property
    def encoded(self) -> Any:
        """The images as an Arrow column of bytes, [n]."""
        from pyarrow import compute

        return compute.struct_field(self.dataset.data.column("image"), "bytes")

    def open(self, identity: str, index: int) -> BinaryIO:
        """A stream over the mapped bytes, which copies what is read of it."""
        from pyarrow import BufferReader

        row = self.encoded.slice(index, 1).chunk(0)
        if row.null_count:
            raise FileNotFoundError("the row stores a path but no image bytes")
        return cast(BinaryIO, BufferReader(pages(row)))


def pages(row: Any) -> Any:
    """The buffer of the only value in an Arrow array of bytes: where the file is mapped, while a scalar's is a copy."""
    _, bounds, encoded = row.buffers()
    begin, end = np.frombuffer(bounds, np.int32)[row.offset :][:2].tolist()
    return encoded.slice(begin, end - begin)


@dataclass(frozen=True, eq=False)
class Split:
    """The images of one split, in the order of their ids.

    `packed` holds the ids as bytes, [n]: 1.28M Python strings would be copied by every data loader worker that counts
    a reference to one, a single block is not. `labels` are int64 [n], indices into `classes`.
    """

    name: str
    packed: NDArray[np.bytes_]
    labels: Integers
    classes: tuple[str, ...]
    source: Source

    def __len__(self) -> int:
        return len(self.labels)

    def __getstate__(self) -> dict[str, Any]:
        """All but the unpacked ids, which a worker derives if it asks for them."""
        return {key: value for key, value in self.__dict__.items() if key != "ids"}

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The path of each image below the split, without its suffix."""
        return tuple(os.fsdecode(identity) for identity in self.packed.tolist())

    @property
    def paths(self) -> Sequence[str]:
        """The files that hold the images; none where these lie in memory."""
        return self.source.paths(map(os.fsdecode, self.packed.tolist()))

    @cached_property
    def digest(self) -> str:
        """The digest of ids and labels that their `Truth` has, for which no id is unpacked."""
        return digest(self.packed, self.labels, len(self.classes))

    def identity(self, index: int) -> str:
        """The id of one image, without unpacking the others."""
        return os.fsdecode(self.packed[index])

    def where(self, index: int) -> str:
        """The file, or the Parquet row, of one image: for messages."""
        return self.source.where(self.identity(index), index)

    def open(self, index: int) -> BinaryIO:
        """One encoded image as a seekable stream; raises OSError."""
        return self.source.open(self.identity(index), index)

    def read(self, index: int) -> bytes:
        """The encoded image, byte for byte as stored; raises UserError where it can't be read."""
        try:
            with self.open(index) as stream:
                return stream.read()
        except OSError as error:
            raise UserError(f"{self.where(index)} cannot be read: {error.strerror or error}") from error


def pack(ids: Sequence[str]) -> NDArray[np.bytes_]:
    """Ids as one block of bytes, in the file system's encoding."""
    return np.array([os.fsencode(identity) for identity in ids], dtype=np.bytes_)


def require_two_splits(train: Split, val: Split) -> None:
    """Looks whether the same images are in both, and whether both number the same classes in the same way.

    Raises:
        UserError: an image of one name is the same file in both, or the classes differ; with the first differences.
    """
    _require_classes(train, val)
    names = {_name(identity): place for place, identity in enumerate(val.packed.tolist())}
    shared = ((place, names[name]) for place, name in enumerate(map(_name, train.packed.tolist())) if name in names)
    for here, there in islice(shared, COMPARED):  # other data may number the images of each split from 1
        if train.read(here) == val.read(there):
            raise UserError(
                f"{val.where(there)} is {train.where(here)}, byte for byte. What is tested must not be trained on; put "
                "each image into one split."
            )


def _name(identity: bytes) -> bytes:
    return identity.rpartition(b"/")[2]


def _require_classes(train: Split, val: Split) -> None:
    if train.classes == val.classes:
        return
    lines = [f"the classes of train ({len(train.classes)}) and val ({len(val.classes)}) differ, so labels would too:"]
    for name, here, there in (("train", train, val), ("val", val, train)):
        only = sorted(set(here.classes) - set(there.classes))
        if only:
            lines.append(f"  only in {name}: {', '.join(only[:5])}{', ...' if len(only) > 5 else ''}")
    if len(lines) == 1:
        lines.append("  the same names in another order")
    lines.append(f"Look at {train.where(0)} and {val.where(0)}; both splits must come from the same release.")
    raise UserError("\n".join(lines))
