"""Words beside predictions: stored with them, read for the sheet, and of no matter to any score."""

import json
import math

import msgspec
import numpy as np
import pytest

from benchmarks.errors import UserError
from results.scoring import classification
from results.scoring.classification import read, write
from results.scoring.words import SHOWN
from tests.refusals import assert_told

WORDS = [["a", 0.12345678], ['"ü,', -1], ["a", 0]]
STORED = {"neg/1_2": [["a", 0.1235], ['"ü,', -1.0], ["a", 0.0]]}


@pytest.fixture
def truth():
    return classification.Truth(("neg/0_1", "neg/1_2", "pos/0_9"), np.array([0, 0, 1]), num_classes=2)


def predicted(**second):
    """Predictions of which the second has words."""
    rows = [{"classes": [label, 1 - label], "scores": [0.75, 0.25]} for label in (0, 1, 1)]
    return [rows[0], rows[1] | {"words": WORDS} | second, rows[2]]


def without():
    return [{key: row[key] for key in ("classes", "scores")} for row in predicted()]


def test_words_are_stored_beside_the_predictions(tmp_path, truth):
    assert write(tmp_path, predicted(), truth) == [tmp_path / "predictions.csv", tmp_path / "words.json"]
    assert json.loads((tmp_path / "words.json").read_bytes()) == STORED
    for place in (tmp_path, tmp_path / "predictions.csv"):
        found = read(place, truth).words
        assert found == {"neg/1_2": (("a", 0.1235), ('"ü,', -1.0), ("a", 0.0))}


def test_words_survive_the_shards_of_a_test_loop_and_change_no_score(tmp_path, truth):
    write(tmp_path, json.loads(json.dumps(predicted())), truth)
    with_words, text = read(tmp_path, truth), (tmp_path / "predictions.csv").read_bytes()
    assert list(with_words.words) == ["neg/1_2"]
    write(tmp_path, without(), truth)
    assert (tmp_path / "predictions.csv").read_bytes() == text
    assert classification.score(with_words, truth) == classification.score(read(tmp_path, truth), truth)


@pytest.mark.parametrize("ranks", [1, 3, 8])
def test_words_of_the_mistakes_that_the_sheet_shows_are_kept_however_many_ranks_looked(tmp_path, ranks):
    """Each has looked into its own worst. Of two scores that are written alike, the earlier one is shown."""
    places = range(40)
    scores = [0.55 + (7 * place % 40) / 100 for place in places]
    scores[38] = scores[21] + 1e-9
    rows = [{"classes": [int(place != 17), int(place == 17)], "scores": [scores[place], 0]} for place in places]
    for rank in range(ranks):
        worst = sorted(set(places[rank::ranks]) - {17}, key=lambda place: scores[place])[-SHOWN - 1 :]
        for place in worst:
            rows[place] |= {"words": WORDS}
    truth = classification.Truth(tuple(map(str, places)), np.zeros(40, np.int64), num_classes=2)
    write(tmp_path, rows, truth)
    assert [*map(int, read(tmp_path, truth).words)] == [34, 11, 28, 5, 22, 39, 16, 33, 10, 27, 4, 21]


def test_where_no_prediction_has_words_no_file_is_left(tmp_path, truth):
    write(tmp_path, predicted(), truth)
    assert write(tmp_path, without(), truth) == [tmp_path / "predictions.csv"]
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]
    assert read(tmp_path, truth).words == {}


def test_words_belong_to_predictions_csv_alone(tmp_path, truth):
    write(tmp_path, predicted(), truth)
    (tmp_path / "predictions.csv").rename(tmp_path / "theirs.csv")
    assert read(tmp_path / "theirs.csv", truth).words == {}


def test_words_that_cannot_be_removed_are_named(tmp_path, truth):
    (tmp_path / "words.json").mkdir()
    with pytest.raises(UserError, match=r"words\.json"):
        write(tmp_path, without(), truth)


def test_a_failed_write_leaves_the_old_files(tmp_path, truth, monkeypatch):
    write(tmp_path, predicted(), truth)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="disk is full"):
        write(tmp_path, predicted(words=[["other", 0.5]]), truth)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("change", [1.5, -1.01, math.nan, math.inf])
def test_no_change_that_is_none_is_written(tmp_path, truth, change):
    with pytest.raises(ValueError, match="the word 'a' changes a probability by"):
        write(tmp_path, predicted(words=[["a", change]]), truth)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\xff", b"{", b"[]", b"{} x", msgspec.json.encode({"neg/1_2": "a"}),
        msgspec.json.encode({"neg/1_2": [["a"]]}), msgspec.json.encode({"neg/1_2": [["a", "0.5"]]}),
        msgspec.json.encode({"neg/1_2": [["a", 1.5]]}), msgspec.json.encode({"neg/1_2": [["a", math.nan]]}),
        msgspec.json.encode({"neg/1_2": [[1, 0.5]]}), msgspec.json.encode({"neg/9_2": [["a", 0.5]]}),
    ],
)  # fmt: skip
def test_malformed_words_are_named_with_their_remedy(tmp_path, truth, content):
    write(tmp_path, predicted(), truth)
    (tmp_path / "words.json").write_bytes(content)
    assert_told([str(tmp_path / "words.json"), "remove the file."], read, tmp_path, truth)
