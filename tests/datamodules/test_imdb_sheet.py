"""The sheet of reviews: which it shows, how words are coloured and listed, what is shortened, and its size."""

import re
from html import unescape

import numpy as np
import pytest

from datamodules.layouts.imdb import truth
from datamodules.sheets.imdb import sheet
from results.scoring.classification import Predictions
from tests.datamodules.imdb_trees import put


def page_of(root, texts, right=(), words=None, scores=None):
    """The sheet of negative reviews that are taken for positive ones, but for those that are right."""
    names = {f"test/neg/{number}_1": text for number, text in enumerate(texts)}
    held = truth(str(put(root, names | {"test/pos/0_9": "good"})), "test")
    classes = np.array([[0, 1] if number in right else [1, 0] for number in range(len(held.ids))])
    best = np.array([*(scores or np.linspace(0.9, 0.6, len(texts))), 0.99])
    found = {f"neg/{number}_1": tuple(each) for number, each in (words or {}).items()}
    predictions = Predictions(classes, np.stack([best, 1 - best], axis=1), len(best), len(best), found)
    return sheet("imdb, mini-0", str(root), "test", predictions)


def shown(page):
    """Id -> heading, text and lists, in the order of the page."""
    found = {}
    for article in re.findall(r"<article>.*?</article>", page, re.DOTALL):
        heading = plain(re.search(r"<h2>(.*?)</h2>", article, re.DOTALL)[1])
        found[heading.partition(":")[0]] = [heading, *re.findall(r"<p[^>]*>(.*?)</p>", article, re.DOTALL)]
    return found


def plain(html):
    return " ".join(unescape(re.sub("<[^>]*>", "", html)).split())


def test_the_most_confident_mistakes_come_first_and_right_ones_not_at_all(tmp_path):
    page = page_of(tmp_path, ["one", "two", "three", "four"], right={2}, scores=[0.7, 0.9, 0.95, 0.8])
    assert list(shown(page)) == ["neg/1_1", "neg/3_1", "neg/0_1"]
    assert shown(page)["neg/1_1"] == ["neg/1_1: negative, taken for positive with 90.0 %", "two "]
    assert "test: 3 of 5 reviews are judged wrongly. Shown are the 3 whose wrong class" in plain(page)
    assert "three" not in page
    assert "imdb, mini-0" in plain(page)


def test_at_most_12_are_shown(tmp_path):
    page = page_of(tmp_path, [f"text {number}" for number in range(30)])
    assert list(shown(page)) == [f"neg/{number}_1" for number in range(12)]


def test_where_all_is_right_the_page_says_so(tmp_path):
    page = page_of(tmp_path, ["one"], right={0})
    assert "0 of 2 reviews are judged wrongly. So there is none to show." in plain(page)
    assert shown(page) == {}


def test_words_are_coloured_by_their_change_beside_the_strongest_and_listed(tmp_path):
    words = [("A", 0.001), ("bad", -0.1), ("film,", 0.02), ("but", 0.2), ("good.", 0.2)]
    text, *lists = shown(page_of(tmp_path, ["A bad film,<br />but  good."], words={0: words}))["neg/0_1"][1:]
    assert re.findall(r'<mark class="(\w+)">(.*?)</mark>', text) == [("a2", "bad"), ("f5", "but good.")]
    assert plain(text) == "A bad film, but good."
    assert [plain(each) for each in lists] == [
        "For the mistake: but 20.0; good. 20.0; film, 2.0; A 0.1", "Against the mistake: bad 10.0",
    ]  # fmt: skip


def test_a_legend_says_what_the_colours_mean_and_each_shade_is_stronger(tmp_path):
    page = page_of(tmp_path, ["a b"], words={0: [("a", 0.1), ("b", 0.1)]})
    assert "A word on red speaks for the mistake" in plain(page)
    assert "One on blue speaks against it" in plain(page)
    for side in ("f", "a"):
        mixed = re.findall(rf"\.{side}(\d) {{ background: color-mix\(in srgb, var\(--\w+\) (\d+)%", page)
        assert mixed == [(str(shade), str(15 * shade)) for shade in range(1, 6)]


