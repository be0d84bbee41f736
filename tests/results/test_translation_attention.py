"""An attention beside translations: stored with them, read for the sheet, and of no matter to any score."""

import json
import math

import pytest

from results.scoring import translation
from results.scoring.attention import Attention
from results.scoring.translation import compared, read, score, write
from tests.refusals import assert_told, refusal
from tests.results.translations import GOOD, REFERENCES, numbered, saved


@pytest.fixture
def truth():
    return numbered(REFERENCES)


WEIGHTS = [[0.123456, 0.876544], [0.5, 0.5], [1, 0]]
ATTENDED = {"hypothesis": GOOD[1], "source": ["▁He", "</s>"], "target": ["▁Er", '"', "</s>"], "attention": WEIGHTS}
STORED = {
    "sentence": "2", "source": ["▁He", "</s>"], "target": ["▁Er", '"', "</s>"],
    "attention": [[0.1235, 0.8765], [0.5, 0.5], [1, 0]],
}  # fmt: skip


def with_attention(**changes):
    """Hypotheses of which the second has an attention."""
    return [GOOD[0], ATTENDED | changes, *GOOD[2:]]


def test_an_attention_is_stored_beside_the_hypotheses(tmp_path, truth):
    paths = [tmp_path / name for name in ("hyp.txt", "ref.txt", "src.txt", "attention.json")]
    assert write(tmp_path, with_attention(), truth) == paths
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert json.loads(paths[3].read_text()) == STORED
    assert translation.files(tmp_path) == paths[:1]
    for path in (tmp_path, paths[0]):
        found = read(path, truth)
        assert found.hypotheses == GOOD
        assert found.attention == Attention("2", ("▁He", "</s>"), ("▁Er", '"', "</s>"), found.attention.weights)
        assert found.attention.weights == ((0.1235, 0.8765), (0.5, 0.5), (1, 0))
    assert score(found, truth) == score(compared(GOOD, truth), truth)


def test_an_attention_survives_the_shards_of_a_test_loop(tmp_path, truth):
    write(tmp_path, json.loads(json.dumps(with_attention())), truth)
    assert read(tmp_path, truth).attention.sentence == "2"


def test_of_several_attentions_the_first_is_stored(tmp_path, truth):
    later = ATTENDED | {"hypothesis": "", "target": ["</s>"], "attention": [[0, 1]]}
    write(tmp_path, [GOOD[0], ATTENDED, later, later], truth)
    found = read(tmp_path, truth)
    assert found.hypotheses == (*GOOD[:2], "", "")
    assert (found.attention.sentence, len(found.attention.target)) == ("2", 3)


def test_a_stale_attention_is_removed(tmp_path, truth):
    write(tmp_path, with_attention(), truth)
    assert write(tmp_path, GOOD, truth) == [tmp_path / name for name in ("hyp.txt", "ref.txt", "src.txt")]
    assert not (tmp_path / "attention.json").exists()
    assert read(tmp_path, truth).attention is None


def test_an_attention_that_cannot_be_removed_is_named(tmp_path, truth):
    (tmp_path / "attention.json").mkdir()
    assert "attention.json" in refusal(write, tmp_path, GOOD, truth)


def test_an_attention_belongs_to_hyp_txt_alone(tmp_path, truth):
    write(tmp_path, with_attention(), truth)
    (tmp_path / "hyp.txt").rename(tmp_path / "another.txt")
    assert read(tmp_path / "another.txt", truth).attention is None
    assert compared(GOOD, truth).attention is None


@pytest.mark.parametrize(
    "changes",
    [
        {"attention": WEIGHTS[:2]},
        {"attention": [*WEIGHTS[:2], [1]]},
        {"attention": []},
        {"target": [], "attention": []},
        {"attention": [*WEIGHTS[:2], [1, -0.5]]},
        {"attention": [*WEIGHTS[:2], [1.5, 0]]},
        {"attention": [*WEIGHTS[:2], [math.nan, 1]]},
        {"source": ["\ud800", "</s>"]},
    ],
    ids=repr,
)
def test_no_attention_of_another_form_is_written(tmp_path, truth, changes):
    with pytest.raises(ValueError, match=r"rows of|from 0 to 1|surrogates"):
        write(tmp_path, with_attention(**changes), truth)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"{}", b"\xff", b'{"sentence": "\xff"}', b"null",
        STORED | {"attention": WEIGHTS[:2]}, STORED | {"source": ["a"]},
        STORED | {"target": "▁Er"}, STORED | {"attention": [["1", "0"]] * 3}, STORED | {"attention": [[2, 0]] * 3},
        STORED | {"attention": [[math.nan, 0]] * 3}, STORED | {"sentence": "5"}, STORED | {"sentence": 2},
        STORED | {"source": ["\ud800", "</s>"]},
    ],
    ids=repr,
)  # fmt: skip
def test_a_malformed_attention_is_named_with_its_remedy(tmp_path, truth, content):
    write(tmp_path, GOOD, truth)
    file = saved(tmp_path, content if isinstance(content, bytes) else json.dumps(content).encode(), "attention.json")
    for path in (tmp_path, tmp_path / "hyp.txt"):
        assert_told([str(file), "; remove the file."], read, path, truth)
    (tmp_path / "hyp.txt").rename(tmp_path / "another.txt")
    assert read(tmp_path / "another.txt", truth).attention is None
