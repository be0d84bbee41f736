"""Word error rate from `hyp.trn`: a line an utterance, `WORDS (utterance-id)`, as NIST's sclite reads it.

The names are those of every task (the package lists them). Words are compared in upper case, as sclite does by
default, and are what white space separates; that changes no transcript of LibriSpeech. Edits are the least number of
substituted, deleted and inserted words, by rapidfuzz.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz.distance import LCSseq, Levenshtein

from benchmarks.arrays import Integers
from benchmarks.errors import UserError
from benchmarks.files import write_atomically
from results.scoring.doubts import silent
from results.scoring.rows import locate, read_text, shown
from results.statistics import mean_error, ratio_error

METRICS: dict[str, str] = {"wer": "%", "word_accuracy": "%", "sentence_error_rate": "%"}

SHARED = True

HYPOTHESES, REFERENCES = "hyp.trn", "ref.trn"

RESAMPLES = 1000

# The last parentheses hold the id. Greedy and without a class for white space, so that no line takes quadratic time.
FORM = re.compile(r"(?P<words>.*)\((?P<id>[^()\s]+)\)")
SHOWN = 3

HOPELESS = 0.95  # edits a word
FOUND = 0.5  # of the words, in their order; where more are, edits are what was heard twice, as by a decoder that loops
ALIKE = 0.3  # edits a letter: fewer hardly make so many words wrong, unless by spaces


@dataclass(frozen=True)
class Truth:
    """Utterances in ascending order of their ids, and what is said in each."""

    ids: tuple[str, ...]
    transcripts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Hypotheses in truth order; edits and reference words of each, [n]; how many lines and different ids."""

    hypotheses: tuple[str, ...]
    edits: Integers
    words: Integers
    scored: int
    unique: int


def normalised(text: str) -> list[str]:
    """The words that are compared: upper case, between white space."""
    return text.upper().split()


def write(folder: Path, predictions: Sequence[str], truth: Truth) -> list[Path]:
    """Write `hyp.trn` and `ref.trn` into an existing folder, each whole or not at all, one space between words.

    Args:
        folder: where the files go; those that are there are replaced.
        predictions: the hypothesis of each utterance, in truth order.
        truth: the utterances.

    Raises:
        ValueError: a hypothesis too many or too few.
        UserError: the disk is full, or the folder may not be written to.
    """
    for name, texts in ((HYPOTHESES, predictions), (REFERENCES, truth.transcripts)):
        # Split and joined, since a line break in a hypothesis would end its line.
        lines = (" ".join([*text.split(), f"({each})\n"]) for each, text in zip(truth.ids, texts, strict=True))
        write_atomically(folder / name, "".join(lines).encode())
    return [folder / HYPOTHESES, folder / REFERENCES]


def files(path: Path) -> list[Path]:
    """The file of hypotheses itself, or the one in the folder."""
    return [locate(path, HYPOTHESES)]


def read(path: Path, truth: Truth) -> Predictions:
    """Read `hyp.trn` (the file, or the folder that holds it) and count edits and words of each utterance.

    Raises:
        UserError: the file is missing or malformed, or an id is missing, doubled or unknown; or a `ref.trn` beside it
            contradicts the truth. The message names file and line or id.
    """
    file = locate(path, HYPOTHESES)
    found = _complete(file, truth)
    if file.name == HYPOTHESES and file.with_name(REFERENCES).is_file():
        _require_references(file.with_name(REFERENCES), truth)
    return compared([found[each] for each in truth.ids], truth)


def stored_truth(path: Path) -> Truth | None:
    """The utterances of the `ref.trn` beside `hyp.trn`, in its order; None where there is none.

    Raises:
        UserError: it is malformed; the message names file and line.
    """
    file = locate(path, HYPOTHESES).with_name(REFERENCES)
    if not file.is_file():
        return None
    said = dict(_lines(file))
    return Truth(tuple(said), tuple(said.values()))


def compared(hypotheses: Sequence[str], truth: Truth) -> Predictions:
    """Hypotheses in truth order, held against the transcripts."""
    pairs = [(normalised(said), normalised(heard)) for said, heard in zip(truth.transcripts, hypotheses, strict=True)]
    edits = np.array([Levenshtein.distance(said, heard) for said, heard in pairs], np.int64)
    words = np.array([len(said) for said, _ in pairs], np.int64)
    return Predictions(tuple(hypotheses), edits, words, len(hypotheses), len(hypotheses))


def split_of(path: Path, truths: Mapping[str, Truth]) -> str:
    """The split whose utterances a file is about, among them maybe strange ones.

    Raises:
        UserError: the file is missing or malformed, or of none of them or several.
    """
    file = locate(path, HYPOTHESES)
    ids = list(dict.fromkeys(each for each, _ in _lines(file)))
    known = {split: len({*truth.ids}.intersection(ids)) for split, truth in truths.items()}
    found = [split for split, count in known.items() if count]
    if not found:
        example, first = next(iter(truths.values())).ids[0], f" Its first id is {shown(ids[0])}." if ids else ""
        raise UserError(
            f"{file}: none of its {len(ids):,} ids is an utterance of {' or '.join(truths)}. Write `WORDS "
            f"(utterance-id)` for each utterance, such as `WORDS ({example})`, a file a test set.{first}"
        )
    if len(found) > 1:
        counts = " and ".join(f"{known[split]:,} of {split}" for split in found)
        raise UserError(f"{file} holds {counts}. Write a file a test set, and score one after the other.")
    return found[0]


