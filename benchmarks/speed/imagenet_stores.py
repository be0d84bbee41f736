"""Encoded images a second out of stores of ImageNet, in random order, warm: a tree, ours, and what else there is.

    .venv/bin/python -m benchmarks.speed.imagenet_stores [--rounds 9]

Ours is what `make data-imagenet PACK=` writes. Tar is webdataset's format, here with an index, Parquet the hub's;
webdataset itself, which reads in order alone, and litdata take part where they are installed.
"""

import argparse
import mmap
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path
from statistics import median
from sys import stderr
from typing import Any

import numpy as np

from benchmarks.speed.photographs import photographs
from datamodules.layouts.imagenet import open_split
from datamodules.layouts.imagenet_split import Split
from datamodules.preparation.imagenet_pack import pack
from results.render import table

IMAGES, SLOW = 1024, 64  # of which slow stores are asked for the first few
ROW_GROUP, SHARD_BYTES = 100, 2**25

Read = Callable[[int], Any]


def tree(root: Path) -> Split:
    """A folder an image lies in, as people have it."""
    folder = root / "val" / "n00000001"
    folder.mkdir(parents=True)
    for number, data in enumerate(photographs(IMAGES)):
        (folder / f"{number:04d}.JPEG").write_bytes(data)
    return open_split(str(root), "val")


def packed(images: Split, root: Path, store: Path) -> Read:
    """The store that `make data-imagenet PACK=` writes: Arrow, mapped."""
    with redirect_stdout(stderr):
        pack(str(root), str(store), SHARD_BYTES)
    assert images.read(IMAGES - 1) == open_split(str(store), "val").read(IMAGES - 1)
    return open_split(str(store), "val").read


def tar(images: Split, path: Path) -> Read:
    """One uncompressed archive, mapped, and an index of it in memory."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for index in range(len(images)):
            archive.add(images.where(index), f"{index:06d}.jpg")
    with tarfile.open(path) as archive:
        places = [(member.offset_data, member.offset_data + member.size) for member in archive]
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return lambda index: mapped[slice(*places[index])]


def parquet(images: Split, path: Path) -> Read:
    """Row groups of a hundred, of which one is read for an image."""
    import pyarrow
    from pyarrow.parquet import ParquetFile, write_table

    column = pyarrow.array([images.read(index) for index in range(len(images))], pyarrow.binary())
    write_table(pyarrow.table({"image": column}), path, row_group_size=ROW_GROUP)
    file = ParquetFile(path)
    return lambda index: file.read_row_group(index // ROW_GROUP).column(0)[index % ROW_GROUP].as_py()


def litdata(images: Split, folder: Path) -> Read:
    """The store of litdata: chunks of 64 MB, read by position."""
    from litdata import StreamingDataset
    from litdata.streaming.writer import BinaryWriter

    writer = BinaryWriter(str(folder), chunk_bytes="64MB")
    for index in range(len(images)):
        writer[index] = {"image": images.read(index)}
    writer.done()
    writer.merge()
    opened = StreamingDataset(str(folder), shuffle=False)
    return lambda index: opened[index]["image"]


def in_order(path: Path) -> Callable[[Sequence[int]], None]:
    """Webdataset over the same archive; it takes no order."""
    from webdataset import WebDataset

    return lambda order: [None for _ in WebDataset(str(path), shardshuffle=False, empty_check=False)].clear()


def at_random(read: Read, order: Sequence[int]) -> None:
    """Reads one image after another, in this order."""
    for index in order:
        read(index)


def stores(folder: Path) -> Iterator[tuple[str, int, Callable[[Sequence[int]], None]]]:
    """Name, images a round, and what reads them."""
    images = tree(folder / "tree")
    yield "tree", IMAGES, partial(at_random, images.read)
    yield "ours: Arrow, mapped", IMAGES, partial(at_random, packed(images, folder / "tree", folder / "packed"))
    yield "tar, mapped, with an index", IMAGES, partial(at_random, tar(images, folder / "images.tar"))
    yield "Parquet", SLOW, partial(at_random, parquet(images, folder / "images.parquet"))
    with suppress(ImportError):
        yield "webdataset, in order", IMAGES, in_order(folder / "images.tar")
    with suppress(ImportError):
        yield "litdata", SLOW, partial(at_random, litdata(images, folder / "lit"))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds, rng = parser.parse_args().rounds, np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        made = list(stores(Path(folder)))
        seen: dict[str, list[float]] = {name: [] for name, _, _ in made}
        for order in (rng.permutation(IMAGES).tolist() for _ in range(rounds)):
            for name, count, read in made:
                began = time.perf_counter()
                read(order[:count])
                seen[name].append(count / (time.perf_counter() - began))
    rows = [(name, *(f"{each:,.0f}" for each in (min(s), median(s), max(s)))) for name, s in seen.items()]
    print(table([("store", "minimum", "median", "maximum images/s"), *rows]))


if __name__ == "__main__":
    main()
