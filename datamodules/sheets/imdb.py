"""The most confident mistakes on reviews as one self-contained page: texts, and which of their words moved a model."""

from collections.abc import Sequence
from html import escape
from itertools import groupby
from typing import Any

import numpy as np
from rapidfuzz.distance import Indel

from benchmarks.arrays import Bools, Floats, Integers
from datamodules.layouts.imdb import CLASSES, open_reviews, plain
from datamodules.layouts.imdb_reviews import Reviews
from datamodules.sheets.page import page, printable
from results.scoring.classification import Predictions
from results.scoring.words import SHOWN, Words

LARGEST_TEXT = 6_000  # bytes; 12 such texts and the lists beside them are under 300 kB
LONGEST_WORD = 30  # characters
AROUND = 12  # words on either side of a strong one, where a review is shortened
LISTED = 5  # words on either side of the balance
SHADES = 5
MARKUP = len('<mark class="f1"></mark>')


def sheet(title: str, root: str, split: str, predictions: Predictions) -> str:
    """HTML of the mistakes with the highest probability on the wrong class, under 300 kB.

    Args:
        title: of the page.
        root: of the data.
        split: that was predicted.
        predictions: in the order of the split.

    Raises:
        UserError: the split cannot be read.
    """
    reviews = open_reviews(root, split)
    wrong = predictions.mistakes(reviews.labels)
    examples = [_example(reviews, index, predictions) for index in wrong[:SHOWN].tolist()]
    return page(
        "imdb.html", title=title, split=split, wrong=len(wrong), total=len(reviews), shades=SHADES,
        examples=examples, explained=any(any(example["strongest"]) for example in examples),
    )  # fmt: skip


def _example(reviews: Reviews, index: int, predictions: Predictions) -> dict[str, Any]:
    words = plain(reviews.text(index)).split()
    changes = _aligned(words, predictions.words.get(reviews.ids[index], ()))
    return {
        "id": reviews.ids[index],
        "label": CLASSES[reviews.labels[index]],
        "predicted": CLASSES[predictions.classes[index, 0]],
        "probability": predictions.scores[index, 0],
        "parts": _parts(words, changes),
        "strongest": [_strongest(words, changes), _strongest(words, -changes)],
    }


def _aligned(words: Sequence[str], known: Words) -> Floats:
    """The change of each word of a text, 0 where none is known: those that are stand in the same order."""
    changes = np.zeros(len(words))
    for block in Indel.opcodes(words, [word for word, _ in known]):
        if block.tag == "equal":
            found = known[block.dest_start : block.dest_end]
            changes[block.src_start : block.src_end] = [change for _, change in found]
    return changes


def _strongest(words: Sequence[str], changes: Floats) -> list[tuple[str, float]]:
    """The words that change the most upwards, and by how many percentage points."""
    order = np.argsort(-changes, kind="stable")[:LISTED].tolist()
    return [(_short(words[place]), 100 * changes[place]) for place in order if changes[place] > 0]


def _parts(words: Sequence[str], changes: Floats) -> list[tuple[int, str | int]]:
    """A text as it is shown: words of one shade together, (shade, words), and gaps, (0, how many words they leave out).

    Shades are from -`SHADES` to `SHADES`; the strongest word of the text has one of these two.
    """
    shades = np.rint(SHADES * changes / (np.abs(changes).max(initial=0) or 1)).astype(int)
    shown = [_short(word) for word in words]
    sizes = np.array([len(escape(word).encode()) + 1 for word in shown], np.int64) + MARKUP * (shades != 0)
    kept = _kept(np.abs(changes), sizes)
    looks = list(zip(kept.tolist(), (kept * shades).tolist(), strict=True))
    parts: list[tuple[int, str | int]] = []
    for (keep, shade), group in groupby(range(len(words)), lambda place: looks[place]):
        places = list(group)
        parts.append((shade, " ".join(shown[place] for place in places) if keep else len(places)))
    return parts


def _kept(strengths: Floats, sizes: Integers) -> Bools:
    """Which words of a text are shown: all if they fit, else what is around the strongest; the earlier of two alike."""
    kept = np.zeros(len(sizes), bool)
    if sizes.sum() <= LARGEST_TEXT:
        return ~kept
    for place in np.argsort(-strengths, kind="stable"):
        wider = kept.copy()
        wider[max(0, place - AROUND) : place + AROUND + 1] = True
        if sizes[wider].sum() > LARGEST_TEXT:
            break
        kept = wider
    return kept


def _short(word: str) -> str:
    """A word as it is shown: cut where it is long."""
    word = printable(word)
    return f"{word[:LONGEST_WORD]}…" if len(word) > LONGEST_WORD else word
