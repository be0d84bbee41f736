"""WMT's German and English as people have them: each form written for real and read back, and every refusal."""

import gzip
import pickle
import time

import datasets
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from benchmarks.errors import UserError
from datamodules.layouts import wmt, wmt_text
from datamodules.layouts.wmt import check, open_test, open_training, present
from results.scoring.translation import Truth

# What splits a line elsewhere, and what is lost by stripping.
GERMAN = ["Ein Haus.", "a\rb", "c\N{LINE SEPARATOR}d\N{NEXT LINE}e\x0b\x0c", "", " \tf\N{NO-BREAK SPACE}", "Größe"]
ENGLISH = ["A house.", "A\r", "\N{PARAGRAPH SEPARATOR}C\x1c\x1d\x1e", "", "F\t ", "size"]
PAIRS = list(zip(GERMAN, ENGLISH, strict=True))
ROWS = {"newstest2013": 3000, "newstest2014": 3003, "newstest2015": 2169}
HUB = {"wmt14": ("newstest2013", "newstest2014"), "wmt15": ("newstest2014", "newstest2015")}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def put(root, stem, german=GERMAN, english=ENGLISH, end="\n"):
    for language, lines in (("de", german), ("en", english)):
        file = root / f"{stem}.{language}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(("\n".join(lines) + end).encode())


def pairs_of(name):
    """As many pairs as the test set has, each of them its own."""
    return [(f"{name} deutsch {row}", f"{name} english {row}") for row in range(ROWS[name])]


def shard(file, pairs, languages=("de", "en")):
    features = datasets.Features(translation=datasets.Translation(languages))
    rows = {"translation": [dict(zip(languages, pair, strict=True)) for pair in pairs]}
    file.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(rows, features=features).to_parquet(file)


def hub_tree(folder, name, train=PAIRS):
    """As the hub has it: two shards to train on, one each for the others."""
    shard(folder / "train-00000-of-00002.parquet", train[:4])
    shard(folder / "train-00001-of-00002.parquet", train[4:])
    for split, held in zip(("validation", "test"), HUB[name], strict=True):
        shard(folder / f"{split}-00000-of-00001.parquet", pairs_of(held))


def read(opened):
    return [opened.pair(index) for index in range(len(opened))]


def refusal(call, *arguments):
    """What the user is told."""
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return str(caught.value)


# Plain text


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


# Parquet, in a folder and from the hub


@pytest.mark.parametrize("folder", [".", "data", "de-en", "hub"])
@pytest.mark.parametrize("name", HUB)
def test_the_number_of_rows_tells_which_test_set_it_is(tmp_path, folder, name):
    hub_tree(tmp_path / ("de-en" if folder == "hub" else folder), name)
    shard(tmp_path / "fr-en/train-00000-of-00001.parquet", [("a", "b")], ("fr", "en"))
    root = f"hf:{tmp_path}" if folder == "hub" else str(tmp_path)
    training = open_training(root)
    assert read(training) == PAIRS
    assert training.where(5) == f"{root}, row 5 of train"
    for each in HUB[name]:
        assert present(root, each)
        assert read(open_test(root, each)) == pairs_of(each)
    (absent,) = set(ROWS).difference(HUB[name])
    assert not present(root, absent)
    message = refusal(open_test, root, f"{absent}.de-en")
    held = " and ".join(
        f"{split} ({ROWS[each]:,} rows, as {each})"
        for split, each in zip(("validation", "test"), HUB[name], strict=True)
    )
    for part in (f"{root} has no {absent} ({ROWS[absent]:,} rows), but {held}", "Take another", "hf:<name>"):
        assert part in message
    assert check(root, training=False, full=True) == (
        [] if name == "wmt15" else ["newstest2015 is not there, so nothing that asks for it can be measured"]
    )


def test_the_hubs_other_configurations_are_left_alone(tmp_path):
    """Its card lists them, and `datasets` demands a choice; only the files of the split asked for may be fetched."""
    hub_tree(tmp_path / "de-en", "wmt14")
    splits = "".join(f"  - split: {split}\n    path: {{0}}/{split}-*\n" for split in ("train", "validation", "test"))
    entry = f"- config_name: {{0}}\n  data_files:\n{splits}"
    card = f"---\nconfigs:\n{entry.format('cs-en')}{entry.format('de-en')}---\n"
    (tmp_path / "README.md").write_text(card)
    for path in (tmp_path / "cs-en/train-00000-of-00001.parquet", *(tmp_path / "de-en").glob("train-*")):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"were this fetched, it would be an error")
    assert read(open_test(f"hf:{tmp_path}", "newstest2014")) == pairs_of("newstest2014")


