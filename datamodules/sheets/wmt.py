"""The worst translations as one self-contained page: source, reference and hypothesis, and what a model attended to."""

import re
from collections.abc import Sequence
from html import escape
from itertools import groupby

import numpy as np
from rapidfuzz.distance import Indel

from benchmarks.arrays import Bools
from datamodules.layouts.wmt import truth
from datamodules.sheets.page import fitting, page, printable, shortened
from results.scoring.attention import Attention
from results.scoring.translation import Predictions, Truth, score, sentence_scores, signatures

SHOWN = 24
LARGEST_TEXT = 1_200  # bytes; three times 24 such texts, an attention and the page around them are under 300 kB
MARKUP = len("<del></del>")
LONGEST_WORD, LONGEST_LABEL = 60, 20  # characters
LARGEST_ATTENTION = 60  # subwords a side
SHADES = 20
LEGIBLE = 0.1  # what has less weight gets a shade and no number

PIECE = re.compile(r"\s*(?:\w+|[^\w\s])")  # a word or a mark, with the space before it

Run = tuple[str, bool, str]
"""The space before it, whether it is marked, and the words."""


def sheet(title: str, root: str, split: str, predictions: Predictions) -> str:
    """HTML of the translations with the lowest chrF, under 300 kB.

    Args:
        title: of the page.
        root: of the data.
        split: that was translated, such as `newstest2014.en-de`.
        predictions: in the order of the split.

    Raises:
        UserError: the test set cannot be read.
    """
    held, scores = truth(root, split), sentence_scores(predictions, "chrf")
    wrong = [_words(one) != _words(other) for one, other in zip(held.references, predictions.hypotheses, strict=True)]
    order = [index for index in np.argsort(scores, kind="stable").tolist() if wrong[index]][:SHOWN]
    return page(
        "wmt.html", title=title, split=split, languages=split.partition(".")[2].split("-"), total=len(wrong),
        faulty=sum(wrong), values=score(predictions, held), signatures=signatures(),
        lost=_lost(predictions.hypotheses, held.references),
        examples=[_example(held, predictions, index) | {"chrf": scores[index]} for index in order],
        attention=predictions.attention and _picture(predictions.attention), shades=SHADES,
    )  # fmt: skip


def _lost(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[int, int]:
    """How many hypotheses are empty, and how many of the others have less than half of the reference's characters."""
    lengths = [(len(one.strip()), len(other.strip())) for one, other in zip(hypotheses, references, strict=True)]
    return sum(not one for one, _ in lengths), sum(0 < 2 * one < other for one, other in lengths)


def _example(held: Truth, predictions: Predictions, index: int) -> dict[str, object]:
    source, *pair = (_pieces(texts[index]) for texts in (held.sources, held.references, predictions.hypotheses))
    lacking, added = _marks(*pair)
    return {
        "line": held.ids[index],
        "source": _text(source, np.zeros(len(source), bool)),
        "reference": _text(pair[0], lacking),
        "hypothesis": _text(pair[1], added),
    }


def _pieces(text: str) -> list[str]:
    return PIECE.findall(text.strip())


def _words(text: str) -> list[str]:
    return [piece.strip() for piece in _pieces(text)]


def _marks(reference: list[str], hypothesis: list[str]) -> tuple[Bools, Bools]:
    """Which words of either have no counterpart in the other, where as many as possible have one in the same order."""
    lacking, added = np.zeros(len(reference), bool), np.zeros(len(hypothesis), bool)
    for edit in Indel.opcodes(*([piece.strip() for piece in pieces] for pieces in (reference, hypothesis))):
        if edit.tag != "equal":
            lacking[edit.src_start : edit.src_end] = True
            added[edit.dest_start : edit.dest_end] = True
    return lacking, added


def _text(pieces: list[str], marked: Bools) -> tuple[list[Run], int]:
    """What fits on the page, and how many words are left out."""
    shown = [_short(piece) for piece in pieces]
    begins = marked & np.diff(marked, prepend=False)
    sizes = [len(escape(piece).encode()) + MARKUP * begin for piece, begin in zip(shown, begins.tolist(), strict=True)]
    count = fitting(sizes, LARGEST_TEXT)
    runs = []
    for mark, group in groupby(zip(marked[:count].tolist(), shown, strict=False), lambda pair: pair[0]):
        text = "".join(piece for _, piece in group)
        runs.append((" " * text.startswith(" "), mark, text.lstrip(" ")))
    return runs, len("".join(pieces[count:]).split())


def _short(piece: str) -> str:
    """A piece as it is shown: any space before it becomes one, and a long word is cut."""
    word = printable(piece.strip())
    if len(word) > LONGEST_WORD:
        word = f"{word[:LONGEST_WORD]}… ({len(word) - LONGEST_WORD:,} characters more)"
    return " " * piece[0].isspace() + word


def _picture(attention: Attention) -> dict[str, object]:
    """The weights as a table of shade and number, and how many subwords of either side are left out."""
    rows = [[_cell(weight) for weight in row[:LARGEST_ATTENTION]] for row in attention.weights]
    sides = (attention.source, attention.target)
    source, target = ([shortened(printable(each), LONGEST_LABEL) for each in side] for side in sides)
    return {
        "line": attention.sentence,
        "source": source[:LARGEST_ATTENTION],
        "rows": [*zip(target, rows, strict=True)][:LARGEST_ATTENTION],
        "rest": [max(0, len(side) - LARGEST_ATTENTION) for side in (source, target)],
    }


def _cell(weight: float) -> tuple[int, str]:
    return round(SHADES * weight), f"{100 * weight:.0f}" if weight >= LEGIBLE else ""
