"""Files of translations: what is written is read again, and every mistake that a file can hold is named."""

import pytest

from results.scoring import translation
from results.scoring.translation import Truth, read, write
from tests.refusals import assert_told
from tests.results.translations import GOOD, NASTY, REFERENCES, numbered, saved


@pytest.fixture
def truth():
    return numbered(REFERENCES)


@pytest.fixture
def nasty():
    return [heard for heard, _ in NASTY.values()], numbered([said for _, said in NASTY.values()])


def test_what_is_written_is_read_again(tmp_path, nasty):
    hypotheses, truth = nasty
    paths = [tmp_path / name for name in ("hyp.txt", "ref.txt", "src.txt")]
    assert write(tmp_path, hypotheses, truth) == paths
    assert sorted(tmp_path.iterdir()) == paths
    for file, texts in zip(paths, (hypotheses, truth.references, truth.sources), strict=True):
        assert file.read_bytes() == "".join(f"{text}\n" for text in texts).encode()
    assert translation.files(tmp_path) == paths[:1] == translation.files(paths[0])
    for path in (tmp_path, paths[0]):
        found = read(path, truth)
        assert found.hypotheses == tuple(hypotheses)
        assert (found.scored, found.unique) == (len(hypotheses), len(hypotheses))


@pytest.mark.parametrize(
    ("hypothesis", "stored"),
    [
        ("Das\nHaus", "Das Haus"),
        ("\nDas\n\nHaus\n", " Das  Haus "),
        ("Das\r\nHaus", "Das\r Haus"),
        ("Das\0Haus", "Das Haus"),
        ("\n", " "),
    ],
)
def test_a_hypothesis_stays_on_its_line(tmp_path, truth, hypothesis, stored):
    write(tmp_path, ["A", hypothesis, "C", "D"], truth)
    assert (tmp_path / "hyp.txt").read_bytes().count(b"\n") == 4
    assert read(tmp_path, truth).hypotheses == ("A", stored, "C", "D")


@pytest.mark.parametrize("first", ["\ufeffDas Haus", "\ufeff\ufeffDas Haus"])
def test_no_byte_order_mark_is_written(tmp_path, truth, first):
    # The command line would read it as a character, and we as none.
    write(tmp_path, [first, "\ufeffDas", "", ""], truth)
    assert read(tmp_path, truth).hypotheses == ("Das Haus", "Das", "", "")
    assert (tmp_path / "hyp.txt").read_bytes().startswith(b"Das")


def test_empty_hypotheses_at_both_ends_are_kept(tmp_path, truth):
    write(tmp_path, ["", "B", "", ""], truth)
    assert read(tmp_path, truth).hypotheses == ("", "B", "", "")


@pytest.mark.parametrize("hypotheses", [[], GOOD[:3], [*GOOD, "zu viel"], [*GOOD[:3], "\ud800"]], ids=repr)
def test_hypotheses_that_no_file_can_hold_are_not_written(tmp_path, truth, hypotheses):
    with pytest.raises(ValueError, match=r"hypotheses for 4 sentences|surrogates"):
        write(tmp_path, hypotheses, truth)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("sources", "references", "message"),
    [
        (["a", "b\nc"], ["d", "e"], "sentence 2 holds a line break"),
        (["a", "b"], ["d\0", "e"], "sentence 1 holds a line break or a NUL"),
        (["a", "b"], ["\ufeffd", "e"], "byte order mark"),
        (["\ufeffa", "b"], ["d", "e"], "byte order mark"),
        (["a"], ["d", "e"], "zip"),
    ],
)
def test_a_truth_that_no_file_can_hold_is_refused(sources, references, message):
    with pytest.raises(ValueError, match=message):
        Truth(("1", "2"), tuple(sources), tuple(references))


