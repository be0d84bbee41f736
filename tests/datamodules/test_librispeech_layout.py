"""LibriSpeech's folders as people have them: what is read, what is noted, and every refusal."""

import shutil
import time

import pytest
import soundfile

from datamodules.layouts import librispeech
from datamodules.layouts.librispeech import TRAIN, check, open_split, present
from results.scoring.speech import Truth
from tests.datamodules.librispeech_trees import chapter_of, transcripts_of, write_tree
from tests.refusals import refusal

TEST = {
    "61-70970-0001": "YOUNG FITZOOTH'S TENT",
    "61-70968-0002": "HE BEGAN A CONFUSED COMPLAINT",
    "1089-134686-0000": "STUFF IT INTO YOU",
    "61-70968-0000": "'TIS SO",
}
ORDERED = ("1089-134686-0000", "61-70968-0000", "61-70968-0002", "61-70970-0001")
ONE = {"84-121123-0000": "GO"}
FIRST = "61-70968-0002"  # on the first line of the larger chapter


@pytest.fixture
def root(tmp_path):
    """Two speakers, three chapters, four utterances of test-clean."""
    write_tree(tmp_path, {"test-clean": TEST})
    return tmp_path


# What is read


def test_utterances_ascend_by_their_ids_and_keep_their_words(root):
    split = open_split(str(root), "test-clean")
    assert split.ids == ORDERED, "as text, so that no tool sorts them otherwise"
    assert split.transcripts == tuple(TEST[each] for each in ORDERED)
    assert (len(split), split.name) == (4, "test-clean")
    assert librispeech.truth(str(root), "test-clean") == Truth(split.ids, split.transcripts)


def test_each_utterance_has_the_audio_of_its_own_name(root):
    split = open_split(str(root), "test-clean")
    for index, each in enumerate(ORDERED):
        assert split.path(index) == chapter_of(root, "test-clean", each) / f"{each}.flac"
        found = soundfile.info(split.path(index))
        assert (found.samplerate, found.frames, found.channels, found.subtype) == (16_000, 8_000, 1, "PCM_16")
    split.require_audio()


def test_transcripts_are_all_that_scoring_reads(root):
    for path in root.rglob("*.flac"):
        path.unlink()
    assert librispeech.truth(str(root), "test-clean").ids == ORDERED


def test_each_subset_is_its_own(root):
    write_tree(root, {"test-other": ONE})
    assert open_split(str(root), "test-other").ids == tuple(ONE)
    assert open_split(str(root), "test-clean").ids == ORDERED
    assert [present(str(root), split) for split in ("test-clean", "test-other", "dev-clean")] == [True, True, False]


def test_what_other_systems_leave_behind_is_no_utterance(root):
    chapter = chapter_of(root, "test-clean", FIRST)
    for name in ("._61-70968-0002.flac", "._61-70968.trans.txt", ".DS_Store", "notes.txt"):
        (chapter / name).write_bytes(b"\0\xff")
    for folder in (chapter, chapter.parent, chapter.parents[1]):
        (folder / ".Trashes/1-2").mkdir(parents=True)
        (folder / ".DS_Store").touch()
    (chapter.parents[2] / "SPEAKERS.TXT").write_text(";ID  |SEX| SUBSET\n")
    split = open_split(str(root), "test-clean")
    assert split.ids == ORDERED
    split.require_audio()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"61-70968-0000 'TIS SO\r\n61-70968-0002 HE BEGAN\r\n", id="CRLF"),
        pytest.param(b"\xef\xbb\xbf61-70968-0000 'TIS SO\n61-70968-0002 HE BEGAN\n", id="byte order mark"),
        pytest.param(b"\n61-70968-0000 'TIS SO\n \n61-70968-0002 HE BEGAN", id="blank lines"),
        pytest.param(b"61-70968-0000   'TIS   SO  \n 61-70968-0002 HE BEGAN\n", id="spaces"),
    ],
)
def test_harmless_variation_is_accepted(root, content):
    transcripts_of(root, "test-clean", FIRST).write_bytes(content)
    assert open_split(str(root), "test-clean").transcripts[1:3] == ("'TIS SO", "HE BEGAN")


# What is refused


