"""The listening sheet: which utterances it shows, how their words are marked, and that it stays small."""

import base64
import io
import re
import time

import numpy as np
import pytest
import soundfile
from PIL import Image

from benchmarks.errors import UserError
from datamodules.layouts.librispeech import truth
from datamodules.sheets.librispeech import sheet
from results.scoring.speech import compared
from tests.datamodules.librispeech_trees import RATE, chapter_of, write_tree
from tests.datamodules.pages import Page

SAID = {
    "61-70968-0000": "HE BEGAN A CONFUSED COMPLAINT",
    "61-70968-0001": "'TIS THE FITZOOTH'S TENT",
    "61-70970-0000": "OUT IN THE WOODS",
    "672-122797-0000": "GO",
}
HEARD = ["he begun a complaint", "'tis the fitzooth's tent", "out in in the words", "oh no no"]


def page_of(root, transcripts, heard, seconds=0.5):
    """The sheet of hypotheses for a tree that is written for it."""
    write_tree(root, {"test-clean": transcripts}, seconds)
    return sheet("speech, mini-0", str(root), "test-clean", compared(heard, truth(str(root), "test-clean")))


def shown(page):
    """Id and marked words of each utterance, in the order of the page."""
    figures = re.findall(r"<figure>.*?</figure>", page, re.DOTALL)
    words = [re.search(r'<p class="words">(.*?)</p>', each, re.DOTALL)[1].strip() for each in figures]
    return dict(zip([re.search(r"<code>(.*?)</code>", each)[1] for each in figures], words, strict=True))


