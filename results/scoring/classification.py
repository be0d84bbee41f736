"""Top-k accuracy from `predictions.csv`: `id,label,pred1..pred5,score1..score5`, fewer where there are fewer classes.

The names are those of every task (the package lists them).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arrays import Bools, Floats, Integers
from benchmarks.errors import UserError
from benchmarks.files import write_atomically
from results.scoring.rows import LARGEST, csv_of, decimal, locate, read_rows, read_text, shown, whole_number
from results.scoring.words import SHOWN, Words, read_words, write_words
from results.statistics import mean_error

METRICS: dict[str, str] = {"top1": "%", "top5": "%", "accuracy": "%"}
"""`accuracy` is what top-1 is called where there are two classes only, as in sentiment data."""

SHARED = True

FILE_NAME = "predictions.csv"

ENOUGH = 100  # examples, from which on chance explains little
CLEARLY = 0.2  # of the examples
MOST_GUESSED = 0.9  # of the examples by one class for all; above this even good classifiers are hardly better

_DEPTHS = {"top1": 1, "top5": 5, "accuracy": 1}
_MOST_PREDICTIONS = 5
_AN_INDEX = "an index into the sorted class names, from {least} to {most}"
_ABOVE_ONE = 1e-6  # a softmax in float32 may end a few units in the last place above 1
_SUM_ABOVE_ONE = 1e-2  # and the sum of one in bfloat16, of which each part has three digits


@dataclass(frozen=True, eq=False)
class Truth:
    """The test examples: distinct ids (the path below the split, no suffix) and labels [n] in 0..num_classes-1.

    Raises:
        ValueError: more of one than of the other.
    """

    ids: tuple[str, ...]
    labels: Integers
    num_classes: int

    def __post_init__(self) -> None:
        if self.labels.shape != (len(self.ids),):
            raise ValueError(f"expected a label for each of {len(self.ids)} ids, got {self.labels.shape}")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions in truth order: classes [n, k], best first, and their probabilities [n, k].

    `scored` counts the rows read, `unique` the distinct examples among them; `words` may say of some ids what moved
    their scores.
    """

    classes: Integers
    scores: Floats
    scored: int
    unique: int
    words: Mapping[str, Words] = field(default_factory=dict)

    def mistakes(self, labels: Integers) -> Integers:
        """Where the best class is not the label [n], the most probable of these first; of two alike, the earlier."""
        wrong = np.flatnonzero(self.classes[:, 0] != labels)
        return wrong[np.argsort(-self.scores[wrong, 0], kind="stable")]


def as_written(score: float) -> str:
    """A score as the file has it, by which mistakes are ordered."""
    return f"{score:.7g}"


def write(folder: Path, predictions: Sequence[Mapping[str, Any]], truth: Truth) -> list[Path]:
    """Write `predictions.csv`, maybe `words.json`, into an existing folder, each whole or not; scores in 7 digits.

    Args:
        folder: where the files go; those that are there are replaced.
        predictions: in truth order, each with `classes` (the min(5, num_classes) best, best first) and `scores`
            (their probabilities). Some may have `words`, which are kept of the mistakes that a sheet shows; where none
            of these has any, a stale file of them is removed.
        truth: the examples predicted.

    Raises:
        ValueError: a prediction too many or too few, for the test set or for an example; or its words are none.
        UserError: the disk is full, or the folder may not be written to.
    """
    columns = _columns(_depth(truth))
    rows: list[list[Any]] = [columns]
    for example, label, prediction in zip(truth.ids, truth.labels, predictions, strict=True):
        scores = [as_written(float(score)) for score in prediction["scores"]]
        row = [example, int(label), *map(int, prediction["classes"]), *scores]
        if len(row) != len(columns):
            raise ValueError(f"expected {len(columns)} fields for {example!r}, got {len(row)}")
        rows.append(row)
    words = write_words(folder, _words_shown(predictions, truth))
    write_atomically(folder / FILE_NAME, csv_of(rows).encode())
    return [folder / FILE_NAME, *words]


