"""The sheet of translations: which sentences it shows, how their words are marked, the attention, and its size."""

import re
import time
from dataclasses import replace

import numpy as np
import pytest
from sacrebleu import sentence_chrf

from datamodules.layouts.wmt import truth
from datamodules.sheets.wmt import sheet
from results.scoring.attention import Attention
from results.scoring.translation import Predictions, compared, signatures
from tests.datamodules.pages import Page
from tests.datamodules.wmt_forms import put_pairs

PAIRS = [
    ("Das ist ein Haus.", "This is a house."),
    ("Er liest das Buch.", "He reads the book."),
    ("Wir gehen heute ins Kino.", "We go to the cinema today."),
    ("Die Katze schläft.", "The cat is asleep."),
]
HEARD = ["This is the house.", "He reads the book.", "", "A cat , very well asleep."]
SPLIT = "newstest2014.de-en"
WEIGHTS = ((0.7, 0.2, 0.0499), (0.0, 0.0, 1.0))
ATTENTION = Attention("3", ("▁Wir", "▁<b>", "</s>"), ("▁We", "</s>"), WEIGHTS)


def page_of(root, pairs, heard, attention=None, split=SPLIT):
    """The sheet of hypotheses for sentences that are written for it."""
    put_pairs(root, "newstest2014", pairs)
    held = truth(str(root), split)
    return sheet("wmt, mini-0", str(root), split, replace(compared(heard, held), attention=attention))


def shown(page):
    """Line -> source, reference and hypothesis with their marks, in the order of the page."""
    articles = re.findall(r"<article>.*?</article>", page, re.DOTALL)
    lines = [int(re.search(r"Line (\d+), chrF", each)[1]) for each in articles]
    return dict(zip(lines, [re.findall(r"<dd[^>]*>(.*?)</dd>", each, re.DOTALL) for each in articles], strict=True))


