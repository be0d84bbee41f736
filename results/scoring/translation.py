r"""BLEU and chrF by sacreBLEU from `hyp.txt`: detokenised, one sentence a line, in the order of the test set.

The names are those of every task (the package lists them). Values equal `sacrebleu ref.txt -i hyp.txt -m bleu
chrf` to the last digit, and `signatures()` says which BLEU and chrF they are.

Lines end at "\n" and nowhere else, as for `sacrebleu -i`: "\r", "\v", U+0085, U+2028 and U+2029 are white space within
a sentence. So is the "\r" of a file with CRLF ends: it is kept, and changes no score, since BLEU strips the end of a
sentence and chrF takes out all white space. Three things differ from the command line:

- `sacrebleu ref.txt < hyp.txt` ends lines at "\r" too, and takes a tab for the border of two systems. Use `-i`.
- A byte order mark at the start of a file falls away here; sacreBLEU makes it a part of the first word.
- A NUL byte is refused here, as in every file of predictions; for sacreBLEU it is a character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.arrays import Floats, Integers
from benchmarks.errors import UserError
from benchmarks.files import write_atomically
from benchmarks.schema import References
from results.scoring.attention import Attended, Attention, read_attention, write_attention
from results.scoring.doubts import marks, misplaced, silent
from results.scoring.references import checked, one_spaced
from results.scoring.rows import locate, read_text, shown
from results.statistics import draws, standard_error

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

METRICS: dict[str, str] = {"bleu": "BLEU", "chrf": "chrF"}
"""Both from 0 to 100."""

SHARED = True

HYPOTHESES, REFERENCES, SOURCES = "hyp.txt", "ref.txt", "src.txt"

RESAMPLES = 1000

_FAIRSEQ = re.compile(r"[A-Z]-\d+\t")
_NOT_IN_A_LINE = str.maketrans("\n\0", "  ")
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Truth:
    r"""Sentences in the order of the test set: line numbers from "1" as ids, what is translated, and how people did it.

    Raises:
        ValueError: the three differ in length, or a sentence cannot stand on a line: it holds "\n" or NUL, or the
            first one starts with a byte order mark.
    """

    ids: tuple[str, ...]
    sources: tuple[str, ...]
    references: tuple[str, ...]

    def __post_init__(self) -> None:
        for each, *pair in zip(self.ids, self.sources, self.references, strict=True):
            if any(text != text.translate(_NOT_IN_A_LINE) for text in pair):
                raise ValueError(f"sentence {each} holds a line break or a NUL: {pair}")
        if any(text.startswith(_BYTE_ORDER_MARK) for text in (*self.sources[:1], *self.references[:1])):
            raise ValueError("the first sentence starts with a byte order mark; decode its file as utf-8-sig")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Hypotheses in truth order; sacreBLEU's statistics of each; how many lines and sentences; maybe an attention.

    `statistics` maps a metric to counts [n, k] whose sum over sentences determines it: for BLEU the hypothesis's and
    the reference's length, then matches and n-grams of orders 1 to 4 (k = 10); for chrF the hypothesis's n-grams, the
    reference's and matches, of each order from 1 to 6 (k = 18).
    """

    hypotheses: tuple[str, ...]
    statistics: Mapping[str, Integers]
    scored: int
    unique: int
    attention: Attention | None = None


def write(folder: Path, predictions: Sequence[str | Attended], truth: Truth) -> list[Path]:
    r"""Write `hyp.txt`, `ref.txt`, `src.txt` and maybe `attention.json` into an existing folder, each whole or not.

    Args:
        folder: where the files go; those that are there are replaced.
        predictions: the hypothesis of each sentence, detokenised, in truth order, as `in_a_line` makes it. The first
            with an attention has it stored; where none has one, a stale file of it is removed.
        truth: the sentences.

    Raises:
        ValueError: a hypothesis too many or too few, or one that has no UTF-8 (a lone surrogate); or its attention is
            none.
        UserError: the disk is full, or the folder may not be written to.
    """
    if len(predictions) != len(truth.ids):
        raise ValueError(f"{len(predictions)} hypotheses for {len(truth.ids)} sentences")
    texts = [each if isinstance(each, str) else each["hypothesis"] for each in predictions]
    hypotheses = "".join(f"{in_a_line(text)}\n" for text in texts)
    references, sources = ("".join(f"{text}\n" for text in texts) for texts in (truth.references, truth.sources))
    contents = {HYPOTHESES: hypotheses.encode(), REFERENCES: references.encode(), SOURCES: sources.encode()}
    attention = write_attention(folder, predictions, truth.ids)
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return [*(folder / name for name in contents), *attention]