def _words_shown(predictions: Sequence[Mapping[str, Any]], truth: Truth) -> dict[str, Any]:
    """By id the words of the mistakes that a sheet shows; the more ranks tested, the more others have some."""
    classes = np.array([[int(each["classes"][0])] for each in predictions])
    scores = np.array([[float(as_written(float(each["scores"][0])))] for each in predictions])
    shown = Predictions(classes, scores, len(scores), len(scores)).mistakes(truth.labels)[:SHOWN].tolist()
    return {truth.ids[place]: predictions[place]["words"] for place in shown if "words" in predictions[place]}


def files(path: Path) -> list[Path]:
    """The predictions file itself, or the one in the folder."""
    return [locate(path, FILE_NAME)]


def read(path: Path, truth: Truth) -> Predictions:
    """Read `predictions.csv` (the file, or the folder that holds it), rows in any order.

    Raises:
        UserError: the file is missing or malformed, or contradicts the truth; the message names file and line. Or a
            `words.json` beside it is malformed.
    """
    file = locate(path, FILE_NAME)
    depth = _depth(truth)
    classes = np.empty((len(truth.ids), depth), np.int64)
    scores = np.empty((len(truth.ids), depth), np.float64)
    places = {example: place for place, example in enumerate(truth.ids)}
    lines = [0] * len(truth.ids)  # where each example was found; 0 is nowhere yet
    for line, (example, label, *guesses) in read_rows(file, _columns(depth)):
        try:
            place = _place(example, places, lines)
            _check_label(label, int(truth.labels[place]), truth.num_classes)
            classes[place] = _classes(guesses[:depth], truth.num_classes)
            scores[place] = _scores(guesses[depth:])
        except ValueError as error:
            raise UserError(f"{file}, line {line}: {error}") from None
        lines[place] = line
    _refuse_missing(file, truth, lines)
    words = read_words(file.parent, places) if file.name == FILE_NAME else {}
    return Predictions(classes, scores, scored=len(lines), unique=len(places), words=words)


def stored_truth(path: Path) -> Truth:
    """The examples of `predictions.csv` in its order, with the labels that it names.

    How many classes there are it tells below five only; from there on an index may be as large as numbers get here.

    Raises:
        UserError: the file is missing or malformed; the message names file and line.
    """
    file = locate(path, FILE_NAME)
    depth = min(re.split(r"[\r\n]", read_text(file), maxsplit=1)[0].count("pred"), _MOST_PREDICTIONS)
    num_classes = depth if depth < _MOST_PREDICTIONS else int(LARGEST)
    labels = {}
    for line, (example, label, *_) in read_rows(file, _columns(depth)):
        try:
            labels[example] = _index("label", label, num_classes)
        except ValueError as error:
            raise UserError(f"{file}, line {line}: {error}") from None
    return Truth(tuple(labels), np.array([*labels.values()], np.int64), num_classes)


def standard_errors(predictions: Predictions, truth: Truth, metrics: Iterable[str]) -> dict[str, float]:
    """Return the standard error of each metric, by a bootstrap over images."""
    return {metric: mean_error(np.where(_right(predictions, truth, metric), 100.0, 0.0)) for metric in metrics}


def score(predictions: Predictions, truth: Truth) -> dict[str, float]:
    """Return the percentage of each metric that the number of classes allows: 100 * count / n.

    Raises:
        ValueError: the predictions are of other examples.
    """
    depth = predictions.classes.shape[1]
    allowed = ["accuracy"] if depth == 2 else [name for name in ("top1", "top5") if _DEPTHS[name] <= depth]
    counts = {metric: int(np.count_nonzero(_right(predictions, truth, metric))) for metric in allowed}
    return {metric: 100 * count / len(truth.ids) for metric, count in counts.items()}


def notes(predictions: Predictions, truth: Truth) -> Iterator[str]:
    """Classes that seem to be numbered in another way, or rows that tell nothing of their examples."""
    best, count = predictions.classes[:, 0], len(truth.ids)
    guess = np.bincount(truth.labels).max() / count
    if count < ENOUGH or guess > MOST_GUESSED:
        return
    right, meant = float((best == truth.labels).mean()), _renumbered(best, truth)
    if meant > max(right, guess) + CLEARLY:
        yield (
            "classes seem to be numbered in another way: if each meant the label that it mostly stands beside, "
            f"{100 * meant:.0f} % of the best would be right, not {100 * right:.0f} %. Number them from 0 in the order "
            "of the sorted names."
        )
    elif right < guess + 3 * np.sqrt(guess * (1 - guess) / count):
        yield (
            f"no better than one class for all, which would be right in {100 * guess:.1f} % (the best class is in "
            f"{100 * right:.1f} %): if a trained classifier made them, rows are of other examples, or classes are "
            "mixed up."
        )


