r"""The embedded parallel text: a small WMT, its German and English made by a grammar (`wmt_grammar.py`).

Word order, agreement, compounds and ambiguous words let no word-by-word translation pass. No sentence of a test set,
in either language, is in training. Training has what real corpora are known for: stray "\r", U+2028, no-break spaces,
tabs, HTML entities, typographic quotes, empty lines, and a very long one.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from datamodules.miniature.draws import pick
from datamodules.miniature.wmt_grammar import (
    ACC,
    BE,
    DAT,
    JOINED,
    NOM,
    NUMERALS,
    PRONOUNS,
    RELATIVE,
    Clause,
    Noun,
    Phrase,
    Verb,
    owned,
    phrase,
    standing_for,
)  # fmt: skip
from datamodules.miniature.wmt_lexicon import (
    BEINGS,
    CHARACTERS,
    COMPOUND_HEADS,
    KNOWN_VERBS,
    LOOKS,
    MODIFIERS,
    MOMENTS,
    PLACES,
    REASONS,
    THINGS,
    WORDS,
)

COUNTS = {"newstest2013": 200, "newstest2014": 300, "newstest2015": 250, "train": 6000}
STREAM = 20260722
NO_ONE = ("", "")


class Speaker:
    """Draws sentences; `said` gives one in both languages."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def said(self) -> tuple[str, str]:
        """German and English, spelt as people spell."""
        kinds = (self._statement, self._statement, self._question, self._reason, self._that, self._first, self._purpose,
                 self._contrast)  # fmt: skip
        german, english = pick(self.rng, kinds)()
        return _spelt(german), _spelt(english)

    def _chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _things(self, kind: str) -> Noun:
        if kind != "door" or self._chance(0.3):
            return pick(self.rng, THINGS[kind])
        (part, english), head = (
            pick(self.rng, MODIFIERS),
            pick(self.rng, COMPOUND_HEADS[1:2] + COMPOUND_HEADS[4:5] + COMPOUND_HEADS[6:]),
        )
        return self._compound(part, english, head)

    def _compound(self, part: str, english: str, head: Noun) -> Noun:
        names = (part + head.german.lower(), part + head.plural.lower())
        return Noun(head.gender, *names, f"{english} {head.english}", f"{english} {head.englishes}", pronoun="it")

    def _phrase(self, noun: Noun, traits: list[tuple[str, str]], owner: tuple[str, str], no: bool = False) -> Phrase:
        many = self._chance(0.3)
        kinds = ["the", "the", "a", "this"] + ["owned"] * 2 * (owner != NO_ONE) + [pick(self.rng, [*NUMERALS])] * many
        determiner = pick(self.rng, kinds)
        adjective = pick(self.rng, traits) if self._chance(0.4) else NO_ONE
        return phrase(noun, many, "no" if no and determiner == "a" else determiner, adjective, owner)

    def _being(
        self, owner: tuple[str, str] = NO_ONE, you: bool = False, named: bool = False, no: bool = False
    ) -> Phrase:
        if named or self._chance(0.65):
            return self._phrase(pick(self.rng, BEINGS), CHARACTERS, owner, no)
        return PRONOUNS[pick(self.rng, [name for name in PRONOUNS if you or name != "you"])]

    def _object(self, kind: str, subject: Phrase, no: bool) -> Phrase:
        """An object; where it is indefinite, it takes a negation upon itself: `kein`."""
        noun = self._things(kind)
        if kind == "thing" and self._chance(0.3):
            noun = self._compound(*pick(self.rng, MODIFIERS), pick(self.rng, COMPOUND_HEADS))
        if self._chance(0.12):
            return owned(phrase(noun, self._chance(0.3), "the", NO_ONE, NO_ONE), pick(self.rng, BEINGS))
        return self._phrase(noun, LOOKS, subject.possessive, no)

    def _place(self, case: int) -> tuple[str, str]:
        preposition, gender, german, english = pick(self.rng, re.split(r"[|\n]", PLACES)).split()
        article = {"m": ("den", "dem"), "f": ("die", "der"), "n": ("das", "dem")}[gender][case - 1]
        joined = JOINED.get(f"{preposition} {article}", f"{preposition} {article}")
        word = WORDS[preposition] if case == DAT else {"in": "into", "auf": "onto", "an": "to"}[preposition]
        return f"{joined} {german}", f"{word} the {english}"

    def _clause(self, subject: Phrase, tense: str = "", timed: bool = True, negatable: bool = True) -> Clause:
        """A clause of any verb."""
        kind = pick(self.rng, [*THINGS, "thing", "person", "dative", "give", "stay", "move", "turned"])
        verb = pick(self.rng, KNOWN_VERBS[kind])
        tense = tense or pick(self.rng, ("present", "perfect", "perfect", "future", "can", "must", "want"))
        tense = "perfect" if kind == "turned" and tense not in ("present", "perfect") else tense
        no = negatable and self._chance(0.25)
        moments = MOMENTS["present" if tense in ("can", "must", "want") else tense]
        clause = Clause(subject, verb, tense, no, time=pick(self.rng, moments) if timed else NO_ONE)
        if kind in ("stay", "move"):
            return replace(clause, place=self._place(DAT if kind == "stay" else ACC))
        if kind == "give":
            return self._giving(clause)
        if kind in ("person", "dative", "turned"):
            return self._meeting(clause, kind)
        thing = self._object(kind, subject, no)
        german, english = self._relative(thing, verb, kind)
        objects, kein = (thing.german[ACC] + german,), thing.german[ACC].startswith("kein")
        return replace(clause, objects=objects, english_object=thing.english + english, kein=kein)

    def _relative(self, thing: Phrase, verb: Verb, kind: str) -> tuple[str, str]:
        """Who did what with it, by another verb of its class; mostly nothing."""
        if verb.particle or kind not in ("thing", "read", "eat") or self._chance(0.8):
            return NO_ONE
        other = pick(self.rng, [known for known in KNOWN_VERBS[kind] if known != verb])
        told = Clause(self._being(named=True), other, "perfect")
        return f", {RELATIVE[thing.gender].split()[1]} {told.german('final')},", f" that {told.english()}"

    def _giving(self, clause: Clause) -> Clause:
        whom = self._being(clause.subject.possessive, named=True)
        what = self._object(pick(self.rng, ["read", "thing"]), clause.subject, clause.negated)
        objects, kein = (whom.german[DAT], what.german[ACC]), what.german[ACC].startswith("kein")
        return replace(clause, objects=objects, english_object=f"{what.english} to {whom.as_object}", kein=kein)

    def _meeting(self, clause: Clause, kind: str) -> Clause:
        turned, no = kind == "turned", clause.negated and kind != "turned"
        whom = self._being(clause.subject.possessive, named=clause.subject.pronoun, no=no)
        if kind == "person" and whom == PRONOUNS["she"]:
            whom = PRONOUNS["they"]  # nothing would tell the accusatives apart
        form = whom.german[ACC if kind == "person" else DAT]
        pronouns, objects = ((form,), ()) if whom.pronoun else ((), (form,))
        met = replace(clause, pronouns=pronouns, objects=objects, kein=form.startswith("kein"))
        if turned:
            return replace(met, english_subject=whom, english_object=clause.subject.as_object)
        if clause.verb.particle not in ("at", "to"):
            return replace(met, english_object=whom.as_object)
        # A preposition, unlike a particle, stands before its object.
        verb = replace(clause.verb, particle="")
        return replace(met, verb=verb, english_object=f"{clause.verb.particle} {whom.as_object}")

    def _statement(self) -> tuple[str, str]:
        fronted = self._chance(0.5)
        clause = self._clause(self._who(fronted), timed=fronted or self._chance(0.5))
        order = "fronted" if fronted else "plain"
        return clause.german(order) + ".", clause.english(order) + "."

    def _who(self, you: bool = False) -> Phrase:
        """A subject, one in seven with a relative clause."""
        who = self._being(you=you)
        if who.pronoun or self._chance(0.8):
            return who
        relative = replace(who, german=(RELATIVE[who.gender].split()[NOM],) * 3, english="who")
        told = self._clause(relative, "perfect", timed=False)
        if told.english_subject or told.german("final").count(","):
            return who
        german, english = f"{who.german[NOM]}, {told.german('final')},", f"{who.english} {told.english()}"
        return replace(who, german=(german, *who.german[1:]), english=english, as_object=english)

    def _question(self) -> tuple[str, str]:
        clause = self._clause(self._being(you=True), timed=self._chance(0.3), negatable=False)
        ask = pick(self.rng, [NO_ONE, NO_ONE, ("warum", "why"), ("wie oft", "how often")])
        return f"{ask[0]} {clause.german('question')}?", f"{ask[1]} {clause.english('question')}?"

    def _reason(self) -> tuple[str, str]:
        """A main clause and why; `er` and `it` stand for what the main clause names."""
        noun, many = self._things(kind := pick(self.rng, [*THINGS])), self._chance(0.3)
        subject, (why, because) = self._being(), pick(self.rng, REASONS[:2])
        thing = phrase(noun, many, "the", NO_ONE, NO_ONE)
        main = Clause(subject, pick(self.rng, KNOWN_VERBS[kind]), pick(self.rng, ["perfect", "future"]),
                      objects=(thing.german[ACC],), english_object=thing.english)  # fmt: skip
        it, trait = standing_for(noun, many), pick(self.rng, LOOKS)
        told = Clause(it, BE, pick(self.rng, ["present", "perfect"]), self._chance(0.2), place=trait)
        if self._chance(0.4):
            told = Clause(self._being(named=True), pick(self.rng, KNOWN_VERBS[kind]), pronouns=(it.german[ACC],),
                          english_object=it.as_object)  # fmt: skip
        return f"{main.german('plain')}, {why} {told.german('final')}.", f"{main.english()} {because} {told.english()}."

    def _that(self) -> tuple[str, str]:
        main = Clause(self._being(), pick(self.rng, KNOWN_VERBS["know"]), pick(self.rng, ["present", "perfect"]))
        told = self._clause(self._being(you=True), timed=self._chance(0.3))
        return f"{main.german('plain')}, dass {told.german('final')}.", f"{main.english()} that {told.english()}."

    def _first(self) -> tuple[str, str]:
        (when, if_), tense = pick(self.rng, REASONS[1:]), pick(self.rng, ["present", "perfect"])
        first, then = self._clause(self._being(), tense, False), self._clause(self._being(you=True), tense, False)
        return (f"{when} {first.german('final')}, {then.german('question')}.",
                f"{if_} {first.english()}, {then.english()}.")  # fmt: skip

    def _purpose(self) -> tuple[str, str]:
        subject = self._being()
        going = Clause(subject, pick(self.rng, KNOWN_VERBS["move"]), pick(self.rng, ["present", "perfect", "want"]),
                       place=self._place(ACC))  # fmt: skip
        thing = self._object(kind := pick(self.rng, [*THINGS]), subject, False)
        aim = Clause(subject, pick(self.rng, KNOWN_VERBS[kind]), objects=(thing.german[ACC],),
                     english_object=thing.english)  # fmt: skip
        return f"{going.german('plain')}, {aim.german_purpose()}.", f"{going.english()} {aim.english('purpose')}."

    def _contrast(self) -> tuple[str, str]:
        one, other = (self._clause(self._being(), timed=False) for _ in range(2))
        return f"{one.german('plain')}, aber {other.german('plain')}.", f"{one.english()}, but {other.english()}."