BAD = {
    # what is wrong: (the content, what the message must say: where, what, and what to do)
    "a line too few": (GOOD[:3], ["3 lines, but the test set has 4 sentences", r"one line a sentence, ended by \n"]),
    "a line too many": ([*GOOD, "mehr"], ["5 lines, but the test set has 4 sentences", "in the order of the test set"]),
    "a blank line at the end": ([*GOOD, ""], ["5 lines, but"]),
    "a blank line between": ([GOOD[0], "", *GOOD[1:]], ["5 lines, but"]),
    "an empty last line without its end": (b"A\nB\nC\n", ["3 lines, but", "an empty one where there is no trans"]),
    "empty": (b"", ["0 lines, but the test set has 4"]),
    "another test set": (GOOD * 1_000, ["4,000 lines, but the test set has 4"]),
    "lines that end at CR": ("\r".join(GOOD).encode(), ["1 lines, but", r"ended by \n"]),
    "lines that end at U+2028": ("\u2028".join(GOOD).encode(), ["1 lines, but"]),
    "UTF-16": ("\n".join(GOOD).encode("utf-16"), [": text in UTF-16; save it in UTF-8"]),
    "Latin-1": (b"A\nB\nstra\xdfe\nD\n", [", line 3: not UTF-8; save it in UTF-8"]),
    "all that fairseq says": (
        b"S-2\tc\nH-2\t-0.1\tC\nD-2\t-0.1\tC\nP-2\t-0.1\nS-0\ta\n",
        ["5 lines, but", "fairseq's generate says", "`grep ^D- hyp.txt | sort -V | cut -f3-`"],
    ),
    "all that an older fairseq says": (
        b"INFO\nS-2\tc\nH-2\t-0.1\tC\nP-2\t-0.1\nS-0\ta\n",
        ["5 lines, but", "`grep ^H- hyp.txt | sort -V | cut -f3-`"],
    ),
    "NUL": (b"A\nB\n\0\nD\n", [", line 3: holds a NUL byte"]),
}


@pytest.mark.parametrize(("content", "parts"), BAD.values(), ids=BAD.keys())
def test_mistakes_are_named_with_their_place_and_remedy(tmp_path, truth, content, parts):
    file = saved(tmp_path, content)
    for path in (file, tmp_path):
        assert_told([str(file), *parts], read, path, truth)


# References beside the hypotheses


LATER = [*REFERENCES[:1], "Er geht nach Haus.", REFERENCES[2], "Die Sonne."]


@pytest.mark.parametrize(
    ("references", "parts"),
    [
        (LATER, [", line 2: expected DATA's reference 'Er geht „nach Hause“.'; got 'Er geht nach Haus.'"]),
        (REFERENCES[:3], [", line 4: expected DATA's reference 'Die Sonne", "; got the end of the file"]),
        ([*REFERENCES, ""], [", line 5: expected no more lines; got ''"]),
        ([REFERENCES[0].lower(), *REFERENCES[1:]], [", line 1: expected"]),
        ([REFERENCES[0].replace(" ", ""), *REFERENCES[1:]], [", line 1: expected"]),
        ([], [", line 1: expected", "; got the end of the file"]),
        (b"\xff", [", line 1: not UTF-8"]),
    ],
    ids=["another", "too few", "too many", "case", "spaces", "empty", "not UTF-8"],
)
def test_references_beside_the_hypotheses_must_be_those_of_the_truth(tmp_path, truth, references, parts):
    hypotheses, file = saved(tmp_path, GOOD), saved(tmp_path, references, "ref.txt")
    remedy = [] if isinstance(references, bytes) else ["remove the file if it is stale"]
    for path in (hypotheses, tmp_path):
        assert_told([str(file), *parts, *remedy], read, path, truth)
    hypotheses.rename(tmp_path / "another.txt")
    assert read(tmp_path / "another.txt", truth).scored == 4, "the references are those of hyp.txt"


@pytest.mark.parametrize(
    "references",
    [
        pytest.param(None, id="none"),
        pytest.param("\r\n".join(REFERENCES).encode() + b"\r\n", id="CRLF"),
        pytest.param([text.replace(" ", "\u00a0 ") for text in REFERENCES], id="other white space"),
        pytest.param(b"\xef\xbb\xbf" + "\n".join(REFERENCES).encode(), id="byte order mark, no end"),
    ],
)
def test_references_may_be_missing_or_saved_by_another_system(tmp_path, truth, references):
    saved(tmp_path, GOOD)
    if references is not None:
        saved(tmp_path, references, "ref.txt")
    assert read(tmp_path, truth).hypotheses == GOOD