def _renumbered(best: Integers, truth: Truth) -> float:
    """The share of a half that is right if a class means the label that it mostly stands beside in the other half."""
    shuffled = np.random.Generator(np.random.PCG64(0)).permutation(len(best))  # labels may alternate
    here, there = shuffled[::2], shuffled[1::2]
    classes, place = np.unique(best, return_inverse=True)
    names, label = np.unique(truth.labels, return_inverse=True)
    beside = np.zeros((len(classes), len(names)), np.int64)
    np.add.at(beside, (place[here], label[here]), 1)
    return float((beside.argmax(axis=1)[place[there]] == label[there]).mean())


def _right(predictions: Predictions, truth: Truth, metric: str) -> Bools:
    """Return [n]: whether the label is among the metric's first predictions.

    Raises:
        ValueError: the predictions are not of these examples, or not as many an example as a file has.
    """
    expected = (len(truth.ids), _depth(truth))
    if predictions.classes.shape != expected:
        raise ValueError(f"expected classes of shape {expected}, got {predictions.classes.shape}")
    first = predictions.classes[:, : _DEPTHS[metric]]
    found: Bools = (first == truth.labels[:, None]).any(axis=1)
    return found


def _depth(truth: Truth) -> int:
    return min(_MOST_PREDICTIONS, truth.num_classes)


def _columns(depth: int) -> list[str]:
    ranks = range(1, depth + 1)
    return ["id", "label", *(f"pred{rank}" for rank in ranks), *(f"score{rank}" for rank in ranks)]


def _place(example: str, places: Mapping[str, int], lines: Sequence[int]) -> int:
    if example not in places:
        raise ValueError(
            f"the id {shown(example)} is not in DATA; an id is the path below the split without its suffix, "
            f"such as {next(iter(places))!r}"
        )
    place = places[example]
    if lines[place]:
        raise ValueError(f"the id {shown(example)} was on line {lines[place]} already; keep one row an example")
    return place


def _check_label(text: str, label: int, num_classes: int) -> None:
    if _index("label", text, num_classes) != label:
        raise ValueError(
            f"label is {text}, but DATA says {label}; labels are indices into the sorted class names, from 0"
        )


def _classes(guesses: Sequence[str], num_classes: int) -> list[int]:
    classes = [_index(f"pred{rank}", guess, num_classes) for rank, guess in enumerate(guesses, 1)]
    if len(set(classes)) < len(classes):
        raise ValueError(f"one class is predicted twice ({', '.join(map(str, classes))}); each must stand once")
    return classes


def _index(column: str, text: str, num_classes: int) -> int:
    return whole_number(column, text, 0, num_classes - 1, _AN_INDEX)


def _scores(guesses: Sequence[str]) -> list[float]:
    scores = [
        decimal(f"score{rank}", guess, 0, 1 + _ABOVE_ONE, "a probability from 0 to 1")
        for rank, guess in enumerate(guesses, 1)
    ]
    if scores != sorted(scores, reverse=True):
        raise ValueError(f"the scores rise ({', '.join(map(str, scores))}); put the best prediction first")
    if sum(scores) > 1 + _SUM_ABOVE_ONE:
        raise ValueError(
            f"the scores sum to {sum(scores):.4g}, but probabilities of several classes to at most 1; write a softmax's"
        )
    return scores


def _refuse_missing(file: Path, truth: Truth, lines: Sequence[int]) -> None:
    missing = [example for example, line in zip(truth.ids, lines, strict=True) if line == 0]
    if missing:
        count, first = f"{len(missing):,} of {len(lines):,}", ", ".join(map(repr, missing[:3]))
        raise UserError(f"{file}: {count} examples of DATA have no row, first {first}; write one row for each")
