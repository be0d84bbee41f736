"""IMDB's archive, small, with what must be unpacked of it."""

import random
import tarfile
from pathlib import Path

from datamodules.preparation import imdb
from datamodules.preparation.downloads import Release
from tests.datamodules.archives import archive_at, directory, tar_of, typed

prepare, COMMAND = imdb.prepare, "data-imdb"
COUNTS = {"train": 4, "test": 4, "unsupervised": 3}
LINES = [f"{split} is complete, {count} reviews" for split, count in COUNTS.items()]
HUB = "hf:stanfordnlp/imdb is read from the hub, unprepared. Set DATA to"
STRAYS = ("", "aclImdb")
LEFT = ".aclImdb.unpacking/aclImdb/test"


def review(name):
    """Text that hardly packs."""
    return random.Random(name).randbytes(3_000).hex().encode()


REVIEWS = [
    f"aclImdb/{split}/{kind}/{number}_{stars}.txt"
    for split, kind, stars, count in (
        ("test", "neg", 2, 2), ("test", "pos", 10, 2), ("train", "neg", 4, 2), ("train", "pos", 7, 2),
        ("train", "unsup", 0, 3),
    )
    for number in range(count)
]  # fmt: skip
OTHERS = ["README", "imdb.vocab", "imdbEr.txt", "test/labeledBow.feat", "train/unsupBow.feat", "train/urls_unsup.txt"]
TREE = {name: review(name) for name in (*(f"aclImdb/{other}" for other in OTHERS), *REVIEWS)}
BEFORE: dict = {}


def packed(*more):
    """The archive, with further members at its end."""
    folders = dict.fromkeys(str(parent) for name in TREE for parent in reversed(Path(name).parents[:-1]))
    return tar_of([*((directory(name), b"") for name in folders), *TREE.items(), *more], "w:gz")


FAULT = "aclImdb_v1.tar.gz"
FILES = {FAULT: packed()}


def release_at(port, files=FILES):
    """What the server has, or would have."""
    return Release({"aclImdb": archive_at(port, FAULT, files[FAULT], growth=6.0)}, COUNTS)


HOSTILE = {
    "parent": "../escaped.txt",
    "absolute": "/tmp/escaped.txt",
    "absolute here": "/aclImdb/escaped.txt",
    "through": "aclImdb/../../escaped.txt",
    "through, inside": "aclImdb/test/../escaped.txt",
    "elsewhere": "escaped/escaped.txt",
    "beside": "escaped.txt",
    "in its place": "aclImdb",
    "folder elsewhere": directory("escaped"),
    "folder through": directory("aclImdb/../escaped"),
    "symbolic": typed("aclImdb/test/escaped", tarfile.SYMTYPE, "pos"),
    "hard": typed("aclImdb/test/pos/escaped_9.txt", tarfile.LNKTYPE, "aclImdb/test/pos/0_10.txt"),
    "pipe": typed("aclImdb/escaped", tarfile.FIFOTYPE),
    "device": typed("aclImdb/escaped", tarfile.CHRTYPE),
}


def hostile(way):
    """The archive with a member that leads elsewhere, or is no file."""
    return packed((HOSTILE[way], b"../../escaped" if isinstance(HOSTILE[way], str) else b""))
