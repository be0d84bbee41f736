"""Which words moved a score: each is left out in turn (Zeiler and Fergus 2014, section 4.2, who cover parts of images).

A word is what stands between white space; the rest of the text stays as it was written.
"""

import re
from collections.abc import Callable, Sequence

GROUP = 32  # texts that are scored at once, so that a long text takes no more memory than a short one

WORD = re.compile(r"\S+\s*")  # with the space after it, which goes when it goes

Score = Callable[[Sequence[str]], Sequence[float]]
"""Texts to a number each."""


def word_changes(score: Score, text: str) -> list[tuple[str, float]]:
    """Each word of a text in its order, and by how much the score falls when this word is left out.

    Args:
        score: what is looked into; called with at most `GROUP` texts.
        text: of any length; one without words gives none.
    """
    (whole,) = score([text])
    words = list(WORD.finditer(text))
    found: list[tuple[str, float]] = []
    for start in range(0, len(words), GROUP):
        group = words[start : start + GROUP]
        scores = score([text[: word.start()] + text[word.end() :] for word in group])
        found += [(word.group().rstrip(), whole - left) for word, left in zip(group, scores, strict=True)]
    return found
