"""WMT's test sets as scoring asks for them, and what the look before a run says."""

import time

import pytest

from datamodules.layouts import wmt
from datamodules.layouts.wmt import check, open_test, open_training, present
from results.scoring.translation import Truth
from tests.datamodules.wmt_forms import PAIRS, ROWS, pairs_of, put, shard
from tests.refusals import refusal

pytestmark = pytest.mark.usefixtures("own_cache")


# What scoring asks for


def test_the_direction_says_which_side_is_the_source(tmp_path):
    put(tmp_path, "newstest2015", ["eins", "zwei"], ["one", "two"])
    german, english = ("eins", "zwei"), ("one", "two")
    assert wmt.truth(str(tmp_path), "newstest2015.de-en") == Truth(("1", "2"), german, english)
    assert wmt.truth(str(tmp_path), "newstest2015.en-de") == Truth(("1", "2"), english, german)
    assert "names no direction. Write it as" in refusal(wmt.truth, str(tmp_path), "newstest2015")


@pytest.mark.parametrize("split", ["newstest2016.de-en", "newstest2014.fr-en", "test", "newstest2014.en-de.x"])
def test_only_known_test_sets_have_a_name(tmp_path, split):
    put(tmp_path, "newstest2014")
    for call in (open_test, present):
        assert f"there is no test set '{split}'. Known: newstest2013, " in refusal(call, str(tmp_path), split)


def test_a_sentence_that_cannot_stand_on_a_line_is_refused(tmp_path):
    rows = pairs_of("newstest2015")
    shard(tmp_path / "test-00000-of-00001.parquet", [("a\nb", "c"), *rows[1:]])
    message = refusal(wmt.truth, str(tmp_path), "newstest2015.de-en")
    assert f"{tmp_path}, row 0 of test and on: sentence 1 holds a line break" in message


# The look before a run


def test_only_training_needs_training_text(tmp_path):
    for name in ROWS:
        put(tmp_path, name)
    assert check(str(tmp_path), training=False, full=False) == []
    assert "has no training text" in refusal(check, str(tmp_path), True, False)
    put(tmp_path, "train")
    assert check(str(tmp_path), training=True, full=False) == []


def test_a_part_of_the_training_text_is_noted_before_a_full_run(tmp_path):
    for name in (*ROWS, "train"):
        put(tmp_path, name)
    note = f"training pairs: {len(PAIRS)} examples, officially 3,900,000 to 4,700,000: unofficial"
    assert note in check(str(tmp_path), training=True, full=True)
    assert note not in check(str(tmp_path), training=False, full=True)


def test_a_direction_with_text_of_its_own_is_read_looked_at_and_enough(tmp_path):
    put(tmp_path, "newstest2015.en-de", ["eins"], ["one"])
    root = str(tmp_path)
    assert [present(root, f"newstest2015{each}") for each in ("", ".en-de", ".de-en")] == [False, True, False]
    assert check(root, training=False, full=True)[1:] == [
        "newstest2015.en-de is not whole (1 lines, officially 2,169): unofficial, its verdict `not comparable`"
    ]
    put(tmp_path, "newstest2015", ["zwei"], ["two"])
    found = {split: wmt.truth(root, split).references for split in ("newstest2015.en-de", "newstest2015.de-en")}
    assert found == {"newstest2015.en-de": ("eins",), "newstest2015.de-en": ("two",)}


@pytest.mark.parametrize("full", [False, True])
def test_one_test_set_is_enough_and_what_else_is_not_there_is_noted(tmp_path, full, monkeypatch):
    monkeypatch.setitem(wmt.TEST_SIZES, "newstest2015", len(PAIRS))
    put(tmp_path, "newstest2015")
    put(tmp_path, "train")
    note = "{} is not there, so nothing that asks for it can be measured"
    assert check(str(tmp_path), training=False, full=full) == [note.format("newstest2014")]
    both = [note.format("newstest2013"), note.format("newstest2014")]
    few = [f"training pairs: {len(PAIRS)} examples, officially 3,900,000 to 4,700,000: unofficial"] if full else []
    assert check(str(tmp_path), training=True, full=full) == few + both
    (tmp_path / "newstest2015.de").rename(tmp_path / "newstest2013.de")
    (tmp_path / "newstest2015.en").rename(tmp_path / "newstest2013.en")
    assert "has no newstest2014 (it holds newstest2013.de" in refusal(check, str(tmp_path), False, full)


def test_another_number_of_lines_is_noted_before_a_full_run(tmp_path):
    put(tmp_path, "newstest2014", ["a"] * 2737, ["b"] * 2737)
    put(tmp_path, "newstest2015", ["a"] * 2168, ["b"] * 2168)
    assert check(str(tmp_path), training=False, full=False) == []
    assert check(str(tmp_path), training=False, full=True) == [
        "newstest2014 is not whole (the filtered subset; 2,737 lines, officially 3,003): unofficial, its verdict "
        "`not comparable`",
        "newstest2015 is not whole (2,168 lines, officially 2,169): unofficial, its verdict `not comparable`",
    ]
    put(tmp_path, "newstest2014", ["a"] * 3003, ["b"] * 3003)
    put(tmp_path, "newstest2015", ["a"] * 2169, ["b"] * 2169)
    assert check(str(tmp_path), training=False, full=True) == []


def test_the_look_reads_what_is_there(tmp_path):
    put(tmp_path, "newstest2014")
    put(tmp_path, "newstest2013", ["a"], ["b", "c"])
    assert "newstest2013.de has 1 lines" in refusal(check, str(tmp_path), False, False)


def test_a_large_text_opens_at_once(tmp_path):
    """20 MB a side; line by line in Python it takes far longer. An error at its end is found as well."""
    lines = ["Die größte Straße der Stadt führt über die Brücke."] * 400_000
    put(tmp_path, "train", lines, lines)
    start = time.perf_counter()
    found = open_training(str(tmp_path))
    assert time.perf_counter() - start < 3
    assert (len(found), found.pair(399_999)) == (400_000, (lines[0], lines[0]))
    with (tmp_path / "train.en").open("ab") as file:
        file.write(b"\xfc")
    start = time.perf_counter()
    assert "train.en, line 400001: not UTF-8" in refusal(open_training, str(tmp_path))
    assert time.perf_counter() - start < 10
