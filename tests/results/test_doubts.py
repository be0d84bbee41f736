"""Translations that are plainly not what they should be, and those of weak systems, which are."""

import json
import random
import unicodedata
from itertools import product

import pytest

from results.scoring import translation
from results.scoring.translation import Truth, compared
from tests.results.translations import numbered

PLAIN = ["Er geht nach Haus.", "Die Sonne scheint.", "Das ist ein Häuschen.", "Es ist warm."]
REMEDY = "where references hardly have it; it may lower the score. Write detokenised text with capitals, nothing in "
WORDS = (
    ("Die Bäckerin", "Mein Nachbar", "Jeder Minister", "Unser Zug"),
    ("sieht am Montag", "vergisst oft", "kauft vielleicht"),
    ("einen Apfel", "das neue Rathaus", "zwei graue Schafe", "keine Zeitung", "den Fluss"),
)
SENTENCES = [f"{' '.join(words)}." for words in product(*WORDS)]
random.Random(0).shuffle(SENTENCES)
NEWS = Truth(
    tuple(map(str, range(1, 61))), tuple(f"Thing {number} that happened" for number in range(60)), tuple(SENTENCES)
)


def notes(hypotheses, truth=NEWS):
    return [*translation.notes(compared(hypotheses, truth), truth)]


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        (lambda text: text.replace(".", " ."), "a full stop after a space, as of tokens in 4"),
        (lambda text: text.replace("is", "i@@ s"), "BPE's `@@` in 2"),
        (lambda text: "\u2581" + text.replace(" ", " \u2581"), "sentencepiece's `\u2581` in 4"),
        (lambda text: f"H-12\t-0.31\t{text}", "an id in front, as fairseq's `H-12` in 4, a tab in 4"),
        (lambda text: f"12 ||| {text}", "an id in front, as fairseq's `H-12` in 4"),
        (lambda text: f"{text}\t-0.31", "a tab in 4"),
        (lambda text: f"<pad> {text}</s>", "a tag, as `</s>` or `<unk>` in 4"),
        (lambda text: text.replace("ist", "<unk>"), "a tag, as `</s>` or `<unk>` in 2"),
        (lambda text: f'<seg id="1">{text}</seg>', "a tag, as `</s>` or `<unk>` in 4"),
        (lambda text: f"[de_DE] {text}", "a language, as `de_DE` or `>>deu<<` in 4"),
        (lambda text: f">>deu<< {text}", "a language, as `de_DE` or `>>deu<<` in 4"),
        (lambda text: f'"{text}"', "a quote or bracket at both ends in 4"),
        (lambda text: json.dumps({"translation": text}, ensure_ascii=False), "a quote or bracket at both ends in 4"),
        (lambda text: str([{"translation_text": text}]), "a quote or bracket at both ends in 4"),
        (lambda text: text.replace("Haus", "&quot;Haus&quot;"), "HTML entities in 1"),
        (lambda text: text.encode().decode("cp1252"), "UTF-8 read as another code, as `Ã¼` in 1"),
        (lambda text: text.encode().decode("latin-1"), "UTF-8 read as another code, as `Ã¼` in 1"),
        (lambda text: unicodedata.normalize("NFD", text), "an accent beside its letter (not NFC) in 1"),
        (str.lower, "no capital letter in 4"),
        (lambda text: text[0].lower() + text[1:], "no capital letter in 1, a small first letter in 3"),
    ],
)
def test_marks_of_other_text_than_a_detokenised_one_are_named(change, mark):
    (note,) = notes(list(map(change, PLAIN)), numbered(PLAIN))
    assert note == f"of 4 hypotheses there is {mark}, {REMEDY}front or around."


def test_marks_that_references_have_too_say_nothing():
    assert not notes([*PLAIN, "es ist warm .", "31 ||| &amp;"], numbered([*PLAIN, "warm .", "30 ||| &amp;"]))
    small = [text[0].lower() + text[1:] for text in SENTENCES]
    assert not notes([*small[:30], *SENTENCES[30:]]), "a weak system's"
    assert "a small first letter in 31" in notes([*small[:31], *SENTENCES[31:]])[0]
    quoted = ["\u201eEs ist warm.\u201c", "Ihr sagt: \u201eEs ist warm.\u201c", "Ich höre."] * 7
    assert not notes([text.replace("\u201e", '"').replace("\u201c", '"') for text in quoted], numbered(quoted))


def test_many_empty_hypotheses_are_counted():
    assert notes(["" if number < 5 else text for number, text in enumerate(SENTENCES)]) == []
    assert notes([" " if number < 6 else text for number, text in enumerate(SENTENCES)]) == [
        "6 of 60 hypotheses are empty"
    ]
    assert notes([*SENTENCES[:30], *[""] * 10], numbered([*SENTENCES[:30], *[""] * 10])) == [], "as are references"


def one_word_in(count):
    """What a weak system says: one word in so many is right, in its place."""
    return [
        " ".join(word if (number + place) % count == 0 else "Die" for place, word in enumerate(text.split()))
        for number, text in enumerate(SENTENCES)
    ]


@pytest.mark.parametrize(
    "hypotheses", [SENTENCES, one_word_in(2), one_word_in(4), SENTENCES[:19]], ids=["right", "half", "a quarter", "few"]
)
def test_lines_in_their_places_are_not_doubted_however_bad(hypotheses):
    truth = Truth(*(texts[: len(hypotheses)] for texts in (NEWS.ids, NEWS.sources, NEWS.references)))
    assert notes(hypotheses, truth) == []


@pytest.mark.parametrize(
    "hypotheses",
    [
        SENTENCES[1:] + SENTENCES[:1],
        SENTENCES[-1:] + SENTENCES[:-1],
        SENTENCES[:10] + SENTENCES[11:] + SENTENCES[:1],
        [*SENTENCES[:20], "", *SENTENCES[20:-1]],
        sorted(SENTENCES),
    ],
    ids=["up", "down", "one lost", "one too many", "another order"],
)
def test_lines_out_of_place_are_told(hypotheses):
    (note,) = notes(hypotheses)
    assert note.startswith(
        "lines are missing, doubled or in another order, if a trained system made them: the last 60 "
    )
    assert note.endswith("Write them in the order of the test set.")


def test_a_line_that_is_lost_early_is_seen_at_the_end():
    """The last lines are looked at, as all of them have slipped then."""
    many = numbered([f"{text} Nummer {number}." for number in range(10) for text in SENTENCES])
    lost = [*many.references[1:], ""]
    assert "the last 300 are hardly nearer to their references (chrF " in notes(lost, many)[0]


def test_translations_in_the_language_of_the_sources_are_told():
    own = translation.score(compared(NEWS.sources, NEWS), NEWS)["chrf"]
    assert notes(list(NEWS.sources)) == [
        "hypotheses seem to repeat what was to be translated, or to be of the other direction: the last 60 are nearer "
        f"to it (chrF 100.0) than to the references ({own:.1f}). Write translations alone."
    ]
