"""WMT as plain text: which lines are read, and every refusal."""

import gzip
import pickle

import numpy as np
import pytest

from datamodules.layouts import wmt_text
from datamodules.layouts.wmt import check, open_test, open_training, present
from tests.datamodules.wmt_forms import ENGLISH, GERMAN, PAIRS, hub_tree, put, read
from tests.refusals import refusal

pytestmark = pytest.mark.usefixtures("own_cache")


# What is read


@pytest.mark.parametrize("end", ["\n", ""], ids=["ended", "last line without its end"])
def test_lines_end_at_line_feeds_alone_and_keep_every_character(tmp_path, end):
    put(tmp_path, "train", end=end)
    put(tmp_path, "newstest2014", end=end)
    assert read(open_training(str(tmp_path))) == PAIRS
    assert read(open_test(str(tmp_path), "newstest2014")) == PAIRS


def test_an_empty_last_line_counts_once(tmp_path):
    put(tmp_path, "train", ["a", ""], ["b", ""])
    assert (tmp_path / "train.de").read_bytes() == b"a\n\n"
    assert read(open_training(str(tmp_path))) == [("a", "b"), ("", "")]
    put(tmp_path, "train", [""], [""])
    assert read(open_training(str(tmp_path))) == [("", "")]


def test_a_byte_order_mark_falls_away_at_the_start_alone(tmp_path):
    put(tmp_path, "train", ["\ufeffeins", "\ufeffzwei"], ["one", "two"])
    assert read(open_training(str(tmp_path))) == [("eins", "one"), ("\ufeffzwei", "two")]


def test_lines_are_found_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(wmt_text, "BLOCK", 3)
    for length in range(2, 9):
        german = ["ä" * each for each in range(length)]
        put(tmp_path, "train", german, GERMAN[:1] * length, end="")
        assert [german for german, _ in read(open_training(str(tmp_path)))] == german


def test_corpora_follow_each_other_by_name_and_each_line_has_its_place(tmp_path):
    put(tmp_path, "train/news-commentary-v9.de-en", ["n0"], ["N0"])
    put(tmp_path, "train/europarl-v7.de-en", ["e0", "e1"], ["E0", "E1"])
    for stray in ("README.md", ".DS_Store", "._europarl-v7.de-en.de"):
        (tmp_path / "train" / stray).write_bytes(b"\xff")
    found = open_training(str(tmp_path))
    assert read(found) == [("e0", "E0"), ("e1", "E1"), ("n0", "N0")]
    places = [("europarl-v7.de-en.de", 1), ("europarl-v7.de-en.de", 2), ("news-commentary-v9.de-en.de", 1)]
    assert [found.where(i) for i in range(3)] == [f"{tmp_path}/train/{file}, line {line}" for file, line in places]


def test_a_pair_outside_is_no_pair(tmp_path):
    put(tmp_path, "train")
    put(tmp_path / "hub", "newstest2015")
    hub_tree(tmp_path / "hub", "wmt14")
    for root in (tmp_path, tmp_path / "hub"):
        found = open_training(str(root))
        for index in (-1, len(PAIRS)):
            for call in (found.pair, found.where) if root == tmp_path else (found.pair,):
                with pytest.raises(IndexError):
                    call(index)


@pytest.mark.parametrize("form", ["text", "parquet"])
def test_a_worker_gets_a_small_pickle_that_reads(tmp_path, form):
    if form == "text":
        put(tmp_path, "train", GERMAN * 500, ENGLISH * 500)
    else:
        hub_tree(tmp_path, "wmt14", PAIRS * 500)
    found = open_training(str(tmp_path))
    expected = read(found)
    assert expected == PAIRS * 500
    sent = pickle.dumps(found)
    assert len(sent) < 2 * 8 * len(found) + 5_000, "the places of the lines, no sentence"
    assert read(pickle.loads(sent)) == expected
    assert pickle.loads(sent).where(3) == found.where(3)


def test_training_text_is_no_python_object(tmp_path):
    put(tmp_path, "train")
    ((german, english),) = open_training(str(tmp_path)).corpora
    assert german.bounds.dtype == english.bounds.dtype == np.int64
    assert german.bounds.tolist()[:3] == [0, 10, 14], "`Ein Haus.` and `a\\rb`, each with its end"


# What is refused


def test_both_sides_must_have_as_many_lines(tmp_path):
    put(tmp_path, "train/a", ["a"], ["A"])
    put(tmp_path, "train/b", GERMAN, ENGLISH[:-1])
    message = refusal(open_training, str(tmp_path))
    assert f"{tmp_path}/train/b.de has 6 lines, but {tmp_path}/train/b.en has 5, so" in message
    put(tmp_path, "newstest2013", ["a"] * 1200, ["b"])
    assert "newstest2013.de has 1,200 lines, but" in refusal(open_test, str(tmp_path), "newstest2013")


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize(
    "wrong",
    [b"Gr\xf6\xdfe", b"\xc3", b"a\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"],
    ids=["latin-1", "cut", "rest", "overlong", "surrogate", "beyond Unicode", "two of three"],
)
@pytest.mark.parametrize("line", [1, 3, 4])
def test_text_must_be_utf8_and_the_line_is_named(tmp_path, language, wrong, line):
    put(tmp_path, "train", GERMAN[:4], ENGLISH[:4])
    file = tmp_path / f"train.{language}"
    lines = file.read_bytes().split(b"\n")[:4]
    lines[line - 1] = wrong
    file.write_bytes(b"\n".join(lines))
    assert f"{file}, line {line}: not UTF-8; save" in refusal(open_training, str(tmp_path))


