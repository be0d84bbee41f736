"""IMDB's movie reviews as people have them: a file a review in `aclImdb`, Parquet shards, or a data set of the hub.

Splits are called as on the hub: `train`, `test`, and `unsupervised`, which is `train/unsup` in the archive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.arrays import Integers
from benchmarks.errors import UserError
from datamodules.layouts.imdb_parquet import SHARDS, open_rows
from datamodules.layouts.imdb_reviews import Listing, Reviews
from datamodules.layouts.imdb_tree import find_tree, holds, list_tree, read_tree
from results.scoring.classification import Truth

OFFICIAL = {"train": 25_000, "test": 25_000, "unsupervised": 50_000}
"""Reviews of each split (the archive's README; so has stanfordnlp/imdb on the hub)."""

CLASSES = ("negative", "positive")
ARCHIVE = "aclImdb_v1.tar.gz"
BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
SHOWN = 5

FORMS = """IMDB is expected in one of these forms:
  <root>/aclImdb/train/{neg,pos}/<number>_<rating>.txt, aclImdb/train/unsup/<number>_0.txt to learn from unlabelled
    reviews, aclImdb/test/{neg,pos}/<number>_<rating>.txt; DATA may be the folder aclImdb itself
  <root>/train-*.parquet, test-*.parquet and unsupervised-*.parquet (or in <root>/data/ or <root>/plain_text/), with the
    columns text and label (0 neg, 1 pos; -1 in unsupervised)
  hf:<name>, a data set of the Hugging Face hub with these shards, such as hf:stanfordnlp/imdb
`make data-imdb DATA=<root>` fetches and unpacks the first form."""


def truth(root: str, split: str) -> Truth:
    """What predictions on a labelled split are held against: label 0 is negative, 1 positive.

    Ids are paths below the split without suffix, such as `pos/0_10`; of Parquet `<split>-<row>`, rows from 0. Of files,
    no text is read.

    Raises:
        UserError: as `open_reviews`, or the split is not labelled.
    """
    if split == "unsupervised":
        raise UserError("the split 'unsupervised' has no labels to score against. Take test.")
    found = _listing(root, split)
    return Truth(found.ids, found.labels, len(CLASSES))


def open_reviews(root: str, split: str) -> Reviews:
    """The reviews of a split: negative before positive ones, each class by number; of Parquet in the order of its rows.

    Raises:
        UserError: the split or a class of it is missing or empty, it lies there in two forms, a file's name or rating
            or a row's label is wrong, or a text is missing, empty or not UTF-8.
    """
    tree = _tree(root, split)
    return read_tree(tree, split) if tree else open_rows(root, split)


def count(root: str, split: str) -> int:
    """How many reviews a split has.

    Raises:
        UserError: as `open_reviews`, but for the texts of files.
    """
    return len(_listing(root, split).ids)


def check(root: str, training: bool, full: bool) -> list[str]:
    """A look at the data before anything starts; returns what the user should know.

    Raises:
        UserError: as `count`, of `test`, to train of the others too: the vocabulary is learnt from unlabelled reviews.
    """
    notes = []
    splits = list(OFFICIAL) if training else ["test"]
    for split, found in {split: count(root, split) for split in splits}.items():
        if full and found != OFFICIAL[split]:
            verdict = ", its verdict `not comparable`" if split == "test" else ""
            whole = f"{found:,} reviews, officially {OFFICIAL[split]:,}"
            notes.append(f"{split} is not whole ({whole}): unofficial{verdict}")
    return notes


def sample(root: str) -> str:
    """What is found where reviews are read.

    Raises:
        UserError: as `open_reviews`.
    """
    reviews = open_reviews(root, "test")
    return f"{len(reviews):,} reviews of test; {reviews.ids[0]} reads, {len(plain(reviews.text(0)).split())} words"


def plain(text: str) -> str:
    """A review without its HTML: a space for each `<br />`, as in Keras's recipes, so that a review stays one line.

    Nothing else is changed: two tags give two spaces, and entities such as `&amp;` stay.
    """
    return BREAK.sub(" ", text)


def overlap(texts: Iterable[str], test_texts: Iterable[str]) -> Integers:
    """Which of the texts stand in the test set too, but for white space and case: their places, ascending."""
    known = {_normal(text) for text in test_texts}
    return np.flatnonzero(np.array([_normal(text) in known for text in texts], bool))


def _normal(text: str) -> str:
    return " ".join(text.split()).casefold()


def _listing(root: str, split: str) -> Listing:
    tree = _tree(root, split)
    return list_tree(tree, split) if tree else open_rows(root, split).listing


def _tree(root: str, split: str) -> Path | None:
    """The tree that holds a split, or None where it is Parquet."""
    if split not in OFFICIAL:
        raise UserError(f"there is no split {split!r} of IMDB. Known: {', '.join(OFFICIAL)}.")
    if root.startswith("hf:"):
        return None
    tree, shards = find_tree(Path(root)), SHARDS.find(Path(root), split)
    if tree and holds(tree, split):
        if shards:
            raise UserError(f"{root} holds {split} twice: in {tree} and as {shards[0]}. Leave one of them there.")
        return tree
    if shards:
        return None
    raise UserError(_why_not(Path(root), split))


def _why_not(root: Path, split: str) -> str:
    try:
        entries = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    except OSError as error:
        return f"{root}: {error.strerror}. Set DATA to the folder that holds IMDB.\n{FORMS}"
    packed = (root / ARCHIVE).is_file()
    hint = f"Its archive is there: `make data-imdb DATA={root}` unpacks it.\n" if packed else ""
    seen = ", ".join(entries[:SHOWN]) + (", ..." if len(entries) > SHOWN else "") if entries else "nothing"
    return f"{root} has no {split} (it holds {seen}).\n{hint}{FORMS}"