def test_a_hub_that_gives_nothing(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    for call in ((open_training, "hf:nobody/nothing"), (check, "hf:nobody/nothing", False, False)):
        message = refusal(*call)
        assert "DATA=hf:nobody/nothing: the hub gave no de-en/" in message
        assert "Check name and network. hf:wmt/wmt14" in message


def test_text_adds_a_test_set_to_shards(tmp_path):
    hub_tree(tmp_path, "wmt14")
    put(tmp_path, "newstest2015")
    assert read(open_test(str(tmp_path), "newstest2015")) == PAIRS
    assert read(open_test(str(tmp_path), "newstest2013")) == pairs_of("newstest2013")
    assert check(str(tmp_path), training=True, full=False) == []
    put(tmp_path, "newstest2014", ENGLISH, GERMAN)
    assert read(open_test(str(tmp_path), "newstest2014")) == list(zip(ENGLISH, GERMAN, strict=True)), "text goes first"


def test_shards_of_unknown_length_are_no_test_set_but_leave_the_other_one(tmp_path):
    shard(tmp_path / "validation-00000-of-00001.parquet", pairs_of("newstest2015"))
    shard(tmp_path / "test-00000-of-00001.parquet", pairs_of("newstest2014")[:2737])
    assert len(open_test(str(tmp_path), "newstest2015")) == 2169
    message = refusal(open_test, str(tmp_path), "newstest2014")
    assert "validation (2,169 rows, as newstest2015) and test (2,737 rows, as the filtered newstest2014)" in message
    shard(tmp_path / "test-00000-of-00001.parquet", pairs_of("newstest2015"))
    assert "has newstest2015 twice: validation and test have 2,169 rows" in refusal(
        open_test, str(tmp_path), "newstest2015"
    )


def test_missing_and_doubled_shards_are_refused(tmp_path):
    hub_tree(tmp_path, "wmt14")
    (tmp_path / "train-00000-of-00002.parquet").unlink()
    message = refusal(open_training, str(tmp_path))
    assert f"{tmp_path} has 1 Parquet shards of train, but train-00001-of-00002.parquet says there are 2" in message
    hub_tree(tmp_path, "wmt14")
    hub_tree(tmp_path / "data", "wmt14")
    assert f"train lie in {tmp_path} and in {tmp_path / 'data'}." in refusal(open_training, str(tmp_path))


def arrow(**columns):
    return pa.table(columns)


TYPE = pa.struct([("de", pa.string()), ("en", pa.string())])
LATIN1 = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xe4"))
BAD = {
    # what is wrong: (the table, what the message must say)
    "no column": (arrow(de=["a"], en=["b"]), ["has no column translation (it has de, en)", '{"de": text']),
    "another pair": (arrow(translation=[{"fr": "a", "en": "b"}]), ["another language pair", "fr: string"]),
    "a text": (arrow(translation=["a"]), ["no parallel text"]),
    "numbers": (arrow(translation=[{"de": 1, "en": 2}]), ["no parallel text"]),
    "no rows": (pa.table({"translation": pa.array([], TYPE)}), []),
    "no sentence": (
        arrow(translation=[{"de": "a", "en": "b"}, {"de": "a", "en": None}]),
        ["row 1 of train: a sentence is missing"],
    ),
    "no pair": (
        pa.table({"translation": pa.array([{"de": "a", "en": "b"}, None], TYPE)}),
        ["row 1 of train: a sentence is missing"],
    ),
    "latin-1": (
        arrow(translation=pa.StructArray.from_arrays([LATIN1, pa.array(["c", "d"])], names=["de", "en"])),
        ["not UTF-8", "at string index 1"],
    ),
}


@pytest.mark.parametrize(("table", "parts"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("form", ["folder", "hub"])
def test_parquet_without_pairs_of_sentences_is_refused(tmp_path, table, parts, form):
    (tmp_path / "de-en").mkdir()
    parquet.write_table(table, tmp_path / "de-en/train-00000-of-00001.parquet")
    root = f"hf:{tmp_path}" if form == "hub" else str(tmp_path)
    message = refusal(open_training, root)
    for part in (root, *parts):
        assert part in message


def test_a_missing_sentence_is_found_behind_the_first_shard(tmp_path):
    shard(tmp_path / "train-00000-of-00002.parquet", PAIRS)
    shard(tmp_path / "train-00001-of-00002.parquet", [("a", "b"), (None, "c")])
    assert f"{tmp_path}, row 7 of train: a sentence is missing" in refusal(open_training, str(tmp_path))


def test_half_a_shard_is_refused(tmp_path):
    hub_tree(tmp_path, "wmt14")
    for split, call in (
        ("train-00001-of-00002", (open_training,)),
        ("test-00000-of-00001", (open_test, "newstest2014")),
    ):
        file = tmp_path / f"{split}.parquet"
        file.write_bytes(file.read_bytes()[:-50])
        message = refusal(call[0], str(tmp_path), *call[1:])
        assert f"Parquet shards of {split.partition('-')[0]} in {tmp_path} cannot be read" in message


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


# What is refused of plain text


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
    [b"Gr\xf6\xdfe", b"\xc3", b"a\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xff\xfea\0"],
    ids=["latin-1", "cut", "rest", "overlong", "surrogate", "beyond Unicode", "two of three", "UTF-16"],
)
@pytest.mark.parametrize("line", [1, 3, 4])
def test_text_must_be_utf8_and_the_line_is_named(tmp_path, language, wrong, line):
    put(tmp_path, "train", GERMAN[:4], ENGLISH[:4])
    file = tmp_path / f"train.{language}"
    lines = file.read_bytes().split(b"\n")[:4]
    lines[line - 1] = wrong
    file.write_bytes(b"\n".join(lines))
    assert f"{file}, line {line}: not UTF-8; save" in refusal(open_training, str(tmp_path))


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


# The look before a run


def test_only_training_needs_training_text(tmp_path):
    for name in ROWS:
        put(tmp_path, name)
    assert check(str(tmp_path), training=False, full=False) == []
    assert "has no training text" in refusal(check, str(tmp_path), True, False)
    put(tmp_path, "train")
    assert check(str(tmp_path), training=True, full=False) == []


@pytest.mark.parametrize("full", [False, True])
def test_one_test_set_is_enough_and_what_else_is_not_there_is_noted(tmp_path, full, monkeypatch):
    monkeypatch.setitem(wmt.OFFICIAL, "newstest2015", len(PAIRS))
    put(tmp_path, "newstest2015")
    put(tmp_path, "train")
    note = "{} is not there, so nothing that asks for it can be measured"
    assert check(str(tmp_path), training=False, full=full) == [note.format("newstest2014")]
    both = [note.format("newstest2013"), note.format("newstest2014")]
    assert check(str(tmp_path), training=True, full=full) == both
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
