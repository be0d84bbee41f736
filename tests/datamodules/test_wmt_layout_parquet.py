"""WMT as Parquet, in a folder and from the hub: read back, told apart by its rows, and every refusal."""

import datasets
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from datamodules.layouts.wmt import check, open_test, open_training, present
from tests.datamodules.wmt_forms import ENGLISH, GERMAN, HUB, PAIRS, ROWS, hub_tree, pairs_of, put, read, shard
from tests.refusals import refusal

pytestmark = pytest.mark.usefixtures("own_cache")


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