def _spelt(text: str) -> str:
    text = re.sub(r",+(?=[.,?])", "", " ".join(text.split()))
    return text[0].upper() + text[1:]


TRAPS = (
    ("Der Mann liest\r das Buch.", "The man reads\r the book."),
    ("Die Frau sucht\u2028den Brief.", "The woman seeks\u2028the letter."),
    ("Am\u00a0Montag arbeitet der Koch.", "On\u00a0Monday the cook works."),
    ("Das Kind\tschläft.", "The child\tsleeps."),
    ("Schmidt &amp; Sohn verkaufen Uhren.", "Schmidt &amp; Son sell clocks."),
    ("„Ich weiß“, sagt der Junge.", "“I know,” says the boy."),
    ("", ""),
    (", ".join(["Äpfel, Birnen und Eier"] * 300) + ".", ", ".join(["apples, pears and eggs"] * 300) + "."),
)


def write(root: Path) -> None:
    """Writes `train` and the three test sets below `root`, German and English, the same bytes on every call."""
    root.mkdir(parents=True, exist_ok=True)
    speaker = Speaker(np.random.Generator(np.random.PCG64(STREAM)))
    seen: set[str] = {side for pair in TRAPS for side in pair}
    for name, count in COUNTS.items():  # the test sets first, so that training must avoid them
        pairs = _fresh(speaker, count, seen)
        if name == "train":
            for number, trap in enumerate(TRAPS):
                pairs[700 * number + 350] = trap
        for side, lines in zip(("de", "en"), zip(*pairs, strict=True), strict=True):
            (root / f"{name}.{side}").write_bytes("".join(f"{line}\n" for line in lines).encode())


def _fresh(speaker: Speaker, count: int, seen: set[str]) -> list[tuple[str, str]]:
    """Pairs of 3 to 18 words of which neither side was said before, so that each has one translation."""
    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        pair = speaker.said()
        if not seen.intersection(pair) and all(3 <= len(side.split()) <= 18 for side in pair):
            pairs.append(pair)
            seen.update(pair)
    return pairs