BAD = {
    # what is wrong: (the second line of the chapter, what the message must say)
    "lower case": ("61-70968-0000 'tis so", ["in upper case", 'got "61-70968-0000 \'tis so"']),
    "one lower letter": ("61-70968-0000 'TIS So", ["in upper case"]),
    "digit": ("61-70968-0000 ROOM 101", ["of A-Z and the apostrophe", "ROOM 101"]),
    "hyphen": ("61-70968-0000 WELL-KNOWN", ["of A-Z and the apostrophe"]),
    "full stop": ("61-70968-0000 SO.", ["of A-Z and the apostrophe"]),
    "typographic apostrophe": ("61-70968-0000 \N{RIGHT SINGLE QUOTATION MARK}TIS", ["of A-Z and the apostrophe"]),
    "accent": ("61-70968-0000 CAF\N{LATIN CAPITAL LETTER E WITH ACUTE}", ["of A-Z and the apostrophe"]),
    "tab": ("61-70968-0000\tSO", ["expected `<id> WORDS`"]),
    "tab between words": ("61-70968-0000 'TIS\tSO", ["of A-Z and the apostrophe"]),
    "no words": ("61-70968-0000", ["expected `<id> WORDS`", "got '61-70968-0000'"]),
    "only spaces for words": ("61-70968-0000   ", ["expected `<id> WORDS`"]),
    "only apostrophes": ("61-70968-0000 ' ''", ["expected `<id> WORDS`"]),
    "no id": ("'TIS SO", ["'TIS stands twice or is no utterance of this chapter"]),
    "another chapter": ("61-70970-0000 SO", ["61-70970-0000 stands twice or is no utterance of this chapter"]),
    "a chapter of the same beginning": ("61-709680-0000 SO", ["61-709680-0000 stands twice or is no utterance"]),
    "an id twice": (f"{FIRST} SO", [f"{FIRST} stands twice"]),
}


@pytest.mark.parametrize(("line", "parts"), BAD.values(), ids=BAD.keys())
def test_mistakes_in_the_transcripts_are_named_with_file_and_line(root, line, parts):
    file = transcripts_of(root, "test-clean", FIRST)
    file.write_text(f"{FIRST} HE BEGAN\n{line}\n", encoding="utf-8")
    message = refusal(open_split, str(root), "test-clean")
    for part in (f"{file}, line 2: ", *parts):
        assert part in message


def test_transcripts_must_be_utf8(root):
    file = transcripts_of(root, "test-clean", FIRST)
    file.write_bytes(b"61-70968-0000 'TIS SO\n61-70968-0002 CAF\xc9\n")
    assert f"{file}, line 2: not UTF-8" in refusal(open_split, str(root), "test-clean")


def test_a_chapter_needs_its_transcripts(root):
    file = transcripts_of(root, "test-clean", FIRST)
    file.write_text("\n")
    assert f"{file} is empty. Unpack" in refusal(open_split, str(root), "test-clean")
    file.unlink()
    assert f"{file} is missing, so nothing says what is spoken" in refusal(open_split, str(root), "test-clean")


def test_a_subset_needs_an_utterance(tmp_path):
    (tmp_path / "LibriSpeech/test-clean/.hidden/1").mkdir(parents=True)
    assert "test-clean holds no utterance.\nLibriSpeech is expected" in refusal(open_split, str(tmp_path), "test-clean")


def test_transcripts_without_audio_are_counted_and_the_first_are_named(root):
    split = open_split(str(root), "test-clean")
    split.path(2).unlink()
    expected = f"{root / 'LibriSpeech/test-clean'}: 1 transcripts without audio, first 61-70968-0002. Unpack"
    assert expected in refusal(split.require_audio)
    for index in (0, 1, 3):
        split.path(index).rename(split.path(index).with_suffix(".wav"))
    expected = "4 transcripts without audio, first 1089-134686-0000, 61-70968-0000, 61-70968-0002. Unpack"
    assert expected in refusal(split.require_audio)


def test_audio_without_a_transcript_is_counted_and_the_first_are_named(root):
    split = open_split(str(root), "test-clean")
    for number in (9, 8):
        shutil.copy(split.path(2), split.path(2).with_name(f"61-70968-000{number}.flac"))
    expected = "2 audio files without a transcript, first 61-70968-0008, 61-70968-0009. Unpack"
    assert expected in refusal(split.require_audio)


