"""A small grammar of film reviews, whose words tell of the verdict only by how they are put together.

Every review has words of praise and of blame. What it holds of its film is said by negation, contrast, irony,
concession or comparison, or of one of two films that were named long before.
"""

from __future__ import annotations

import re

import numpy as np

from datamodules.miniature.draws import pick
from datamodules.miniature.imdb_lexicon import (
    COMPARISONS,
    OPENINGS,
    OTHERS,
    OUTCOMES,
    PAIRED,
    PLOTS,
    RIVALS,
    STANCES,
    VALUED,
    VERDICTS,
)

SLOT = re.compile(r"\{(\w+)([-+*]?)\}")
# How often a film is judged so; where plain words prevail, a bag of words learns more.
SHARES = {"direct": 0.27, "negation": 0.22, "contrast": 0.19, "irony": 0.16, "concession": 0.16}
KINDS = {kind: frozenset(word for kinds in VALUED.values() for word in kinds[kind]) for kind in (1, -1)}
LINKS = (", and ", ", so ", ": ", "; ", " \u2014 ")
BREAKS = (" ", " ", " ", " ", "<br /><br />")


class Critic:
    """Draws reviews from a grammar."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.titles: dict[str, str] = {}

    def review(self, verdict: int, outcomes: float, judgements: int = 0) -> str:
        """A review that praises (1) or condemns (-1).

        Args:
            verdict: 1 or -1.
            outcomes: the share of judgements that say what came of them.
            judgements: how many there are; 0 for two or three.
        """
        paired = self._chance(0.4)
        firsts, seconds = (self.rng.permutation(OTHERS[name])[:2] for name in ("first", "second"))
        self.titles = {name: self._quoted(f"{one} {two}") for name, one, two in zip("AB", firsts, seconds, strict=True)}
        body = [self._said(pick(self.rng, PLOTS), verdict)]
        body += [self._judged(verdict, paired, outcomes) for _ in range(judgements or int(self.rng.integers(2, 4)))]
        body += [self._said(pick(self.rng, RIVALS), verdict)] * (paired and self._chance(0.5))
        self.rng.shuffle(body)
        if paired and self._chance(0.5):
            body.append(self._said(pick(self.rng, VERDICTS), verdict) + self._outcome(verdict, outcomes))
        opening = self._said(pick(self.rng, PAIRED if paired else OPENINGS), verdict)
        return self._joined([opening, *body])

    def _chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _quoted(self, title: str) -> str:
        return pick(self.rng, (*[title] * 8, f'"{title}"', f"\u201c{title}\u201d"))

    def _judged(self, verdict: int, paired: bool, outcomes: float) -> str:
        kind = self.rng.choice([*SHARES], p=[*SHARES.values()])
        patterns = COMPARISONS if paired and self._chance(0.3) else STANCES[kind]
        return self._said(pick(self.rng, patterns), verdict) + self._outcome(verdict, outcomes)

    def _outcome(self, verdict: int, share: float) -> str:
        if not self._chance(share):
            return ""
        sentence, ways = pick(self.rng, OUTCOMES)
        link = pick(self.rng, LINKS)
        return link + self._said(sentence.replace("{}", pick(self.rng, ways[verdict])), verdict)

    def _said(self, pattern: str, verdict: int) -> str:
        """The sentence of a pattern, no word twice in it."""
        used: set[str] = set()
        either = int(self.rng.choice([-1, 1]))

        def fill(slot: re.Match[str]) -> str:
            word = self._word(slot[1], slot[2], verdict, either)
            while word in used:
                word = self._word(slot[1], slot[2], verdict, either)
            used.update({word} - {"a"})
            return word

        return re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", SLOT.sub(fill, pattern))

    def _word(self, name: str, sign: str, verdict: int, either: int) -> str:
        if name == "a":
            return "a"
        if name in self.titles:
            return self.titles[name]
        if sign:
            kind = {"+": verdict, "-": -verdict, "*": either}[sign]
            return self._adjective(kind) if name == "adjective" else pick(self.rng, VALUED[name][kind])
        return pick(self.rng, OTHERS[name])

    def _adjective(self, kind: int) -> str:
        """One, mostly with another of its kind or a degree that only its kind has.

        So they stand in real text: Hatzivassiloglou and McKeown, "Predicting the Semantic Orientation of Adjectives"
        (ACL 1997).
        """
        one, two = map(str, self.rng.permutation(VALUED["word"][kind])[:2])
        degree = pick(self.rng, VALUED["degree"][kind])
        both = f"{one} and {two}"
        return pick(self.rng, (one, f"{degree} {one}", both, f"{one}, {two}", f"{degree} {both}"))

    def _joined(self, sentences: list[str]) -> str:
        text = ""
        for sentence in sentences:
            end = pick(self.rng, (".",) * 9 + ("!",))
            text += f"{sentence[0].upper()}{sentence[1:]}{end}{pick(self.rng, BREAKS)}"
        return re.sub("(<br />| )+$", "", text)


def mixed(text: str) -> bool:
    """Whether a review has words of praise and of blame."""
    return all(not KINDS[kind].isdisjoint(re.findall(r"\w+", text)) for kind in KINDS)
