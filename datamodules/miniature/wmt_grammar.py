"""A small grammar of German and English: each phrase and clause is made in both languages at once.

What one language leaves open, the context settles: `sie` by its verb, `Schloss` and `Bank` by verb or preposition, `it`
by the gender of what it stands for. `you` is always the formal `Sie`; a clause that begins with `Sie` means `they`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

NOM, ACC, DAT, GEN = range(4)
DEFINITE = {"m": "der den dem des", "f": "die die der der", "n": "das das dem des", "p": "die die den der"}
RELATIVE = {"m": "der den", "f": "die die", "n": "das das", "p": "die die"}
ENDINGS = {"m": ("", "en", "em", "es"), "f": ("e", "e", "er", "er"), "n": ("", "", "em", "es"), "p": ("e", "e", "en")}
THIS = {"m": ("er", "en", "em"), "f": ("e", "e", "er"), "n": ("es", "es", "em"), "p": ("e", "e", "en")}
MIXED = {"m": ("er", "en", "en"), "f": ("e", "e", "en"), "n": ("es", "es", "en"), "p": ("en", "en", "en")}
WEAK = {"m": ("e", "en", "en"), "f": ("e", "e", "en"), "n": ("e", "e", "en"), "p": ("en", "en", "en")}
STRONG = ("e", "e", "en")  # of the plural
JOINED = {"in dem": "im", "in das": "ins", "zu dem": "zum", "zu der": "zur", "an dem": "am", "bei dem": "beim"}


@dataclass(frozen=True)
class Noun:
    """A noun of both languages; the oblique forms of a weak one (`den Studenten`) are its plural."""

    gender: str
    german: str
    plural: str
    english: str
    englishes: str
    weak: bool = False
    pronoun: str = ""

    def form(self, case: int, many: bool) -> str:
        """The German word."""
        if many:
            return self.plural + "n" * (case == DAT and self.plural[-1] not in "ns")
        if self.weak and case != NOM:
            return self.plural
        ending = "s" if self.german.endswith(("er", "en", "el", "or")) else "es"
        return self.german + ending * (case == GEN and self.gender != "f")


@dataclass(frozen=True)
class Phrase:
    """Who or what: German by case, English as subject and as object; `person` is `ich`, `er` or `wir` (any plural)."""

    german: tuple[str, str, str]
    english: str
    as_object: str
    person: str
    gender: str
    possessive: tuple[str, str]
    pronoun: bool = False


PRONOUNS = {
    "I": Phrase(("ich", "mich", "mir"), "I", "me", "ich", "m", ("mein", "my"), True),
    "he": Phrase(("er", "ihn", "ihm"), "he", "him", "er", "m", ("sein", "his"), True),
    "she": Phrase(("sie", "sie", "ihr"), "she", "her", "er", "f", ("ihr", "her"), True),
    "we": Phrase(("wir", "uns", "uns"), "we", "us", "wir", "p", ("unser", "our"), True),
    "they": Phrase(("sie", "sie", "ihnen"), "they", "them", "wir", "p", ("ihr", "their"), True),
    "you": Phrase(("Sie", "Sie", "Ihnen"), "you", "you", "wir", "p", ("Ihr", "your"), True),
}
ENGLISH_OBJECT = {"he": "him", "she": "her", "it": "it", "they": "them"}
ENGLISH_OWNER = {"he": "his", "she": "her", "it": "its", "they": "their"}


@dataclass(frozen=True)
class Verb:
    """A verb of both languages; `prefix` separates, `particle` follows the English object (`throws it away`)."""

    infinitive: str
    third: str
    participle: str
    auxiliary: str
    english: str
    past: str
    prefix: str = ""
    particle: str = ""

    def finite(self, person: str) -> str:
        """The German present without its prefix."""
        first = "weiß" if self.infinitive == "wissen" else self.infinitive[:-1]
        return {"ich": first, "er": self.third, "wir": self.infinitive}[person]


BE = Verb("sein", "ist", "gewesen", "s", "be", "was")
AUXILIARIES = {
    "h": {"ich": "habe", "er": "hat", "wir": "haben"},
    "s": {"ich": "bin", "er": "ist", "wir": "sind"},
    "was": {"ich": "war", "er": "war", "wir": "waren"},
    "future": {"ich": "werde", "er": "wird", "wir": "werden"},
    "can": {"ich": "kann", "er": "kann", "wir": "können"},
    "must": {"ich": "muss", "er": "muss", "wir": "müssen"},
    "want": {"ich": "will", "er": "will", "wir": "wollen"},
}


def third(verb: str) -> str:
    """The English third person: `goes`, `carries`, `buys`; also what plurals of nouns look like."""
    if verb.endswith(("s", "sh", "ch", "x", "o")):
        return f"{verb}es"
    return f"{verb[:-1]}ies" if verb.endswith("y") and verb[-2] not in "aeou" else f"{verb}s"


def standing_for(noun: Noun, many: bool) -> Phrase:
    """The pronoun of a noun: German by its gender, English by what it is."""
    gender = "p" if many else noun.gender
    german = {"m": ("er", "ihn", "ihm"), "f": ("sie", "sie", "ihr"), "n": ("es", "es", "ihm")}
    forms = german.get(gender, ("sie", "sie", "ihnen"))
    english = "they" if many else noun.pronoun
    owner = ("ihr" if gender in "fp" else "sein", ENGLISH_OWNER[english])
    return Phrase(forms, english, ENGLISH_OBJECT[english], "wir" if many else "er", gender, owner, True)


def phrase(noun: Noun, many: bool, determiner: str, adjective: tuple[str, str], owner: tuple[str, str]) -> Phrase:
    """A noun with what stands before it; `determiner` is `the`, `a`, `no`, `this`, `owned`, or a German numeral."""
    german = tuple(_german(noun, case, many, determiner, adjective[0], owner[0]) for case in (NOM, ACC, DAT))
    words = f"{adjective[1]} {noun.englishes if many else noun.english}".strip()
    article = "an" if words[0] in "aeiou" else "a"
    before = {
        "the": "the", "a": "" if many else article, "no": "any" if many else article,
        "this": "these" if many else "this", "owned": owner[1],
    }.get(determiner, NUMERALS.get(determiner, ""))  # fmt: skip
    english = f"{before} {words}".strip()
    pronoun = standing_for(noun, many)
    forms = (german[0], german[1], german[2])
    return replace(pronoun, german=forms, english=english, as_object=english, pronoun=False)


NUMERALS = {"zwei": "two", "drei": "three", "viele": "many"}


def owned(thing: Phrase, owner: Noun) -> Phrase:
    """A phrase with `the`, and whose it is: `den Hut des Lehrers`, `the teacher's hat`."""
    whose = f"{DEFINITE[owner.gender].split()[GEN]} {owner.form(GEN, False)}"
    nom, acc, dat = (f"{form} {whose}" for form in thing.german)
    english = f"the {owner.english}'s {thing.english.removeprefix('the ')}"
    return replace(thing, german=(nom, acc, dat), english=english, as_object=english)


def _german(noun: Noun, case: int, many: bool, determiner: str, adjective: str, owner: str) -> str:
    gender = "p" if many else noun.gender
    if determiner in NUMERALS or (determiner == "a" and many):
        before, ending = determiner if determiner in NUMERALS else "", STRONG[case]
        before = "vielen" if before == "viele" and case == DAT else before
    elif determiner in ("the", "this"):
        before = DEFINITE[gender].split()[case] if determiner == "the" else f"dies{THIS[gender][case]}"
        ending = WEAK[gender][case]
    else:
        stem = {"a": "ein", "no": "kein"}.get(determiner, owner)
        suffix = ENDINGS[gender][case]
        before, ending = stem + suffix, MIXED[gender][case]
    inflected = f"{adjective.removesuffix('e')}{ending}" if adjective else ""  # müde, müder
    return " ".join(word for word in (before, inflected, noun.form(case, many)) if word)


@dataclass(frozen=True)
class Clause:
    """A clause of both languages; `german` and `english` put its words in order.

    `english_subject` differs from `subject` where the languages see it the other way round (`gefallen`, `like`).
    """

    subject: Phrase
    verb: Verb
    tense: str = "present"
    negated: bool = False
    objects: tuple[str, ...] = ()
    pronouns: tuple[str, ...] = ()
    english_object: str = ""
    english_subject: Phrase | None = None
    time: tuple[str, str] = ("", "")
    place: tuple[str, str] = ("", "")
    kein: bool = False  # the German object carries the negation

    def german(self, order: str) -> str:
        """The clause in German, ordered `plain`, `fronted` (the time first), `question` or `final` (the verb last)."""
        finite, end = self._german_verbs(order == "final")
        time = () if order == "fronted" else (self.time[0],)
        no = "nicht" if self.negated and not self.kein else ""
        middle = (*self.pronouns, *time, *self.objects, no, self.place[0], end)
        subject = self.subject.german[NOM]
        orders = {
            "plain": (subject, finite, *middle), "fronted": (self.time[0], finite, subject, *middle),
            "question": (finite, subject, *middle), "final": (subject, *middle, finite),
        }  # fmt: skip
        return " ".join(word for word in orders[order] if word)

    def german_purpose(self) -> str:
        """`um ... zu`, without subject and time."""
        verb = f"{self.verb.prefix}zu{self.verb.infinitive}" if self.verb.prefix else f"zu {self.verb.infinitive}"
        return " ".join(word for word in ("um", *self.pronouns, *self.objects, self.place[0], verb) if word)

    def english(self, order: str = "plain") -> str:
        """The clause in English, ordered `plain`, `fronted`, `question` or `purpose` (`to` and no subject)."""
        subject = (self.english_subject or self.subject).english
        auxiliary, verb = self._english_verbs(order == "question")
        rest = (self.english_object, self.verb.particle, self.place[1])
        orders = {
            "plain": (subject, auxiliary, verb, *rest, self.time[1]), "question": (auxiliary, subject, verb, *rest,
            self.time[1]), "fronted": (self.time[1], subject, auxiliary, verb, *rest),
            "purpose": ("to", self.verb.english, *rest),
        }  # fmt: skip
        return " ".join(word for word in orders[order] if word)

    def _german_verbs(self, final: bool) -> tuple[str, str]:
        verb, person = self.verb, self.subject.person
        if verb is BE:
            return AUXILIARIES["s" if self.tense == "present" else "was"][person], ""
        if self.tense == "present":
            return (verb.prefix + verb.finite(person), "") if final else (verb.finite(person), verb.prefix)
        if self.tense == "perfect":
            return AUXILIARIES[verb.auxiliary][person], verb.prefix + verb.participle
        return AUXILIARIES[self.tense][person], verb.prefix + verb.infinitive

    def _english_verbs(self, question: bool) -> tuple[str, str]:
        """What a question puts before the subject, and the rest."""
        person, no = (self.english_subject or self.subject).person, " not" if self.negated else ""
        past, base = self.tense == "perfect", self.verb.english
        if self.verb is BE:
            present = {"ich": "am", "er": "is", "wir": "are"}[person]
            return (("were" if person == "wir" else "was") if past else present) + no, ""
        if self.tense == "future" or (self.tense in ("can", "must") and not (self.tense == "must" and no)):
            return {"future": f"will{no}", "can": "cannot" if no else "can", "must": "must"}[self.tense], base
        full = {"want": f"want to {base}", "must": f"have to {base}"}.get(self.tense, base)
        if question or no:
            return ("did" if past else "does" if person == "er" else "do") + no, full
        if past:
            return "", self.verb.past
        head, _, tail = full.partition(" ")
        return "", " ".join(word for word in (third(head) if person == "er" else head, tail) if word)
