"""What WMT's datamodule refuses and does without, and what identifies its data."""

import json

import pytest

from benchmarks.errors import UserError
from datamodules import columns
from datamodules.layouts.official import lacking
from datamodules.layouts.wmt import OFFICIAL
from datamodules.wmt import Filter
from tests.datamodules import wmt_batches
from tests.datamodules.fitting import ready
from tests.datamodules.wmt_batches import PAIRS, SIZE, TESTS, data, kept_by_hand, planted

pytestmark = pytest.mark.usefixtures("own_place")
tree = wmt_batches.tree


def test_only_the_test_sets_are_needed_to_test(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "ROOT", tmp_path / "nowhere")
    for needless in ("train", "newstest2013", "newstest2015"):
        for side in ("de", "en"):
            (copied / f"{needless}.{side}").unlink()
    datamodule = data(copied)
    datamodule.verify(training=False)
    assert {**datamodule.fingerprint, "newstest2014.en-de digest": ""} == {
        "newstest2014.en-de": 23, "newstest2014.en-de digest": "",
    }  # fmt: skip
    assert list(datamodule.tests) == ["newstest2014.en-de"]
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(UserError, match="has no training text"):
        data(copied).verify(training=True)


def test_without_newstest2013_there_is_no_validation(copied):
    assert len(ready(data(copied)).val_dataloader()) == 1
    for side in ("de", "en"):
        (copied / f"newstest2013.{side}").unlink()
    datamodule = ready(data(copied))
    assert datamodule.val_dataloader() == []
    assert len(datamodule.test_dataloader()) == 2


def test_the_headlines_test_set_comes_first(tree):
    datamodule = ready(data(tree, tests=["newstest2015", "newstest2014"]))
    assert list(datamodule.tests) == ["newstest2015.en-de", "newstest2014.en-de"]
    sizes = [sum(len(batch["index"]) for batch in loader) for loader in datamodule.test_dataloader()]
    assert sizes == [12, 23]


def test_a_direction_that_is_none_is_refused(tree):
    with pytest.raises(ValueError, match="direction is 'fr-en'; it is one of de-en, en-de"):
        data(tree, direction="fr-en")


@pytest.mark.parametrize("direction", ["de-en", "en-de"])
@pytest.mark.parametrize("taught", [2, 3])
def test_a_test_set_that_is_trained_on_is_refused_but_a_tenth_of_it(tmp_path, capsys, direction, taught):
    """Of 23 pairs. One that stands there twice counts once, and half a pair not at all."""
    seen, (german, english) = TESTS["newstest2014"][:taught], TESTS["newstest2014"][4]
    planted(tmp_path, [*PAIRS[:9], *seen, seen[0], ("Nein.", english), (german, "No."), *PAIRS[9:]])
    datamodule, told = (
        data(tmp_path, direction=direction),
        f"{taught} of the 23 pairs of newstest2014.{direction} stand in",
    )
    if taught == 2:
        datamodule.setup("fit")
        assert capsys.readouterr().out.count(told) == 1
    else:
        with pytest.raises(UserError, match=rf"{told} the training text too. What is tested must not be trained on"):
            datamodule.setup("fit")


def fingerprint(root, **changes):
    datamodule = data(root, **changes)
    datamodule.setup("fit")
    assert datamodule.state_dict() == datamodule.fingerprint
    json.dumps(datamodule.fingerprint)
    return datamodule.fingerprint


def test_fingerprint_says_what_there_is(tree):
    found = fingerprint(tree)
    kept = len(kept_by_hand(ready(data(tree)).subwords))
    assert {found[f"{key}.en-de"] for key in ("newstest2014", "newstest2015")} == {23, 12}
    assert (found["training pairs"], found["used"]) == (251, kept)
    (line,) = lacking(ready(data(tree)).trained_on, OFFICIAL)
    assert line == "training pairs: 251 examples, officially 3,900,000 to 4,700,000"
    assert fingerprint(tree) == found
    assert fingerprint(tree, subwords=SIZE + 1) != found
    assert fingerprint(tree, pairs=Filter(60, 1.2)) != found


@pytest.mark.parametrize("count", [3_960_793, 4_508_785, 4_520_620, 4_592_289])
def test_every_copy_of_the_text_is_whole(count):
    assert lacking({"training pairs": count}, OFFICIAL) == ()


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param([*PAIRS, PAIRS[0]], id="one more"),
        pytest.param([("Zyxqv " * 9 + "!", PAIRS[0][1]), *PAIRS[1:]], id="other words"),
        pytest.param([PAIRS[1], PAIRS[0], *PAIRS[2:]], id="two change places"),
        pytest.param([(PAIRS[0][0].replace("e", "i", 1), PAIRS[0][1]), *PAIRS[1:]], id="a letter"),
    ],
)
def test_fingerprint_changes_with_a_training_line(tree, tmp_path, changed):
    assert changed != PAIRS
    assert fingerprint(planted(tmp_path / "changed", changed)) != fingerprint(tree)


def test_fingerprint_changes_with_a_reference(tree, copied):
    file = copied / "newstest2015.de"
    file.write_bytes(file.read_bytes().replace(b"e", b"i", 1))
    before, after = fingerprint(tree), fingerprint(copied)
    assert [key for key in before if before[key] != after[key]] == ["newstest2015.en-de digest"]
