"""IMDB as its archive unpacks: a folder a class, `aclImdb/test/pos/<number>_<rating>.txt`, a file a review."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.errors import UserError
from datamodules.layouts.faults import read_faults
from datamodules.layouts.imdb_reviews import Listing, Reviews, pack

TOP = "aclImdb"
FOLDERS = {"train": ("train/neg", "train/pos"), "test": ("test/neg", "test/pos"), "unsupervised": ("train/unsup",)}
LABELS = {"neg": 0, "pos": 1, "unsup": -1}

RATINGS = {"neg": range(1, 5), "pos": range(7, 11), "unsup": range(1)}
"""Stars out of ten; 0 where they are not told (the archive's README)."""

NAME = re.compile(r"(?P<number>[0-9]+)_(?P<rating>[0-9]+)\.txt")
BLOCK = 500  # files that a thread reads at once
READERS = 16  # a disk in the network takes as long to open a file as to read dozens


def find_tree(root: Path) -> Path | None:
    """The folder `aclImdb`: in the root, or the root itself, whatever its name.

    Raises:
        UserError: the file system refuses a look.
    """
    if _is_folder(root / TOP):
        return root / TOP
    return root if any(holds(root, split) for split in FOLDERS) else None


def holds(tree: Path, split: str) -> bool:
    """Whether a split is there, be it one class of it, which `list_tree` refuses."""
    return any(_is_folder(tree / folder) for folder in FOLDERS[split])


def list_tree(tree: Path, split: str) -> Listing:
    """The examples, as the names of their files tell: negative ones first, each class by number; reads no text.

    Raises:
        UserError: a class is missing or empty, a name is no `<number>_<rating>.txt`, a number stands twice, or a
            rating is not of its class.
    """
    paths = [path for folder in FOLDERS[split] for path in _files(tree / folder)]
    ids = tuple(f"{path.parent.name}/{path.stem}" for path in paths)
    labels = np.array([LABELS[path.parent.name] for path in paths], np.int64)
    return Listing(ids, labels, tuple(map(str, paths)))


def read_tree(tree: Path, split: str) -> Reviews:
    """The reviews of a split.

    Raises:
        UserError: as `list_tree`, or a file cannot be read, is empty or not UTF-8.
    """
    listing = list_tree(tree, split)
    blocks = [listing.places[start : start + BLOCK] for start in range(0, len(listing.places), BLOCK)]
    with ThreadPoolExecutor(READERS) as readers:
        return pack(listing, chain.from_iterable(readers.map(_contents, blocks)))


@read_faults()
def _is_folder(path: Path) -> bool:
    return path.is_dir()


@read_faults()
def _contents(places: Sequence[str]) -> list[bytes]:
    return [Path(place).read_bytes() for place in places]


@read_faults()
def _files(folder: Path) -> list[Path]:
    """The reviews of a class by number; hidden files, which other systems leave behind, are passed over."""
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        raise UserError(f"{folder} is missing. Unpack IMDB's archive again.") from None
    if not paths:
        raise UserError(f"{folder} holds no review. Unpack IMDB's archive again.")
    numbered: dict[int, Path] = {}
    for path in sorted(paths):
        number = _number(path)
        if number in numbered:
            raise UserError(f"{folder}: {numbered[number].name} and {path.name} have one number. Remove one of them.")
        numbered[number] = path
    return [numbered[number] for number in sorted(numbered)]


def _number(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    if match is None:
        raise UserError(f"{path} is no review, which would be called <number>_<rating>.txt. Move it away.")
    allowed = RATINGS[path.parent.name]
    if int(match["rating"]) not in allowed:
        due = f"{allowed[0]} to {allowed[-1]}" if len(allowed) > 1 else str(allowed[0])
        raise UserError(
            f"{path} has the rating {match['rating']}, but those of {path.parent.name} are {due}. Move it where it "
            "belongs, or unpack IMDB's archive again."
        )
    return int(match["number"])
