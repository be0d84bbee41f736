"""ImageNet as `make data-imagenet PACK=<root>` writes it: the files' own bytes in few Arrow streams, memory-mapped.

The columns are `image` (bytes, path) and `label` with the class names, as the `datasets` library has them; a path is
the image's id and a suffix. Opening reads paths and labels alone, and an image only its own bytes.
"""

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from benchmarks.arrays import Integers
from benchmarks.errors import UserError
from datamodules.layouts.imagenet_split import Split, pack, pages
from datamodules.layouts.parquet_shards import complete, of_split

END = b"\xff\xff\xff\xff\0\0\0\0"  # of a whole stream; without it one that was cut between batches would pass
NAMED = r"[^/]\.[^./]+$"  # a path whose file has a name before its suffix


def again(store: Path) -> str:
    """How damaged or missing files come back."""
    return f"Run `make data-imagenet DATA=<where the images came from> PACK={store}` again."


def schema_of(classes: Sequence[str]) -> Any:
    """The Arrow schema of a shard, which carries the class names."""
    import datasets

    return datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=list(classes))).arrow_schema


class Shard:
    """One file, mapped; raises UserError where it is damaged or foreign.

    Attributes:
        schema: with the class names in its metadata.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        with _sound(file):
            self.schema, batches = _read(file)
            images = [batch.column("image") for batch in batches]
        self._images = [image.field("bytes") for image in images]
        self._paths = [image.field("path") for image in images]
        self._labels = [batch.column("label") for batch in batches]
        self._starts = [0, *accumulate(map(len, images))]

    def __len__(self) -> int:
        return self._starts[-1]

    def image(self, row: int) -> Any:
        """The encoded image as an Arrow buffer: pages of the file, not a copy."""
        batch = bisect_right(self._starts, row) - 1
        return pages(self._images[batch].slice(row - self._starts[batch], 1))

    def ids(self) -> list[str]:
        """The paths without their suffixes."""
        return [path.rpartition(".")[0] for paths in self._paths for path in paths.to_pylist()]

    def labels(self) -> Integers:
        """Indices into the classes, [n]."""
        return np.concatenate([np.zeros(0, np.int64), *(labels.to_numpy() for labels in self._labels)])

    def classes(self) -> tuple[str, ...]:
        """The names that the schema carries; none in a foreign file."""
        import datasets

        with _sound(self._file):
            return tuple(getattr(datasets.Features.from_arrow_schema(self.schema)["label"], "names", ()))


@dataclass(frozen=True, eq=False)
class Packed:
    """Images in shards: the files, and the row at which each begins and the last one ends, [files + 1].

    Pickled without what is mapped; a process maps a file when it first reads from it.
    """

    files: tuple[str, ...]
    starts: tuple[int, ...]
    mapped: dict[int, Shard] = field(default_factory=dict)

    def __reduce__(self) -> tuple[type["Packed"], tuple[Any, ...]]:
        return Packed, (self.files, self.starts)

    def where(self, identity: str, index: int) -> str:
        """The file and the row in it."""
        number, row = self._place(index)
        return f"{self.files[number]}, row {row} ({identity})"

    def paths(self, identities: Iterable[str]) -> Sequence[str]:
        """The files of all shards."""
        return self.files

    def open(self, identity: str, index: int) -> BinaryIO:
        """A stream over the mapped bytes, which copies what is read of it."""
        from pyarrow import BufferReader

        number, row = self._place(index)
        if number not in self.mapped:
            self.mapped[number] = Shard(self.files[number])
        return cast(BinaryIO, BufferReader(self.mapped[number].image(row)))

    def _place(self, index: int) -> tuple[int, int]:
        number = bisect_right(self.starts, index) - 1
        return number, index - self.starts[number]


def shards(root: Path, split: str) -> list[Path]:
    """The Arrow files of a split in `root`, sorted; raises UserError where some are missing."""
    return complete(of_split(sorted(root.glob("*.arrow")), (split,)), split, "Arrow", again(root))


def open_shards(root: Path, files: list[Path], split: str) -> Split:
    """The split that Arrow files hold; raises UserError where one is damaged, foreign or of another pack."""
    opened = [Shard(str(file)) for file in files]
    classes = opened[0].classes()
    ids = [identity for shard in opened for identity in shard.ids()]
    labels = np.concatenate([shard.labels() for shard in opened])
    if any(shard.schema.metadata != opened[0].schema.metadata for shard in opened) or len(set(ids)) != len(ids):
        raise UserError(
            f"the Arrow shards of {split} in {root} are no one pack: their classes differ, or an image is in two. "
            f"Remove them. {again(root)}"
        )
    if not ids or labels.min() < 0 or labels.max() >= len(classes):
        raise UserError(
            f"the Arrow shards of {split} in {root} hold {len(ids)} images, or labels without a class name. Remove "
            f"them. {again(root)}"
        )
    starts = tuple(accumulate(map(len, opened), initial=0))
    return Split(split, pack(ids), labels, classes, Packed(tuple(map(str, files)), starts, dict(enumerate(opened))))


def _read(file: str) -> tuple[Any, list[Any]]:
    """The schema and the record batches of a stream; raises whatever Arrow does."""
    import pyarrow
    from pyarrow import compute

    with pyarrow.memory_map(file) as mapped:  # what the batches hold of it stays mapped
        mapped.seek(max(0, mapped.size() - len(END)))
        if mapped.read() != END:
            raise ValueError("it has no end, so it was cut short")
        mapped.seek(0)
        reader = pyarrow.ipc.open_stream(mapped, options=pyarrow.ipc.IpcReadOptions(use_threads=False))
        schema, batches = reader.schema, list(reader)
    columns = {"image": pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()}), "label": pyarrow.int64()}
    if dict(zip(schema.names, schema.types, strict=True)) != columns:
        raise ValueError(f"it has columns {', '.join(schema.names)}, not image (bytes, path) and label")
    for batch in batches:
        batch.validate(full=True)  # offsets that lead out of the file would end the process
        image = batch.column("image")
        if sum(column.null_count for column in (image, *image.flatten(), batch.column("label"))):
            raise ValueError("it has rows without image, path or label")
        if not compute.all(compute.match_substring_regex(image.field("path"), NAMED)).as_py():
            raise ValueError("it has a path without a suffix")
    return schema, batches


@contextmanager
def _sound(file: str) -> Iterator[None]:
    """Says which file cannot be used; raises UserError instead of what Arrow raises."""
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ValueError, ArrowException) as error:
        raise _unusable(file, error) from error


def _unusable(file: str, error: Exception) -> UserError:
    """The message for a file; only where its content is at fault does it tell to remove it."""
    if isinstance(error, UnicodeEncodeError):  # of its path: bytes that Python has put surrogates for
        return UserError(f"{file!r} is no path in UTF-8, which Arrow needs. Rename its folder.")
    if isinstance(error, OSError) and error.errno:
        return UserError(f"{file} cannot be read: {os.strerror(error.errno)}. Check its permissions and the disk.")
    return UserError(f"{file} is no whole Arrow file of ImageNet: {error}\nRemove it. {again(Path(file).parent)}")
