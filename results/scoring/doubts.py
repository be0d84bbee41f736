"""What makes predictions doubtful, for the `notes` of several tasks: none at all, text of another form or of others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

SILENT = 0.1  # of the examples, from which on it is said that nothing was predicted of them

MARKS: dict[str, Callable[[str], object]] = {
    "a full stop after a space, as of tokens": re.compile(r" \.\s*$").search,
    "BPE's `@@`": re.compile(r"@@(\s|$)").search,
    "sentencepiece's `\u2581`": re.compile("\u2581").search,
    "an id in front, as fairseq's `H-12`": re.compile(r"^([A-Z]-)?\d+(\t|\s*\|\|\|)").search,
    "a tab": re.compile(r"\t").search,
    "a tag, as `</s>` or `<unk>`": re.compile(r"</?(s|pad|unk|[be]os|seg)\b[^<>]*>").search,
    "a language, as `de_DE` or `>>deu<<`": re.compile(r"\b[a-z]{2,3}_[A-Z][A-Za-z]{1,3}\b|>>\w+<<|__\w+__").search,
    "a quote or bracket at both ends": re.compile(
        r"^\s*[\"'{\[\u201c-\u201e\u00ab\u00bb].*[\"'}\]\u201c-\u201e\u00ab\u00bb]\s*$"
    ).search,
    "HTML entities": re.compile(r"&(amp|apos|quot|lt|gt|#\d+);").search,
    "UTF-8 read as another code, as `\u00c3\u00bc`": re.compile("\u00c3[^A-Za-z\\s]|\u00e2\u20ac|\ufffd").search,
    "an accent beside its letter (not NFC)": lambda text: not unicodedata.is_normalized("NFC", text),
    "no capital letter": str.islower,
    "a small first letter": lambda text: text[:1].islower() and not text.islower(),
}
"""What tells that hypotheses are not the text that references are, and how to see it in a line."""
ONE_IN = {"a small first letter": 2}
"""So many lines has the mark at least, of others one in a hundred: weak systems begin like this now and then."""
OFTENER = 10  # times as many lines as of the references, some of which may end in ` .` or be in lower case

MANY = 20  # lines from which on their likeness to others says something
LAST = 300  # lines whose likeness is asked for: where one is lost or doubled further up, these have slipped
CLEAR = 1.2  # times as near to its own reference as to another's is what somebody translated, however badly


def silent(count: int, total: int, what: str) -> Iterator[str]:
    """That nothing was predicted of many of all examples."""
    if count >= SILENT * total:
        yield f"{count:,} of {total:,} {what}"


def marks(hypotheses: Sequence[str], references: Sequence[str]) -> Iterator[str]:
    """Marks of text that is no detokenised one, in many of the lines."""
    found = []
    for mark, held in MARKS.items():
        ours, theirs = (sum(map(bool, map(held, texts))) for texts in (references, hypotheses))
        if theirs > max(OFTENER * ours, len(references) // ONE_IN.get(mark, 100)):
            found.append(f"{mark} in {theirs:,}")
    if found:
        yield (
            f"of {len(references):,} hypotheses there is {', '.join(found)}, where references hardly have it; it may "
            "lower the score. Write detokenised text with capitals, nothing in front or around."
        )


def misplaced(
    hypotheses: Sequence[str],
    references: Sequence[str],
    sources: Sequence[str],
    likeness: Callable[[Sequence[str], Sequence[str]], float],
) -> Iterator[str]:
    """Hypotheses that are in the language of the sources, or of other lines than their own.

    Args:
        hypotheses: in the order of the references and of the sources.
        references: what people made of the sources.
        sources: what was to be translated.
        likeness: chrF of texts, line by line.
    """
    if len(references) < MANY:
        return
    ours, theirs, given = references[-LAST:], hypotheses[-LAST:], sources[-LAST:]
    own, copied = likeness(theirs, ours), likeness(theirs, given)
    beside = max(likeness(theirs, [*ours[1:], *ours[:1]]), likeness(theirs, [*ours[-1:], *ours[:-1]]))
    if copied > own:
        yield (
            "hypotheses seem to repeat what was to be translated, or to be of the other direction: the last "
            f"{len(ours)} are nearer to it (chrF {copied:.1f}) than to the references ({own:.1f}). Write translations "
            "alone."
        )
    elif own < CLEAR * beside:
        yield (
            "lines are missing, doubled or in another order, if a trained system made them: the last "
            f"{len(ours)} are hardly nearer to their references (chrF {own:.1f}) than to those of the line above or "
            f"below ({beside:.1f}). Write them in the order of the test set."
        )