def in_a_line(hypothesis: str) -> str:
    r"""A hypothesis as a file can hold it: "\n" and NUL become a space each, a byte order mark at its start goes."""
    return hypothesis.translate(_NOT_IN_A_LINE).lstrip(_BYTE_ORDER_MARK)


def files(path: Path) -> list[Path]:
    """The file of hypotheses itself, or the one in the folder."""
    return [locate(path, HYPOTHESES)]


def split_of(path: Path, truths: Mapping[str, Truth]) -> str:
    """The test set that hypotheses are of, which nothing but their number tells.

    Raises:
        UserError: the file is missing or no UTF-8, or its number of lines is that of none or of several test sets.
    """
    file = locate(path, HYPOTHESES)
    lines = _lines(file)
    count = len(lines)
    found = [split for split, truth in truths.items() if len(truth.ids) == count]
    if len(found) != 1:
        sizes = ", ".join(f"{split} {len(truth.ids):,}" for split, truth in truths.items())
        raise UserError(
            f"{file}: {count:,} lines, which does not tell its test set (sentences of {sizes}). "
            + _remedy(file, lines, "or give a folder with <test set>/hyp.txt in it.")
        )
    return found[0]


def read(path: Path, truth: Truth) -> Predictions:
    """Read `hyp.txt` (the file, or the folder that holds it) and let sacreBLEU count the matches of each sentence.

    Raises:
        UserError: the file is missing, no UTF-8, or has a line too many or too few; or a `ref.txt` beside it
            contradicts the truth, or an `attention.json` is malformed. The message names the file, and the line.
    """
    file = locate(path, HYPOTHESES)
    hypotheses = _lines(file)
    if len(hypotheses) != len(truth.ids):
        raise UserError(
            f"{file}: {len(hypotheses):,} lines, but the test set has {len(truth.ids):,} sentences. "
            + _remedy(file, hypotheses, "in the order of the test set, and an empty one where there is no translation.")
        )
    if file.name != HYPOTHESES:
        return compared(hypotheses, truth)
    if file.with_name(REFERENCES).is_file():
        _require_references(file.with_name(REFERENCES), truth)
    return replace(compared(hypotheses, truth), attention=read_attention(file.parent, truth.ids))


def stored_truth(path: Path) -> Truth | None:
    """The sentences of the `ref.txt` beside `hyp.txt`; None where there is none. Sources, which score nothing, are "".

    Raises:
        UserError: it is no UTF-8; the message names file and line.
    """
    file = locate(path, HYPOTHESES).with_name(REFERENCES)
    if not file.is_file():
        return None
    found = _lines(file)
    return Truth(tuple(str(number) for number in range(1, len(found) + 1)), ("",) * len(found), tuple(found))


def compared(hypotheses: Sequence[str], truth: Truth) -> Predictions:
    """Hypotheses in truth order, held against the references.

    Raises:
        ValueError: a hypothesis too many or too few.
    """
    if len(hypotheses) != len(truth.ids):  # sacreBLEU would leave out the rest of the longer list
        raise ValueError(f"{len(hypotheses)} hypotheses for {len(truth.ids)} sentences")
    return Predictions(tuple(hypotheses), statistics(hypotheses, truth.references), len(hypotheses), len(hypotheses))


def statistics(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, Integers]:
    """Metric -> the counts of each sentence, [n, k], as `Predictions` has them."""
    return {name: _counts(metric, hypotheses, references) for name, metric in _metrics().items()}


def value(metric: str, sums: Integers) -> float:
    """A metric of statistics that are summed over sentences, [k]."""
    return _value(_metrics()[metric], sums)


def references(truth: Truth, split: str) -> References:
    """The references of a test set, and whether they are the official ones."""
    return checked(truth.references, split)


def score(predictions: Predictions, truth: Truth) -> dict[str, float]:
    """Return every metric, from 0 to 100, over the whole test set."""
    return {name: _value(metric, predictions.statistics[name].sum(axis=0)) for name, metric in _metrics().items()}


