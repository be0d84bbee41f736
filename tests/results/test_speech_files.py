"""Files of transcripts: what is written is read again, and every mistake that one can hold is named."""

import re
import time
from itertools import product

import pytest

from results.scoring import speech
from results.scoring.speech import Truth, read, split_of, write
from tests.refusals import assert_told, refusal
from tests.results.transcripts import REFERENCES, numbered

GOOD = [f"{text} ({each})" for each, text in REFERENCES.items()]


@pytest.fixture
def truth():
    return Truth(tuple(REFERENCES), tuple(REFERENCES.values()))


def saved(folder, content, name="hyp.trn"):
    """A file of bytes, or of lines."""
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else "".join(f"{line}\n" for line in content).encode())
    return file


def test_what_is_written_is_read_again(tmp_path, truth):
    heard = ["HE BEGAN", "", "OUT (IN) THE WOODS", "go"]
    paths = [tmp_path / "hyp.trn", tmp_path / "ref.trn"]
    assert write(tmp_path, heard, truth) == paths
    assert speech.files(tmp_path) == paths[:1] == speech.files(paths[0])
    for path in (tmp_path, paths[0]):
        found = read(path, truth)
        assert found.hypotheses == tuple(heard)
        assert found.edits.tolist() == [3, 4, 1, 0]
        assert found.words.tolist() == [5, 4, 4, 1]
        assert (found.scored, found.unique) == (4, 4)


def test_the_files_are_what_the_official_tool_reads(tmp_path, truth):
    write(tmp_path, ["HE BEGAN", "", "OUT (IN) THE WOODS", "GO"], truth)
    assert saved(tmp_path, GOOD, "expected").read_bytes() == (tmp_path / "ref.trn").read_bytes()
    lines = (tmp_path / "hyp.trn").read_text().splitlines()
    assert lines == [
        "HE BEGAN (61-70968-0000)", "(61-70968-0001)", "OUT (IN) THE WOODS (672-122797-0000)", "GO (672-122797-0001)"
    ]  # fmt: skip
    # sclite takes the last parentheses of a line for the id, and what stands before them for the words.
    parsed = [re.fullmatch(r"(?:(\S.*) )?\(([^()]+)\)", line).groups() for line in lines]
    assert [each for _, each in parsed] == list(truth.ids)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\t", "  "])
def test_a_hypothesis_stays_on_its_line(tmp_path, truth, end):
    write(tmp_path, [f"{end}HE{end}BEGAN{end}", "", "", "GO"], truth)
    assert (tmp_path / "hyp.trn").read_bytes().count(b"\n") == 4
    assert read(tmp_path, truth).hypotheses == ("HE BEGAN", "", "", "GO")


@pytest.mark.parametrize("hypotheses", [[], ["GO"] * 3, ["GO"] * 5], ids=len)
def test_hypotheses_for_other_utterances_are_not_written(tmp_path, truth, hypotheses):
    with pytest.raises(ValueError, match="zip"):
        write(tmp_path, hypotheses, truth)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param([*GOOD[2:], *GOOD[:2]], id="in another order"),
        pytest.param("\r\n".join(GOOD).encode() + b"\r\n", id="CRLF"),
        pytest.param(b"\xef\xbb\xbf" + "\n".join(GOOD).encode(), id="byte order mark, no end"),
        pytest.param(["", GOOD[0], "  ", *GOOD[1:], "", ""], id="blank lines"),
        pytest.param([line.lower() for line in GOOD], id="lower case"),
        pytest.param([f"  {line.replace(' ', '   ')}\t " for line in GOOD], id="spaces"),
        pytest.param([line.replace(" (", "(") for line in GOOD], id="no space before the id"),
        pytest.param([line.replace("HE ", "HE\u2028").replace("IN ", "IN\x85") for line in GOOD], id="strange spaces"),
    ],
)
def test_harmless_variation_is_accepted(tmp_path, truth, content):
    found = read(saved(tmp_path, content), truth)
    assert found.edits.tolist() == [0, 0, 0, 0]
    assert found.words.tolist() == [5, 4, 4, 1]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("(672-122797-0001)", ""),
        ("   (672-122797-0001)", ""),
        ("(LAUGHS) (672-122797-0001)", "(LAUGHS)"),
        ("GO (ON (672-122797-0001)", "GO (ON"),
        ("GO) ((672-122797-0001)", "GO) ("),
        ("GO (672-122797-0000) (672-122797-0001)", "GO (672-122797-0000)"),
        ("GO\r(672-122797-0001)", "GO"),
    ],
)
def test_the_last_parentheses_hold_the_id(tmp_path, truth, line, words):
    assert read(saved(tmp_path, [*GOOD[:3], line]), truth).hypotheses[3] == words


