"""`make data-imagenet DATA=<root> PACK=<store>`: the images of DATA, byte for byte, in few large files.

Network file systems that die of 1.3 million small files read the store as DATA. Ids, labels and class names are those
of DATA, so that runs and predictions are too. A file has its name only once it was read back, from the disk as far as
the system allows, and found equal; an interrupted packing is continued by the next one. That compares a file that is
ready with DATA by ids, labels, classes and the bytes of a sample of its images: to pack an image that was mended in
DATA, remove the file of the store that has it.
"""

import hashlib
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
from tqdm import tqdm

from benchmarks.errors import UserError
from benchmarks.files import replacing
from benchmarks.runs import occupied
from datamodules.layouts import imagenet, imagenet_arrow, imagenet_parquet
from datamodules.layouts.imagenet_split import SUFFIXES, Files, Split, require_two_splits
from datamodules.preparation.archives import check_room, disk_faults, is_no_folder
from datamodules.progress import bar

SHARD_BYTES = 2**30
BATCH_BYTES = 2**28  # 2**31 is Arrow's limit; opening touches each batch, and with it what the system reads ahead
SAMPLE = 1000  # images that stand for a split's sizes or a file's bytes: to read all would take as long as to pack them
READERS = 16  # files asked for at once, as a network file system answers late


@dataclass(frozen=True)
class Part:
    """One file to be: the images of `split` from `first` to before `end`, of about so many bytes."""

    path: Path
    split: Split
    first: int
    end: int
    size: int

    def __len__(self) -> int:
        return self.end - self.first

    def holds(self, shard: imagenet_arrow.Shard) -> bool:
        """Whether a file has the ids, labels and classes that this one should have."""
        ids = [self.split.identity(index) for index in range(self.first, self.end)]
        same = shard.ids() == ids and np.array_equal(shard.labels(), self.split.labels[self.first : self.end])
        return same and shard.classes() == self.split.classes


def pack(root: str, store: str, shard_bytes: int = SHARD_BYTES) -> None:
    """Writes val, and train where it is there, into a folder that then is DATA, and says what it holds.

    Args:
        root: DATA, in any form; a data set of the hub (`hf:`) is expected to have both splits.
        store: the folder, made if it is not there; files in it that are ready stay. They are compared with DATA by
            ids, labels, classes and a sample of their images' bytes; to pack a mended image, remove its Arrow file.
        shard_bytes: about how large a file is.

    Raises:
        UserError: DATA can't be read, the store is no place for it or has other images, another packing writes to it,
            or the disk is too small.
    """
    target = Path(store)
    _refuse_place(root, store)
    splits = _opened(root)
    taken = f"another packing writes to PACK={store}. Wait for it, or set PACK elsewhere."  # and removes hidden files
    with disk_faults(target), occupied(target, taken):
        counts = _pack(splits, target, shard_bytes)
    for name, count in counts.items():
        packed, files = imagenet.open_split(store, name), f"{count} file{'s' if count > 1 else ''}"
        print(f"{store}: {name} is packed, {len(packed):,} images of {len(packed.classes):,} classes in {files}")


def _pack(splits: list[Split], target: Path, shard_bytes: int) -> dict[str, int]:
    """Writes what is not there yet; returns the number of files of each split."""
    parts = {split.name: _parts(split, target, shard_bytes) for split in splits}
    todo = {name: _unfinished(target, name, each) for name, each in parts.items()}
    needed = sum(part.size for each in todo.values() for part in each)
    if needed:
        check_room(target, needed, "packing into", "set PACK to a folder on a larger disk")
    for split in splits:
        _write_all(todo[split.name], split, len(split) - sum(map(len, todo[split.name])))
    return {name: len(each) for name, each in parts.items()}


def _refuse_place(root: str, store: str) -> None:
    target, data = Path(store).resolve(), Path(root).resolve()
    if not store or store.startswith("hf:") or is_no_folder(Path(store)):
        raise UserError(f"PACK={store} is no folder. Set it to one to write to; it is made if it is not there.")
    if target == data or any(target.is_relative_to(data / split) for split in ("train", "val")):
        raise UserError(f"PACK={store} is where the images of DATA={root} are. Set PACK to a folder of its own.")
    for split in ("train", "val"):
        if (target / split).is_dir() or imagenet_parquet.shards(target, split):
            raise UserError(f"PACK={store} holds {split} in another form. Set PACK to a folder of its own.")


def _opened(root: str) -> list[Split]:
    """The splits of DATA; training images that still lie in their archive are not passed over."""
    splits, folder = [imagenet.open_split(root, "val")], Path(root)
    archive = folder / imagenet.PACKED["train"]
    if root.startswith("hf:") or imagenet.present(folder, "train") or archive.exists():
        splits.append(imagenet.open_split(root, "train"))
        require_two_splits(splits[1], splits[0])
    for split in splits:
        if bad := next((identity for identity in split.ids if not identity.isprintable()), None):
            raise UserError(
                f"{root}: {split.name} has an image named {bad!r}, with an unprintable character. Rename it."
            )
    return splits