def notes(predictions: Predictions, truth: Truth) -> Iterator[str]:
    """Many empty hypotheses, marks of text that is no detokenised one, and lines out of place."""
    hypotheses, metric = predictions.hypotheses, _metrics()["chrf"]
    empty = sum(not made.strip() and bool(ref.strip()) for made, ref in zip(hypotheses, truth.references, strict=True))
    yield from silent(empty, len(hypotheses), "hypotheses are empty")
    yield from marks(hypotheses, truth.references)
    yield from misplaced(
        hypotheses, truth.references, truth.sources, lambda *texts: _value(metric, _counts(metric, *texts).sum(axis=0))
    )


def sentence_scores(predictions: Predictions, metric: str) -> Floats:
    """Return a metric of each sentence alone, [n]."""
    ours = _metrics()[metric]
    return np.array([_value(ours, counts) for counts in predictions.statistics[metric]])


def standard_errors(predictions: Predictions, truth: Truth, metrics: Iterable[str]) -> dict[str, float]:
    """Return the standard error of each metric, by a bootstrap over sentences."""
    ours = _metrics()
    # In floating point, where the product is fast; the sums are whole numbers far below 2 ** 53, and so exact.
    columns = {name: predictions.statistics[name].astype(np.float64) for name in metrics}
    values: dict[str, list[float]] = {name: [] for name in columns}
    for drawn in draws(len(truth.ids), RESAMPLES):
        for name, table in columns.items():
            values[name].append(_value(ours[name], (drawn @ table).astype(np.int64)))
    return {name: standard_error(np.array(replicates)) for name, replicates in values.items()}


def signatures() -> dict[str, str]:
    """Metric -> sacreBLEU's signature: the choices and the version that anybody needs to compute it again."""
    found = {}
    for name, metric in _metrics().items():
        metric.corpus_score(["a"], [["a"]])  # a signature counts the references that its metric has seen
        found[name] = str(metric.get_signature())
    return found


def _metrics() -> dict[str, Metric]:
    """SacreBLEU's metrics, with its defaults written out so that no later version can change them unseen.

    But for `force`, which changes no score: it takes away a warning of tokenised text, of which `notes` speaks.
    """
    from sacrebleu.metrics import BLEU, CHRF  # takes 0.1 s, which `make tables` need not wait for

    bleu = BLEU(
        lowercase=False, tokenize="13a", smooth_method="exp", max_ngram_order=4, effective_order=False, force=True
    )  # fmt: skip
    chrf = CHRF(char_order=6, word_order=0, beta=2, lowercase=False, whitespace=False, eps_smoothing=False)
    return {"bleu": bleu, "chrf": chrf}


def _counts(metric: Metric, hypotheses: Sequence[str], references: Sequence[str]) -> Integers:
    return np.array(metric._extract_corpus_statistics(hypotheses, [references]), np.int64)


def _value(metric: Metric, sums: Integers) -> float:
    """The metric of summed statistics [k], which sacreBLEU's own significance tests compute in the same way."""
    return float(metric._compute_score_from_stats(sums.tolist()).score)


def _lines(file: Path) -> list[str]:
    """The lines of a text, the last of which may lack its end."""
    lines = read_text(file).split("\n")
    return lines if lines[-1] else lines[:-1]


def _remedy(file: Path, lines: Sequence[str], rest: str) -> str:
    """What to do about lines that are too many or too few."""
    kinds = {line[0] for line in lines if _FAIRSEQ.match(line)}
    if "H" not in kinds:
        return rf"Write one line a sentence, ended by \n, {rest}"
    kind = "D" if "D" in kinds else "H"  # detokenised, which only newer ones say
    return (
        "They are what fairseq's generate says, of which only the hypotheses are wanted: "
        f"`grep ^{kind}- {file.name} | sort -V | cut -f3-`."
    )


def _require_references(file: Path, truth: Truth) -> None:
    found, expected = ([one_spaced(line) for line in lines] for lines in (_lines(file), truth.references))
    for number, (theirs, ours) in enumerate(zip_longest(found, expected), 1):
        if theirs != ours:
            wanted = "no more lines" if ours is None else f"DATA's reference {shown(ours)}"
            got = "the end of the file" if theirs is None else shown(theirs)
            raise UserError(
                f"{file}, line {number}: expected {wanted}; got {got}. Hypotheses for other references are not scored; "
                "remove the file if it is stale."
            )
