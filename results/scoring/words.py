"""`words.json` beside the predictions of a model: which words of some examples moved its scores, for the sheet."""

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from benchmarks.errors import UserError
from results.scoring.beside import read_beside, write_beside
from results.scoring.rows import shown

FILE_NAME = "words.json"
SHOWN = 12  # examples on the sheet, those with the highest probability on a wrong class
DIGITS = 4  # of a change, beyond the point

Change = Annotated[float, msgspec.Meta(ge=-1, le=1)]
Words = tuple[tuple[str, Change], ...]
"""Words of a text in their order, and by how much the probability of the predicted class falls without each."""


def write_words(folder: Path, words: Mapping[str, Iterable[tuple[str, float]]]) -> list[Path]:
    """Stores words of examples by id; where there are none, a stale file is removed.

    Raises:
        ValueError: a change is not from -1 to 1.
        UserError: the disk is full, or the folder may not be written to.
    """
    found = {example: _rounded(changes) for example, changes in words.items()}
    return write_beside(folder / FILE_NAME, found or None)


def _rounded(words: Iterable[tuple[str, float]]) -> Words:
    found = tuple((word, round(float(change), DIGITS)) for word, change in words)
    for word, change in found:
        if not -1 <= change <= 1:  # true for NaN as well
            raise ValueError(f"the word {word!r} changes a probability by {change}")
    return found


def read_words(folder: Path, ids: Container[str]) -> dict[str, Words]:
    """The words that are stored there, by id; none where no file is.

    Raises:
        UserError: the file is malformed, or of an example that is not in the test set.
    """
    file = folder / FILE_NAME
    found = read_beside(file, dict[str, Words], "the words of examples") or {}
    for example in found:
        if example not in ids:
            raise UserError(f"{file}: DATA has no example {shown(example)}; remove the file.")
    return found
