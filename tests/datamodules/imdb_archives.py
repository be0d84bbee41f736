"""IMDB's archive, small, with what must be unpacked of it."""

import hashlib
import random
from pathlib import Path

from datamodules.layouts.imdb import open_reviews
from datamodules.preparation.downloads import Archive
from datamodules.preparation.imdb import Release
from tests.datamodules.archives import directory, tar_of

NAME = "aclImdb_v1.tar.gz"
COUNTS = {"train": 4, "test": 4, "unsupervised": 3}


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


def packed(*more):
    """The archive, with further members at its end."""
    folders = dict.fromkeys(str(parent) for name in TREE for parent in reversed(Path(name).parents[:-1]))
    return tar_of([*((directory(name), b"") for name in folders), *TREE.items(), *more], "w:gz")


TAR = packed()
FILES = {NAME: TAR}
FAULT = NAME


def release_at(port, tar=TAR):
    """What the server has, or would have."""
    url = f"http://127.0.0.1:{port}/~amaas/{NAME}"
    return Release(Archive(NAME, url, "md5", hashlib.md5(tar).hexdigest(), f"{len(tar)} B", 6.0), COUNTS)


def place(root, tar=TAR):
    """Puts the archive into `root`, as a user does."""
    root.mkdir(parents=True, exist_ok=True)
    (root / NAME).write_bytes(tar)
    return str(root)


def tree(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob("aclImdb/**/*") if path.is_file()
    }


def assert_complete(root):
    assert tree(root) == TREE
    assert [path for path in root.glob("**/*") if path.name.startswith(".")] == []
    found = open_reviews(str(root), "test")
    assert [found.text(i).encode() for i in range(4)] == [TREE[name] for name in REVIEWS[:4]]