@pytest.mark.parametrize(
    ("content", "said"),
    [("Größe\n".encode("utf-16"), "UTF-16"), (gzip.compress(b"a\n"), "packed by gzip; unpack it (`gunzip`)")],
    ids=["UTF-16", "gzip"],
)
def test_text_in_another_form_is_named(tmp_path, content, said):
    put(tmp_path, "train", GERMAN[:4], ENGLISH[:4])
    (tmp_path / "train.de").write_bytes(content)
    message = refusal(open_training, str(tmp_path))
    assert f"{tmp_path}/train.de: " in message
    assert said in message


def test_text_that_a_disk_lost_is_no_text(tmp_path):
    lines = [*ENGLISH[:2], "A" * 9 + "\0" * 63, ENGLISH[3]]
    put(tmp_path, "train", GERMAN[:4], lines)
    assert open_training(str(tmp_path)).pair(2)[1] == lines[2]
    put(tmp_path, "train", GERMAN[:4], [*lines[:2], lines[2] + "\0", lines[3]])
    assert f"{tmp_path}/train.en, line 3: holds zero bytes instead of text" in refusal(open_training, str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"], ids=["nothing", "byte order mark"])
def test_empty_files_are_refused(tmp_path, content):
    for stem, call in (("train", (open_training,)), ("newstest2014", (open_test, "newstest2014"))):
        put(tmp_path, stem)
        for language in ("en", "de"):
            (tmp_path / f"{stem}.{language}").write_bytes(content)
            assert f"{stem}.{language} is empty" in refusal(call[0], str(tmp_path), *call[1:])


LACKING = {
    # what is wrong: (files, what the message must say)
    "no English": (["train.de"], ["train lacks train.en. Put the other side"]),
    "no German": (["train.en"], ["train lacks train.de."]),
    "French": (["train.fr", "train.en"], ["train lacks train.de. train.fr is of another language pair"]),
    "French and Czech": (["train.fr", "train.cs"], ["has no training text (it holds train.cs, train.fr)"]),
    "packed": (["train.de.gz", "train.en.gz"], ["train.de.gz and train.en.gz still packed. Unpack"]),
    "one packed": (["train.de", "train.en.xz"], [": train.en.xz still packed"]),
    "one of the corpora": (["train/a.de", "train/a.en", "train/b.en"], ["/train: b lacks b.de."]),
    "another pair": (["train/a.de", "train/a.en", "train/b.fr", "train/b.en"], ["b.fr is of another language"]),
    "packed corpus": (["train/a.de.gz", "train/a.en.gz"], ["/train: a.de.gz and a.en.gz still packed"]),
    "archives": (["europarl.tgz", "newstest2014.de"], ["has no training text", "Still packed: europarl.tgz; unpack"]),
    "archives below": (["train/europarl.tgz"], ["Still packed: train/europarl.tgz; unpack"]),
    "empty folder": (["train/.hidden"], ["has no training text (it holds train).\nWMT's German"]),
    "nothing": ([".hidden"], ["has no training text (it holds nothing).\nWMT's German"]),
    "twice": (["train.de", "train.en", "train/a.de", "train/a.en"], ["twice: train.de and train.en beside train/."]),
}


@pytest.mark.parametrize(("files", "parts"), LACKING.values(), ids=LACKING.keys())
def test_what_is_missing_is_named(tmp_path, files, parts):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a\n")
    message = refusal(open_training, str(tmp_path))
    for part in (str(tmp_path), *parts):
        assert part in message


def test_a_packed_file_beside_its_text_is_harmless(tmp_path):
    put(tmp_path, "train")
    (tmp_path / "train.de.gz").write_bytes(gzip.compress(b"x"))
    assert read(open_training(str(tmp_path))) == PAIRS


def test_text_and_shards_are_not_mixed_in_training(tmp_path):
    hub_tree(tmp_path, "wmt14")
    put(tmp_path, "train")
    assert "twice: train.de and train.en beside train-*.parquet." in refusal(open_training, str(tmp_path))


def test_a_test_set_with_one_side_is_there_but_refused(tmp_path):
    put(tmp_path, "newstest2014")
    (tmp_path / "newstest2014.en").unlink()
    (tmp_path / "newstest2015.de.gz").write_bytes(gzip.compress(b"x"))
    for name, part in (("newstest2014", "lacks newstest2014.en."), ("newstest2015", "newstest2015.de.gz still packed")):
        assert present(str(tmp_path), f"{name}.de-en")
        assert part in refusal(open_test, str(tmp_path), name)
    assert not present(str(tmp_path), "newstest2013")
    assert "has no newstest2013 (it holds newstest2014.de" in refusal(open_test, str(tmp_path), "newstest2013")


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "train.de").mkdir()
    (tmp_path / "train.en").write_text("a\n")
    for name, part in (("nowhere", "No such file"), ("file", "Not a directory")):
        for call in ((open_training,), (open_test, "newstest2014"), (check, False, False)):
            message = refusal(call[0], str(tmp_path / name), *call[1:])
            assert f"{tmp_path / name}: {part}" in message
            assert "Set DATA to the folder" in message
    assert f"{tmp_path}/train.de cannot be read: Is a directory" in refusal(open_training, str(tmp_path))
