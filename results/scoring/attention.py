"""`attention.json` beside the hypotheses of a model: what it looked at in one sentence, for the sheet."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import msgspec

from benchmarks.errors import UserError
from results.scoring.beside import read_beside, write_beside
from results.scoring.rows import shown

FILE_NAME = "attention.json"


class Attended(TypedDict):
    """A hypothesis and the subwords that it came from: a row of `attention` for each of target, a column of source."""

    hypothesis: str
    source: list[str]
    target: list[str]
    attention: list[list[float]]


class Attention(msgspec.Struct, frozen=True):
    """What a model looked at in one sentence, as `attention.json` has it: weights [target, source], rows sum to 1.

    Raises:
        ValueError: the weights have another shape, or one is not from 0 to 1.
    """

    sentence: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...] = msgspec.field(name="attention")

    def __post_init__(self) -> None:
        if not self.weights or [len(self.source)] * len(self.target) != [len(row) for row in self.weights]:
            raise ValueError(f"attention must have {len(self.target)} rows of {len(self.source)} weights")
        if not all(0 <= weight <= 1 for row in self.weights for weight in row):
            raise ValueError("each weight must be from 0 to 1")


def write_attention(folder: Path, predictions: Sequence[str | Attended], ids: Sequence[str]) -> list[Path]:
    """Stores the first attention that comes with a hypothesis; where none has one, a stale file is removed.

    Raises:
        ValueError: it is no attention.
        UserError: the disk is full, or the folder may not be written to.
    """
    for sentence, each in zip(ids, predictions, strict=True):
        if not isinstance(each, str):
            weights = tuple(tuple(round(weight, 4) for weight in row) for row in each["attention"])
            found = Attention(sentence, tuple(each["source"]), tuple(each["target"]), weights)
            return write_beside(folder / FILE_NAME, found)
    return write_beside(folder / FILE_NAME, None)


def read_attention(folder: Path, ids: Sequence[str]) -> Attention | None:
    """The attention that is stored there; None where there is none.

    Raises:
        UserError: the file is malformed, or of no sentence of the test set.
    """
    file = folder / FILE_NAME
    found = read_beside(file, Attention, "the attention of a sentence")
    if found is not None and found.sentence not in ids:
        raise UserError(f"{file}: DATA has no sentence {shown(found.sentence)}; remove the file.")
    return found