BAD = {
    # what is wrong: (the lines, what the message must say: where, what, and what to do)
    "no id": ([*GOOD[:2], "OUT IN THE WOODS", GOOD[3]], [", line 3: expected `WORDS (utterance-id)`; got 'OUT IN"]),
    "id first": (["(61-70968-0000) HE BEGAN", *GOOD[1:]], [", line 1: expected", "(61-70968-0000) HE BEGAN"]),
    "id of another form": (["61-70968-0000 HE BEGAN", *GOOD[1:]], [", line 1: expected"]),
    "id not closed": ([*GOOD[:3], "GO (672-122797-0001"], [", line 4: expected"]),
    "empty id": ([*GOOD[:3], "GO ()"], [", line 4: expected"]),
    "id with a space": ([*GOOD[:3], "GO (672-122797 0001)"], [", line 4: expected"]),
    "comment": ([";; decoded greedily", *GOOD], [", line 1: expected", "decoded greedily"]),
    "after blank lines": (["", "", *GOOD, "GO"], [", line 7: expected"]),
    "long line": ([*GOOD, "GO " * 100_000], [", line 5: expected", "..."]),
    "twice": ([*GOOD, GOOD[1]], ["1 ids stand twice, first 61-70968-0001.", "exactly one line"]),
    "twice with other words": ([*GOOD, "NO (61-70968-0001)"], ["1 ids stand twice, first 61-70968-0001."]),
    "missing": (GOOD[:1], ["3 ids are missing, first 61-70968-0001, 672-122797-0000, 672-122797-0001", "of the 4"]),
    "one missing": (GOOD[:3], ["1 ids are missing, first 672-122797-0001.", "an empty one where nothing was heard"]),
    "unknown": ([*GOOD, "GO (672-122797-0002)"], ["1 ids are no utterances of the test set, first 672-122797-0002."]),
    "another split": (["GO (1-1-0001)", "GO (1-1-0000)"], ["2 ids are no utterances", "first 1-1-0000, 1-1-0001."]),
    "ids with their suffix": ([line.replace(")", ".flac)") for line in GOOD], ["4 ids are no utterances"]),
    "channel": ([line.replace(")", "-A)") for line in GOOD], ["first 61-70968-0000-A, 61-70968-0001-A, 672-1"]),
    "empty": ([], ["4 ids are missing"]),
    "UTF-16": ("\n".join(GOOD).encode("utf-16"), [": text in UTF-16; save it in UTF-8"]),
    "Latin-1": (f"{GOOD[0]}\nCAF\xc9 (61-70968-0001)".encode("latin-1"), [", line 2: not UTF-8; save it in UTF-8"]),
    "NUL": (f"{GOOD[0]}\n\0 (61-70968-0001)".encode(), [", line 2: holds a NUL byte"]),
}


@pytest.mark.parametrize(("content", "parts"), BAD.values(), ids=BAD.keys())
def test_mistakes_are_named_with_their_place_and_remedy(tmp_path, truth, content, parts):
    file = saved(tmp_path, content)
    assert_told([str(file), *parts], read, file, truth)


def test_references_beside_the_hypotheses_must_be_those_of_the_truth(tmp_path, truth):
    file = saved(tmp_path, GOOD)
    references = saved(tmp_path, [*GOOD[:2], GOOD[2].replace("WOODS", "WOOD"), GOOD[3]], "ref.trn")
    for path in (file, tmp_path):
        told = [str(references), "1 references differ", "first 672-122797-0000", "remove the file if it is stale"]
        assert_told(told, read, path, truth)
    file.rename(tmp_path / "another.trn")
    assert read(tmp_path / "another.trn", truth).scored == 4, "the references are those of hyp.trn"


@pytest.mark.parametrize(
    ("references", "part"),
    [
        ([line.lower() for line in reversed(GOOD)], None),
        (GOOD[1:], "1 references differ from DATA's transcripts, first 61-70968-0000"),
        (["(1-1-0000)"], "4 references differ"),
        ([GOOD[0], "GO"], ", line 2: expected"),
    ],
    ids=["the same", "missing", "another split", "malformed"],
)
def test_references_are_compared_as_words(tmp_path, truth, references, part):
    saved(tmp_path, GOOD)
    saved(tmp_path, references, "ref.trn")
    if part is None:
        assert read(tmp_path, truth).edits.sum() == 0
    else:
        assert part in refusal(read, tmp_path, truth)


def test_the_split_of_a_file_is_that_of_its_ids(tmp_path, truth):
    truths = {"test-other": numbered(["GO"] * 3), "test-clean": truth}
    assert split_of(saved(tmp_path, GOOD[:1]), truths) == "test-clean"
    assert split_of(saved(tmp_path, ["GO (1-1-0001)", "(9-9-9999)"]), truths) == "test-other"
    assert split_of(tmp_path, truths) == "test-other"


def test_a_file_of_two_test_sets_is_refused(tmp_path, truth):
    truths = {"test-other": numbered(["GO"] * 3), "test-clean": truth}
    file = saved(tmp_path, [*GOOD[:2], "GO (1-1-0001)"])
    said = f"{file} holds 1 of test-other and 2 of test-clean. Write a file a test set, and score one after the other."
    assert refusal(split_of, file, truths) == said