def _parts(split: Split, target: Path, shard_bytes: int) -> list[Part]:
    """The files of a split: the same ones in every run, as one that goes on must find them."""
    n = len(split)
    with ThreadPoolExecutor(READERS) as readers:
        sizes = [len(image) for image in readers.map(split.read, _spread(n))]
    mean = sum(sizes) / len(sizes)
    count = min(n, max(1, math.ceil(n * mean / shard_bytes)))
    bounds = [n * number // count for number in range(count + 1)]
    names = [f"{split.name}-{number:05d}-of-{count:05d}.arrow" for number in range(count)]
    return [
        Part(target / name, split, first, end, math.ceil(mean * (end - first)))
        for name, first, end in zip(names, bounds, bounds[1:], strict=False)
    ]


def _spread(n: int) -> list[int]:
    """Up to SAMPLE of the first n numbers, at even distances."""
    return list(map(int, np.linspace(0, n - 1, min(n, SAMPLE))))


def _unfinished(target: Path, name: str, parts: list[Part]) -> list[Part]:
    """What is still to be written; raises UserError where the store has something else, as `_is_current` sees it."""
    for stale in target.glob(f".{name}-*.arrow.*"):  # of packings that were killed
        stale.unlink()
    ready = [part for part in parts if part.path.exists()]
    others = {*target.glob(f"{name}-*.arrow")} - {part.path for part in ready}
    others |= {part.path for part in ready if not _is_current(part)}
    if others:
        raise UserError(
            f"{min(others)} holds other images than DATA's. Remove it (if another packing wrote it, all of that one's "
            "files), or set PACK elsewhere."
        )
    return [part for part in parts if part not in ready]


def _is_current(part: Part) -> bool:
    """Whether a ready file has DATA's ids, labels and classes, and its bytes in a sample of the images."""
    shard = imagenet_arrow.Shard(str(part.path))
    if not part.holds(shard):
        return False
    rows = _spread(len(part))
    with ThreadPoolExecutor(READERS) as readers:
        images = readers.map(part.split.read, [part.first + row for row in rows])
        return all(shard.image(row).to_pybytes() == image for row, image in zip(rows, images, strict=True))


def _write_all(parts: list[Part], split: Split, done: int) -> None:
    with bar(len(split), f"packing {split.name}", "image", done) as progress:
        for part in parts:
            with replacing(part.path) as file:
                digests = _write(file, part, progress)
                _leave_memory(file)
                _compare(imagenet_arrow.Shard(file.name), part, digests)


def _write(file: IO[bytes], part: Part, progress: "tqdm[NoReturn]") -> list[bytes]:
    """Writes the stream; returns the SHA-256 of each image as it was read."""
    import pyarrow

    schema, digests = imagenet_arrow.schema_of(part.split.classes), []
    with pyarrow.ipc.new_stream(file, schema) as stream:
        for first, images in _batches(part):
            stream.write_batch(_batch(part.split, first, images, schema))
            digests += [hashlib.sha256(image).digest() for image in images]
            progress.update(len(images))
    return digests


def _batches(part: Part) -> Iterator[tuple[int, list[bytes]]]:
    """(index of the first image, images) of each record batch."""
    first, images, size = part.first, list[bytes](), 0
    with ThreadPoolExecutor(READERS) as readers:
        for start in range(part.first, part.end, READERS):
            images += readers.map(part.split.read, range(start, min(start + READERS, part.end)))
            size += sum(map(len, images[start - first :]))
            if size >= BATCH_BYTES:
                yield first, images
                first, images, size = first + len(images), [], 0
    if images:
        yield first, images


def _batch(split: Split, first: int, images: list[bytes], schema: Any) -> Any:
    import pyarrow

    indices = range(first, first + len(images))
    paths = [f"{split.identity(index)}{_suffix(split, index)}" for index in indices]
    column = pyarrow.StructArray.from_arrays([pyarrow.array(images, pyarrow.binary()), paths], ["bytes", "path"])
    return pyarrow.record_batch([column, split.labels[first : indices.stop]], schema=schema)


def _suffix(split: Split, index: int) -> str:
    """The file's own; rows of other forms are given the usual one."""
    return SUFFIXES[split.source.suffixes[index]] if isinstance(split.source, Files) else SUFFIXES[0]


def _leave_memory(file: IO[bytes]) -> None:
    """Puts a file on disk and asks the system to forget its pages, which would else be all that is read back."""
    file.flush()
    os.fsync(file.fileno())
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _compare(shard: imagenet_arrow.Shard, part: Part, digests: list[bytes]) -> None:
    """Reads the whole file back, from the disk as far as the system allows; raises UserError where it is another."""
    if part.holds(shard):
        wrong = [row for row, digest in enumerate(digests) if hashlib.sha256(shard.image(row)).digest() != digest]
    else:
        wrong = [0]
    if wrong:
        raise UserError(
            f"{part.split.where(part.first + wrong[0])} read back from {part.path} is another. Disk or memory is at "
            "fault; with that mended, run this again to go on."
        )