def test_without_words_the_text_stands_alone(tmp_path):
    page = page_of(tmp_path, ["a b"], words={})
    assert "<mark" not in page
    assert "speaks for" not in page
    assert len(shown(page)["neg/0_1"]) == 2


def test_words_of_the_head_and_the_tail_are_found_in_their_places(tmp_path):
    """A model that saw both ends alone says nothing of the middle, which has the same words."""
    text = [*"abcd", *"dcbaabcd", *"wxyz"]
    known = [(word, 0.1 * (place + 1)) for place, word in enumerate("abcdwxyz")]
    found = shown(page_of(tmp_path, [" ".join(text)], words={0: known}))["neg/0_1"][1]
    marked = [word for _, words in re.findall(r'<mark class="(f\d)">(.*?)</mark>', found) for word in words.split()]
    assert marked[-4:] == [*"wxyz"]
    assert len(marked) == 8
    assert plain(found) == " ".join(text)


def test_words_that_are_not_in_the_text_are_passed_over(tmp_path):
    found = shown(page_of(tmp_path, ["one two"], words={0: [("zero", 0.3), ("two", 0.1)]}))["neg/0_1"]
    assert re.findall(r"<mark[^>]*>(.*?)</mark>", found[1]) == ["two"]


def test_a_long_review_is_shown_around_its_strongest_words(tmp_path):
    text = [f"word{number}" for number in range(5_000)]
    known = [(word, {100: 0.5, 4_000: -0.4}.get(number, 0.0)) for number, word in enumerate(text)]
    found = plain(shown(page_of(tmp_path, [" ".join(text)], words={0: known}))["neg/0_1"][1])
    assert all(f"word{number}" in found.split() for number in (88, 100, 112, 3_988, 4_000, 4_012))
    gaps = [int(each.replace(",", "")) for each in re.findall(r"\[… ([\d,]+) words …\]", found)]
    kept = [each for each in found.split() if each.startswith("word") and each != "words"]
    assert sum(gaps) + len(kept) == 5_000
    assert 400 < len(kept) < 1_000
    assert kept == [word for word in text if word in set(kept)]


def test_a_long_review_without_words_is_shown_from_its_beginning(tmp_path):
    found = plain(shown(page_of(tmp_path, ["it goes on and " * 2_000]))["neg/0_1"][1])
    assert found.startswith("it goes on and it")
    assert re.search(r"\[… 6,\d\d\d words …\]$", found)


@pytest.mark.parametrize(
    "odd", ["<b>go</b>", "</p><script>alert(1)</script>", '"><img', "{{ 7*7 }}", "&amp; &", "\x1b[3m\x7f"]
)
def test_odd_reviews_are_text(tmp_path, odd):
    known = {0: [(word, 0.1) for word in odd.split()]}
    page = page_of(tmp_path, [f"{odd} x"], words=known)
    assert plain(shown(page)["neg/0_1"][1]) == f"{odd} x".replace("\x1b", "\ufffd").replace("\x7f", "\ufffd")
    assert not re.search(r"<script|<img|<b>|[\x00-\x09\x0b-\x1f\x7f-\x9f]", page)


@pytest.mark.parametrize(
    "word", ["a", "&", '"' * 100, "\U0001f600" * 100, "dull"], ids=["letter", "sign", "quotes", "four bytes", "word"]
)
def test_the_page_is_small_whatever_the_reviews_are(tmp_path, word):
    changes = np.random.default_rng(0).uniform(-1, 1, 6_000).tolist()
    words = {number: [(word, change) for change in changes] for number in range(14)}
    page = page_of(tmp_path, [" ".join([word] * 6_000)] * 14, words=words)
    assert len(shown(page)) == 12
    assert 40_000 < len(page.encode()) < 300_000
    assert not re.search(r"https?:|url\(|@import|<link|src=|href=", page)
    assert all(plain(each[1]).split()[0] for each in shown(page).values())