def score(predictions: Predictions, truth: Truth) -> dict[str, float]:
    """Return every metric in percent: all edits over all words, its rest, and sentences with an edit."""
    errors = 100 * int(predictions.edits.sum()) / int(predictions.words.sum())
    wrong = int((predictions.edits > 0).sum())
    return {"wer": errors, "word_accuracy": 100 - errors, "sentence_error_rate": 100 * wrong / len(truth.ids)}


def standard_errors(predictions: Predictions, truth: Truth, metrics: Iterable[str]) -> dict[str, float]:
    """Return the standard error of each metric, by a bootstrap over utterances."""
    rate = ratio_error(np.stack([100.0 * predictions.edits, predictions.words], axis=1), RESAMPLES)
    wrong = np.where(predictions.edits > 0, 100.0, 0.0)
    spread = {"wer": rate, "word_accuracy": rate, "sentence_error_rate": mean_error(wrong, RESAMPLES)}
    return {metric: spread[metric] for metric in metrics}


def notes(predictions: Predictions, truth: Truth) -> Iterator[str]:
    """Many empty hypotheses, characters that no transcript holds, and words that are nearly all wrong."""
    hypotheses = predictions.hypotheses
    yield from silent(sum(not text.split() for text in hypotheses), len(hypotheses), "hypotheses are empty")
    yield from [*_strange(hypotheses, truth)] or _hopeless(predictions, truth)


def _strange(hypotheses: Sequence[str], truth: Truth) -> Iterator[str]:
    """Characters that no transcript holds, as full stops: a word with one is another word, though said alike."""
    known = set("".join(truth.transcripts).upper())
    strange = [{each for each in text.upper() if not each.isspace()} - known for text in hypotheses]
    if lines := sum(map(bool, strange)):
        counts = Counter(each for found in strange for each in found)
        named = ", ".join(f"{each!r} in {count:,}" for each, count in counts.most_common(SHOWN))
        yield (
            f"{lines:,} of {len(strange):,} hypotheses hold characters that no transcript holds ({named}); a word with "
            "one counts as wrong. Write words as the transcripts have them."
        )


def _hopeless(predictions: Predictions, truth: Truth) -> Iterator[str]:
    """Words that are nearly all wrong where something was heard, though the letters in a row may be right."""
    heard = [place for place, text in enumerate(predictions.hypotheses) if text.split()]
    words = int(predictions.words[heard].sum())
    if words == 0 or predictions.edits[heard].sum() < HOPELESS * words:
        return
    pairs = [(normalised(truth.transcripts[place]), normalised(predictions.hypotheses[place])) for place in heard]
    if sum(LCSseq.similarity(*pair) for pair in pairs) > FOUND * words:
        return
    joined = [("".join(said), "".join(text)) for said, text in pairs]
    letters = sum(Levenshtein.distance(*pair) for pair in joined) / sum(len(said) for said, _ in joined)
    if letters < ALIKE:
        yield (
            f"nearly all words are wrong, but only {100 * letters:.0f} % of the letters: words seem to be joined, or "
            "split into letters or subwords. Write a space between words, and nowhere else."
        )
    else:
        yield (
            f"nearly all words are wrong, and {100 * letters:.0f} % of the letters: if a trained recogniser heard "
            "them, it was in other utterances. Write each under its own id."
        )


def _complete(file: Path, truth: Truth) -> dict[str, str]:
    """Id -> hypothesis, of every utterance exactly once."""
    lines = list(_lines(file))
    counts = Counter(each for each, _ in lines)
    twice = [each for each, count in counts.items() if count > 1]
    unknown = sorted(set(counts) - set(truth.ids))
    missing = [each for each in truth.ids if each not in counts]
    for ids, what in ((twice, "stand twice"), (unknown, "are no utterances of the test set"), (missing, "are missing")):
        if ids:
            raise UserError(
                f"{file}: {len(ids):,} ids {what}, first {', '.join(ids[:SHOWN])}. Each of the {len(truth.ids):,} "
                "utterances needs exactly one line, an empty one where nothing was heard: `(utterance-id)`."
            )
    return dict(lines)


def _lines(file: Path) -> Iterable[tuple[str, str]]:
    """Id and words of each line that is not blank."""
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if not line.strip():
            continue
        match = FORM.fullmatch(line.strip())
        if match is None:
            raise UserError(f"{file}, line {number}: expected `WORDS (utterance-id)`; got {shown(line)}")
        yield match["id"], match["words"].rstrip()


def _require_references(file: Path, truth: Truth) -> None:
    said = dict(_lines(file))
    wrong = [
        each
        for each, text in zip(truth.ids, truth.transcripts, strict=True)
        if normalised(said.get(each, "")) != normalised(text)
    ]
    if wrong:
        raise UserError(
            f"{file}: {len(wrong):,} references differ from DATA's transcripts, first {wrong[0]}. Hypotheses for other "
            "references are not scored; remove the file if it is stale."
        )