def cells(page):
    """Rows of the attention: each cell's text, the headings with it."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [[re.sub("<[^>]*>", "", each) for each in re.findall(r"<t[hd][^>]*>.*?</t[hd]>", row)] for row in rows]


# What is shown


def test_the_worst_come_first_and_the_right_ones_not_at_all(tmp_path):
    page = page_of(tmp_path, PAIRS, HEARD)
    assert list(shown(page)) == [3, 4, 1]
    assert "He reads the book" not in page
    for line in (3, 4, 1):
        score = sentence_chrf(HEARD[line - 1], [PAIRS[line - 1][1]]).score
        assert f"Line {line}, chrF {score:.1f} Source {PAIRS[line - 1][0]}" in Page(page).text
    assert Page(page).tags.count("article") == 3
    assert "wmt, mini-0" in Page(page).text


def test_the_head_has_the_scores_of_the_whole_test_set(tmp_path):
    text = Page(page_of(tmp_path, PAIRS, ["This is", HEARD[1], "", "A c"])).text
    assert re.search(r"newstest2014\.de-en: BLEU \d+\.\d\d, chrF \d+\.\d\d, over 4 sentences", text)
    assert "Hypotheses that are empty: 1; others shorter than half their reference: 2; with other words" in text
    assert "with other words than their reference: 3. Shown are the 3 with the lowest chrF" in text
    assert all(each in text for each in signatures().values())


def test_words_are_aligned_and_marked(tmp_path):
    found = shown(page_of(tmp_path, PAIRS, HEARD))
    assert found[1] == ["Das ist ein Haus.", "This is <del>a</del> house.", "This is <ins>the</ins> house."]
    assert found[4][1:] == [
        "<del>The</del> cat <del>is</del> asleep.",
        "<ins>A</ins> cat <ins>, very well</ins> asleep.",
    ]
    assert found[3][1] == "<del>We go to the cinema today.</del>"
    assert found[3][2] == "<small>empty</small>"


def test_as_few_words_as_possible_are_marked_and_none_is_lost(tmp_path):
    generator = np.random.default_rng(0)
    pairs = [["".join(generator.choice([*"abc"], generator.integers(1, 30))) for _ in range(2)] for _ in range(24)]
    spaced = [[" ".join(text) for text in pair] for pair in pairs]
    found = shown(page_of(tmp_path, [(said, said) for said, _ in spaced], [heard for _, heard in spaced]))
    assert len(found) > 20
    for line, (source, said, heard) in found.items():
        wanted_said, wanted_heard = spaced[line - 1]
        assert source == wanted_said
        assert [re.sub("<[^>]*>", "", text) for text in (said, heard)] == [wanted_said, wanted_heard]
        kept = [re.sub(r"<(del|ins)>.*?</\1>", "", text).split() for text in (said, heard)]
        assert kept[0] == kept[1]
        assert len(kept[0]) == longest_common(*pairs[line - 1])


def longest_common(one, other):
    """The length of the longest common subsequence, by the table of the textbook."""
    table = np.zeros((len(one) + 1, len(other) + 1), int)
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            table[i, j] = table[i - 1, j - 1] + 1 if a == b else max(table[i - 1, j], table[i, j - 1])
    return table[-1, -1]


def test_the_marks_are_told_apart_without_colours_and_explained(tmp_path):
    page = page_of(tmp_path, PAIRS, HEARD)
    assert re.search(r"\bdel {[^}]*dashed", page)
    assert re.search(r"\bins {[^}]*solid", page)
    assert "Dashed, in the reference: words that the hypothesis lacks. Underlined, in the hypothesis" in Page(page).text


@pytest.mark.parametrize(
    ("split", "languages"), [("newstest2014.de-en", ["de", "en", "en"]), ("newstest2014.en-de", ["en", "de", "de"])]
)
def test_the_languages_are_those_of_the_direction(tmp_path, split, languages):
    page = page_of(tmp_path, PAIRS, HEARD, split=split)
    assert [value for name, value in Page(page).attributes if name == "lang"][1:4] == languages


def test_at_most_24_are_shown_the_first_where_scores_are_equal(tmp_path):
    heard = ["", "one two", "one two three", "x"] * 25  # nothing, most, all and nothing of it is right
    page = page_of(tmp_path, [("eins zwei drei", "one two three")] * 100, heard)
    assert list(shown(page)) == [number for number in range(1, 49) if number % 4 in {0, 1}]
    assert "than their reference: 75. Shown are the 24 with the lowest chrF" in Page(page).text


@pytest.mark.parametrize("change", [str, lambda text: f"  {text} ".replace(" ", " \u2028")], ids=["same", "spaces"])
def test_where_every_translation_is_right_the_page_says_so(tmp_path, change):
    page = page_of(tmp_path, PAIRS, [change(text) for _, text in PAIRS])
    assert "BLEU 100.00, chrF 100.00, over 4 sentences" in Page(page).text
    assert "with other words than their reference: 0. So there is none to show." in Page(page).text
    assert shown(page) == {}
    assert "Dashed" not in page


# Odd sentences


@pytest.mark.parametrize(
    "odd", ["<b>go</b>", "</dd><script>alert(1)</script>", '"><img src=x>', "{{ 7*7 }}", "&amp; &"]
)
def test_odd_sentences_are_text(tmp_path, odd):
    attention = Attention("1", (odd[:20], "</s>"), (odd[:20],), ((0.5, 0.5),))
    plain, page = (
        Page(page_of(tmp_path / name, [(text, f"{text} or")], [f"{text} and"], attention))
        for name, text in (("plain", "x"), ("odd", odd))
    )
    assert page.tags == plain.tags
    assert page.text.count(odd) >= 3


def test_odd_characters_do_no_harm(tmp_path):
    page = page_of(
        tmp_path, [("a\u2028b\x85c \x01 d\re", "\u05e9\u05dc\u05d5\u05dd \u202e\u05e2")], ["\x1b[31mrot\x7f\x9f"]
    )
    source, _, heard = shown(page)[1]
    assert source == "a b c \ufffd d e"
    assert re.sub("<[^>]*>", "", heard) == "\ufffd[31mrot\ufffd\ufffd"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", page)
    assert [value for name, value in Page(page).attributes if name == "dir"] == ["auto"] * 3


def test_what_is_long_is_cut_and_says_how_much_is_left_out(tmp_path):
    long, word = " ".join(f"w{number}" for number in range(5_000)), "x" * 10_000
    page = page_of(tmp_path, [(long, word)], [long])
    source, reference, heard = shown(page)[1]
    for text in (source, heard):
        *words, rest = re.sub("<[^>]*>", "", text).split(" … and ")
        assert 100 < len(words[0].split()) < 400
        assert words[0].split() == long.split()[: len(words[0].split())]
        assert rest == f"{5_000 - len(words[0].split()):,} words more"
    assert reference == f"<del>{'x' * 60}… (9,940 characters more)</del>"


# The attention


def test_the_attention_is_a_table_of_target_by_source(tmp_path):
    page = page_of(tmp_path, PAIRS, HEARD, ATTENTION)
    assert cells(page) == [
        ["", "▁Wir", "▁&lt;b&gt;", "&lt;/s&gt;"],
        ["▁We", "70", "20", ""],
        ["&lt;/s&gt;", "", "", "100"],
    ]
    assert "Attention in line 3" in Page(page).text
    assert re.findall(r'<th scope="(\w+)">', page) == ["col"] * 3 + ["row"] * 2
    assert re.findall(r"<td( class=\"(\w+)\")?>", page) == [
        (f' class="{shade}"' if shade else "", shade) for shade in ("s14", "s4", "s1", "", "", "s20")
    ]


def test_each_shade_is_darker_than_the_last(tmp_path):
    page = page_of(tmp_path, PAIRS, HEARD, ATTENTION)
    shades = re.findall(r"\.s(\d+) { background: color-mix\(in srgb, CanvasText (\d+)%, Canvas\)", page)
    assert shades == [(str(number), str(5 * number)) for number in range(1, 21)]


def test_without_an_attention_there_is_no_table(tmp_path):
    page = page_of(tmp_path, PAIRS, HEARD)
    assert "table" not in Page(page).tags
    assert "Attention" not in Page(page).text


def test_the_attention_is_shown_where_no_sentence_is(tmp_path):
    page = page_of(tmp_path, PAIRS, [text for _, text in PAIRS], ATTENTION)
    assert shown(page) == {}
    assert len(cells(page)) == 3


def test_a_large_attention_is_cut_and_says_so(tmp_path):
    source, target = [f"s{number}" for number in range(61)], [f"{'t' * 30}{number}" for number in range(2_000)]
    weights = tuple(tuple(float(column == row) for column in range(61)) for row in range(2_000))
    page = page_of(tmp_path, PAIRS, HEARD, Attention("1", tuple(source), tuple(target), weights))
    found = cells(page)
    assert [len(row) for row in found] == [61] * 61
    assert found[0][-1] == "s59"
    assert found[60] == [f"{'t' * 19}…", *[""] * 59, "100"]
    assert "Left out: the last 1 of the source. Left out: the last 1,940 of the translation." in Page(page).text
    assert "Left out" not in page_of(tmp_path, PAIRS, HEARD, ATTENTION)


# Size


def test_the_page_needs_no_other_file(tmp_path):
    page = page_of(tmp_path, PAIRS, HEARD, ATTENTION)
    assert not re.search(r"https?:|url\(|@import|<link|<script|src=|href=", page)


WORST = {
    "markup": "<&\"'> " * 1_000,
    "marks": "\"'" * 4_000,
    "every other word": "& x " * 1_500,
    "line separators": "a\u2028" * 3_000,
    "control characters": "\x01 \x02" * 2_000,
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u202e" * 500,
    "four bytes": "\U0001f600" * 4_000,
    "one word": "\U00020000" * 9_000,
    "short words": "a b " * 2_000,
}


def worst_page(root, count, text, other):
    """The sheet of sentences none of which has anything right, without sacreBLEU's count of that."""
    put_pairs(root, "newstest2014", [(text, text)] * count)
    nothing = {"bleu": np.ones((count, 10), np.int64), "chrf": np.zeros((count, 18), np.int64)}
    label = (text.replace(" ", "")[:40],) * 99
    attention = Attention("1", label, label, ((1.0,) * 99,) * 99)
    return sheet("t", str(root), SPLIT, Predictions((other,) * count, nothing, count, count, attention))


@pytest.mark.parametrize("text", WORST.values(), ids=WORST.keys())
def test_the_page_is_small_whatever_the_sentences_are(tmp_path, text):
    page = worst_page(tmp_path, 30, text, text.replace("x", "y").replace("a", "z")[1:])
    assert len(shown(page)) == 24
    assert len(cells(page)) == 61
    assert 100_000 < len(page.encode()) < 300_000


def test_a_whole_test_set_takes_seconds(tmp_path):
    start = time.process_time()
    page = worst_page(tmp_path, 3_003, "a <b> " * 500, "a <c> " * 500)
    assert time.process_time() - start < 20  # 4 s on one core
    assert len(page.encode()) < 300_000