@pytest.mark.parametrize(
    ("change", "notes"),
    [
        (str.lower, []),
        (
            lambda line: line.replace(" (", ". ("),
            [
                "4 of 4 hypotheses hold characters that no transcript holds ('.' in 4); a word with one counts as "
                "wrong. Write words as the transcripts have them."
            ],
        ),
        (
            lambda line: line.replace("HE ", "h\u2019e "),
            ["3 of 4 hypotheses hold characters that no transcript holds ('\u2019' in 3); "],
        ),
    ],
)
def test_characters_that_nobody_said_are_named(tmp_path, truth, change, notes):
    found = read(saved(tmp_path, map(change, GOOD)), truth)
    told = [*speech.notes(found, truth)]
    assert len(told) == len(notes)
    assert all(one.startswith(other) for one, other in zip(told, notes, strict=True)), told


PARTS = (("TWO", "SEVEN", "MANY"), ("DOGS", "KINGS", "BOYS"), ("HILL", "BRIDGE", "WATER"))
UTTERANCES = numbered([f"{number} {name} WENT OVER THE {place}" for number, name, place in product(*PARTS)])
SAID = UTTERANCES.transcripts


def told(hypotheses):
    return [*speech.notes(speech.compared(hypotheses, UTTERANCES), UTTERANCES)]


@pytest.mark.parametrize(
    ("hypotheses", "note"),
    [
        (SAID, None),
        ([" ".join(text.split()[:3]) for text in SAID], None),
        ([text.replace("WENT", "WHEN").replace("OVER", "ON HER").replace("THE", "A") for text in SAID], None),
        (
            [text.replace(" ", "") for text in SAID],
            "nearly all words are wrong, but only 0 % of the letters: words seem",
        ),
        (
            [" ".join(text.replace(" ", "")) for text in SAID],
            "but only 0 % of the letters: words seem to be joined, or",
        ),
        ([f"{text} {text}" for text in SAID], None),
        ([*SAID[:9], *(f"{text} {'THE HILL ' * 40}" for text in SAID[9:])], None),
        (["EEE ET E"] * 27, "of the letters: if a trained recogniser heard them, it was in other utterances"),
        ([""] * 2 + [*SAID[2:]], None),
        ([" "] * 3 + [*SAID[3:]], "3 of 27 hypotheses are empty"),
        ([""] * 27, "27 of 27 hypotheses are empty"),
    ],
    ids=[
        "right",
        "half",
        "weak",
        "joined",
        "spelt",
        "said twice",
        "loops",
        "barely trained",
        "two empty",
        "three empty",
        "all empty",
    ],
)
def test_what_is_plainly_not_what_was_heard_is_told(hypotheses, note):
    found = told(hypotheses)
    assert len(found) == (note is not None)
    assert note is None or note in found[0]


def test_words_of_other_utterances_are_told():
    others = numbered(["OUT IN THE WOODS STOOD A FIR TREE", "GO DO YOU HEAR", "HE BEGAN A CONFUSED COMPLAINT"])
    shifted = speech.compared([*others.transcripts[1:], others.transcripts[0]], others)
    (note,) = speech.notes(shifted, others)
    assert note.startswith("nearly all words are wrong, and ")
    assert note.endswith("it was in other utterances. Write each under its own id.")


@pytest.mark.parametrize("content", [["GO (9-9-0000)", "NO (9-9-0001)"], []], ids=["unknown", "empty"])
def test_a_file_of_no_split_is_refused(tmp_path, truth, content):
    file = saved(tmp_path, content)
    message = refusal(split_of, file, {"test-clean": truth, "test-other": numbered(["GO"])})
    assert f"{file}: none of its {len(content)} ids is an utterance of test-clean or test-other." in message
    assert f"such as `WORDS ({truth.ids[0]})`" in message
    assert message.endswith("a file a test set. Its first id is '9-9-0000'." if content else "a file a test set.")


def test_the_split_of_a_malformed_file_is_not_guessed(tmp_path, truth):
    assert ", line 2: expected" in refusal(split_of, saved(tmp_path, [GOOD[0], "GO"]), {"test-clean": truth})


@pytest.mark.parametrize("middle", [" ", "(", ")", " (", "A ", "()", "\t", "(A) "])
@pytest.mark.parametrize("end", ["", " (672-122797-0001)"])
def test_long_lines_take_no_time(tmp_path, truth, middle, end):
    file = saved(tmp_path, [*GOOD[:3], f"GO{middle * 200_000}.{end}"])
    start = time.perf_counter()
    if end:
        assert read(file, truth).hypotheses[3] == f"GO{middle * 200_000}."
    else:
        assert ", line 4: expected" in refusal(read, file, truth)
    assert time.perf_counter() - start < 1