def test_audio_in_the_folder_of_another_chapter_is_missing(root):
    split = open_split(str(root), "test-clean")
    split.path(0).rename(split.path(3).with_name(split.path(0).name))
    assert "1 transcripts without audio, first 1089-134686-0000" in refusal(split.require_audio)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ("elsewhere", "elsewhere/LibriSpeech/test-clean is missing. LibriSpeech is expected"),
        ("LibriSpeech", "Set DATA to the folder above LibriSpeech"),
        ("LibriSpeech/test-clean", "LibriSpeech/test-clean is one subset of it. Set DATA to the folder above"),
        ("LibriSpeech/test-clean/61", "LibriSpeech is expected as its archives unpack"),
    ],
)
def test_a_folder_too_high_or_too_low_is_named(root, data, part):
    for call in ((open_split, str(root / data), "test-clean"), (check, str(root / data), False, False)):
        message = refusal(*call)
        assert part in message
        assert str(root / data) in message


def test_a_hub_data_set_is_not_read():
    for call in ((open_split, "hf:openslr/librispeech_asr", "test-clean"), (check, "hf:x", True, True)):
        message = refusal(*call)
        assert "LibriSpeech is read from a folder" in message
        assert "make data-librispeech DATA=<root>" in message


def test_a_packed_archive_is_no_subset_but_is_seen(root):
    assert "Its archive is there" not in refusal(open_split, str(root), "test-other")
    (root / "test-other.tar.gz").touch()
    message = refusal(open_split, str(root), "test-other")
    assert f"test-other is missing. Its archive is there: `make data-librispeech DATA={root}` unpacks it." in message


@pytest.mark.parametrize(
    "line",
    [
        f"61-70968-0000{' ' * 300_000}1",
        f"61-70968-0000 {'A' * 300_000}1",
        f"61-70968-0000 {chr(39) * 300_000}1",
        f"61-70968-0000 {' A' * 150_000}1",
        "6" * 300_000,
    ],
    ids=["spaces", "letters", "apostrophes", "words", "id"],
)
def test_long_lines_are_refused_at_once(root, line):
    transcripts_of(root, "test-clean", FIRST).write_text(line)
    start = time.perf_counter()
    assert "line 1: expected" in refusal(open_split, str(root), "test-clean")
    assert time.perf_counter() - start < 1


# The look before a run


def test_only_training_needs_training_and_development(root):
    for full in (False, True):
        assert check(str(root), training=False, full=full)
        assert "train-clean-100 is missing" in refusal(check, str(root), True, full)
    write_tree(root, {TRAIN[0]: ONE})
    assert "dev-clean is missing" in refusal(check, str(root), True, False)
    write_tree(root, {"dev-clean": ONE})
    check(str(root), training=True, full=False)


@pytest.mark.parametrize("absent", [*TRAIN, "dev-clean"])
def test_a_full_training_needs_every_subset_of_its_recipe(root, absent):
    write_tree(root, {split: ONE for split in (*TRAIN, "dev-clean") if split != absent})
    assert f"LibriSpeech/{absent} is missing" in refusal(check, str(root), True, True)
    write_tree(root, {absent: ONE})
    check(str(root), training=True, full=True)


def test_one_test_set_is_enough_and_the_other_is_noted(root):
    note = "test-other is not there, so its readings stay `not run`"
    assert check(str(root), training=False, full=False) == [note]
    write_tree(root, {"test-other": ONE})
    assert check(str(root), training=False, full=False) == []
    shutil.rmtree(root / "LibriSpeech/test-clean")
    assert check(str(root), training=False, full=False) == [note.replace("other", "clean")]
    shutil.rmtree(root / "LibriSpeech/test-other")
    assert "LibriSpeech/test-clean is missing" in refusal(check, str(root), False, False)


def test_another_number_of_utterances_is_noted_before_a_full_run(root, monkeypatch):
    write_tree(root, {"test-other": ONE})
    notes = check(str(root), training=False, full=True)
    for note, part in zip(notes, ("test-clean is not whole (4 utterances, officially 2,620)", "2,939"), strict=True):
        for each in (part, "unofficial", "`not comparable`"):
            assert each in note
    monkeypatch.setitem(librispeech.OFFICIAL, "test-clean", 4)
    monkeypatch.setitem(librispeech.OFFICIAL, "test-other", 1)
    assert check(str(root), training=False, full=True) == []


def test_a_full_run_reads_the_transcripts_before_it_starts(root):
    transcripts_of(root, "test-clean", FIRST).write_text(f"{FIRST} he began\n")
    check(str(root), training=False, full=False)
    assert "line 1: expected" in refusal(check, str(root), False, True)