def pixels(page, number=0):
    """Grey values of a spectrogram, [height, width]."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(Page(page).addresses[number].partition(",")[2]))))


# What is shown


def test_the_worst_come_first_and_the_right_ones_not_at_all(tmp_path):
    page = page_of(tmp_path, SAID, HEARD)
    # 3 edits in GO; 2 in each of two others, in the order of their ids; none in the second
    assert list(shown(page)) == ["672-122797-0000", "61-70968-0000", "61-70970-0000"]
    for part in ("672-122797-0000, 3 edits of 1 words", "61-70968-0000, 2 edits of 5 words", "speech, mini-0"):
        assert part in Page(page).text
    assert "61-70968-0001" not in page


def test_the_head_counts_the_whole_test_set(tmp_path):
    text = Page(page_of(tmp_path, SAID, HEARD)).text
    assert "test-clean: 7 edits of 14 words, a word error rate of 50.00 %; 3 of 4 utterances have an edit" in text
    assert "Shown are the 3 with the most" in text


def test_words_are_aligned_and_marked(tmp_path):
    found = shown(page_of(tmp_path, SAID, HEARD))
    assert found["61-70968-0000"] == (
        "HE <span><del>BEGAN</del> <ins>BEGUN</ins></span> A <del>CONFUSED</del> COMPLAINT"
    )
    assert found["61-70970-0000"] in {
        f"OUT {words} THE <span><del>WOODS</del> <ins>WORDS</ins></span>"
        for words in ("IN <ins>IN</ins>", "<ins>IN</ins> IN")
    }
    assert found["672-122797-0000"].count("<ins>") == 3
    assert found["672-122797-0000"].count("<del>GO</del>") == 1


def test_every_edit_is_marked_once_and_no_word_is_lost(tmp_path):
    generator = np.random.default_rng(0)
    said, heard = (
        [" ".join(generator.choice(["A", "B", "C'S", "DO"], generator.integers(1, 30))) for _ in range(24)]
        for _ in range(2)
    )
    page = page_of(tmp_path, {f"1-1-{index:04d}": text for index, text in enumerate(said)}, heard)
    edits = compared(heard, truth(str(tmp_path), "test-clean")).edits
    marked = {f"1-1-{index:04d}": index for index in range(24) if edits[index]}
    found = shown(page)
    assert found.keys() == marked.keys()
    for each, escaped in found.items():
        words = escaped.replace("&#39;", "'")
        pairs = words.count("<span>")
        assert words.count("<del>") + words.count("<ins>") - pairs == edits[marked[each]]
        without = {"del": re.sub(r"<del>.*?</del>", "", words), "ins": re.sub(r"<ins>.*?</ins>", "", words)}
        left = {tag: " ".join(re.sub(r"<[^>]*>", "", text).split()) for tag, text in without.items()}
        assert left == {"ins": said[marked[each]], "del": heard[marked[each]]}


def test_nothing_heard_strikes_every_word_out(tmp_path):
    found = shown(page_of(tmp_path, SAID, ["", *HEARD[1:]]))
    assert next(iter(found.items())) == (
        "61-70968-0000", "<del>HE</del> <del>BEGAN</del> <del>A</del> <del>CONFUSED</del> <del>COMPLAINT</del>"
    )  # fmt: skip


def test_the_marks_are_told_apart_without_colours_and_explained(tmp_path):
    page = page_of(tmp_path, SAID, HEARD)
    assert re.search(r"\bdel {[^}]*line-through", page)
    assert re.search(r"\bins {[^}]*underline", page)
    for part in ("Struck out: said and not heard.", "Underlined: heard and not said.", "one word for another"):
        assert part in Page(page).text


def test_at_most_24_are_shown_the_first_where_edits_are_equal(tmp_path):
    said = {f"1-1-{index:04d}": "GO ON" for index in range(200)}
    heard = ["GO", "NO", "GO ON", "GO"] * 50  # 1, 2, 0 and 1 edits
    page = page_of(tmp_path, said, heard[:40] + ["GO"] * 160, seconds=0.01)
    twos = list(range(1, 40, 4))
    ones = [index for index in range(40) if index % 4 in {0, 3}][:14]
    assert list(shown(page)) == [f"1-1-{index:04d}" for index in twos + ones]
    assert "190 of 200 utterances have an edit. Shown are the 24 with the most" in Page(page).text


def test_where_everything_is_right_nothing_is_shown(tmp_path):
    page = page_of(tmp_path, SAID, [text.lower() for text in SAID.values()])
    assert "0 edits of 14 words, a word error rate of 0.00 %; 0 of 4 utterances have an edit." in Page(page).text
    assert shown(page) == {}
    assert "Struck out" not in page


# Odd hypotheses


@pytest.mark.parametrize("odd", ["<b>go</b>", "</p><script>alert(1)</script>", '"><img src=x>', "{{ 7*7 }}", "&amp; &"])
def test_odd_hypotheses_are_text(tmp_path, odd):
    plain, page = (
        Page(page_of(tmp_path / name, {"1-1-0000": "GO ON"}, [text])) for name, text in (("plain", "x"), ("odd", odd))
    )
    assert set(page.tags) <= {*plain.tags, "ins", "del", "span"}
    assert len(page.addresses) == 1
    for word in odd.upper().split():
        assert word in page.text


def test_what_was_heard_at_length_is_cut(tmp_path):
    page = page_of(tmp_path, SAID, [*HEARD[:3], "no " * 5_000 + "x" * 10_000])
    assert Page(page).text.count("NO") < 500
    assert re.search(r"… and 4,\d{3} words more", Page(page).text)
    page = page_of(tmp_path / "word", SAID, [*HEARD[:3], "x" * 10_000])
    assert f"<ins>{'X' * 39}…</ins>" in page
    assert "words more" not in page


# Size


def test_the_page_needs_no_other_file(tmp_path):
    page = page_of(tmp_path, SAID, HEARD)
    assert all(each.startswith("data:image/jpeg;base64,") for each in Page(page).addresses)
    assert not re.search(r"https?:|url\(|@import|<link|<script", page)


LONG = " ".join(["NOTTINGHAM'S", "AND", "THE", "UNPERCEIVED"] * 28)  # 112 words, as in 35 s


@pytest.mark.parametrize("seconds", [4.8, 35])
@pytest.mark.parametrize("heard", ["", "<UNK> " * 112, "'" * 40 + " '" * 400], ids=["nothing", "unknown", "quotes"])
def test_24_long_utterances_stay_under_300_kb(tmp_path, heard, seconds):
    # Noise of 4.8 s has as many frames as the picture has columns, so that no two are averaged.
    said = {f"1-1-{index:04d}": LONG for index in range(24)}
    write_tree(tmp_path, {"test-clean": said}, seconds)
    predictions = compared([heard] * 24, truth(str(tmp_path), "test-clean"))
    start = time.perf_counter()
    page = sheet("t", str(tmp_path), "test-clean", predictions)
    assert time.perf_counter() - start < 20  # 1 s on one core
    assert len(shown(page)) == 24
    assert len(page.encode()) < 300_000


# The spectrogram


def tone(root, parts):
    """Sine waves of (hertz, seconds) one after the other as the only utterance; the page of it."""
    write_tree(root, {"test-clean": {"1-1-0000": "GO"}})
    waves = [0.3 * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE) for hertz, seconds in parts]
    soundfile.write(chapter_of(root, "test-clean", "1-1-0000") / "1-1-0000.flac", np.concatenate(waves), RATE)
    return sheet("t", str(root), "test-clean", compared(["NO"], truth(str(root), "test-clean")))


def test_time_goes_to_the_right_and_frequency_upwards(tmp_path):
    grey = pixels(tone(tmp_path, [(1000, 1), (6000, 3)]))
    # 128 rows for 8 kHz: 1 kHz is the 16th from the bottom, 6 kHz the 96th; 1 s is a quarter of the width.
    assert grey.shape == (128, 400)
    for columns, row in ((slice(5, 95), 127 - 16), (slice(105, 395), 127 - 96)):
        assert abs(int(grey[:, columns].mean(axis=1).argmin()) - row) <= 1
        assert grey[row, columns].mean() < 90, "the tone is dark"
        assert np.delete(grey[:, columns], slice(row - 12, row + 13), axis=0).mean() > 200, "the rest is white"


def test_a_long_utterance_is_scaled_to_the_page(tmp_path):
    page = tone(tmp_path, [(1000, 5), (6000, 15)])
    grey = pixels(page)
    assert grey.shape == (128, 480)
    assert int((grey[127 - 96, :].astype(int) < 128).argmax()) == pytest.approx(120, abs=2), "a quarter"
    assert "0 s10.0 s20.0 s" in Page(page).text
    assert "0 to 8 kHz upwards" in Page(page).text


def test_silence_is_white_and_one_sample_is_enough(tmp_path):
    assert pixels(tone(tmp_path / "silence", [(0, 1)])).min() > 250
    assert pixels(tone(tmp_path / "short", [(100, 1 / RATE)])).shape == (128, 1)


# The audio


def test_the_place_to_listen_is_named_below_the_root(tmp_path):
    assert "LibriSpeech/test-clean/672/122797/672-122797-0000.flac" in Page(page_of(tmp_path, SAID, HEARD)).text
    assert str(tmp_path) not in page_of(tmp_path / "again", SAID, HEARD)


@pytest.mark.parametrize("content", [None, b"", b"fLaC broken"])
def test_audio_that_cannot_be_read_is_named(tmp_path, content):
    write_tree(tmp_path, {"test-clean": SAID})
    for index, each in enumerate(SAID):
        file = chapter_of(tmp_path, "test-clean", each) / f"{each}.flac"
        if index == 1:
            file.unlink()  # is right, so nobody looks at it
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    predictions = compared(HEARD, truth(str(tmp_path), "test-clean"))
    with pytest.raises(UserError) as caught:
        sheet("t", str(tmp_path), "test-clean", predictions)
    assert str(file) in str(caught.value)
