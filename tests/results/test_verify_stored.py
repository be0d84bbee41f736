"""`verify` scores the files that a record names, whatever lies beside them, and says where it scored nothing."""

import json
import shutil
from dataclasses import astuple, replace

import pytest

from benchmarks.measure import stored
from benchmarks.schema import Examples
from benchmarks.strict import load_claim, load_record
from results.scoring import go
from results.verify import check, verdict
from tests.conftest import ROOT
from tests.results.records import copy_committed, record, sealed

RUN = ROOT / "results/records/locomotion_walk/full-hopper-ppo-s2-de3eff10c1ff"
AGREES = "1 of 1 files as recorded; Hopper-v5/return 3372.67 by Python; Hopper-v5/return 3372.67 by our own scoring"


def verified(workshop):
    """Exit code and the line of the one record."""
    code, out, err = workshop.call("verify")
    assert err == ""
    line, _ = out.splitlines()
    return code, line


def test_predictions_are_scored_whatever_the_name_of_their_file(workshop):
    """Beside them lie another run's, under the name that ours have, and what is no film."""
    theirs = workshop.root / "p1"
    theirs.mkdir()
    shutil.copy(RUN / "episodes.csv", theirs / "theirs.csv")
    code, out, err = workshop.call("validate", "locomotion_walk", "--predictions=p1/theirs.csv", "--variant=hopper-ppo")
    assert code == 0, (out, err)
    code, alone = verified(workshop)
    assert (code, alone.split()[0]) == (0, "ok")
    assert alone.endswith(AGREES)
    shutil.copy(RUN.with_name(RUN.name.replace("-s2-", "-s3-")) / "episodes.csv", theirs)
    (theirs / "film.json").write_text("not of a robot")
    assert verified(workshop) == (0, alone)


def test_a_message_names_the_recorded_file(workshop):
    theirs = workshop.root / "p1" / "theirs.csv"
    theirs.parent.mkdir()
    shutil.copy(RUN / "episodes.csv", theirs)
    assert workshop.call("validate", "locomotion_walk", "--predictions=p1/theirs.csv", "--variant=hopper-ppo")[0] == 0
    theirs.write_text(theirs.read_text().replace("Hopper-v5,4001,0", "Hopper-v5,4001,0.5"))
    code, line = verified(workshop)
    assert code == 1
    assert "our own scoring refuses the predictions: p1/theirs.csv, line 2: " in line


def test_games_that_were_not_recorded_are_left_alone(tmp_path):
    pytest.importorskip("pyspiel")
    claim = load_claim("go")
    honest = load_record(next((ROOT / "results/records/go").glob("full-dqn-s0-*.json")))
    files = []
    for each in honest.predictions:
        copy = shutil.copy(ROOT / each.path, tmp_path)
        files.append(replace(each, path=str(copy)))
    shutil.copy(tmp_path / "000-black.sgf", tmp_path / "100-black.sgf")
    found = [*check(claim, replace(honest, predictions=tuple(files)))]
    assert "contradicts" not in dict(found)
    assert sum(kind == "agrees" for kind, _ in found) == 2
    assert len(go.files(tmp_path)) == len(files) + 1


def test_where_nothing_can_be_scored_again_the_word_is_unchecked(workshop, wmt_tree):
    (workshop.root / "my.txt").write_text("A sentence.\n" * 11)
    asked = ("--profile=mini", f"--data={wmt_tree}", "--predictions=my.txt")
    code, out, err = workshop.call("validate", "wmt_rnn", *asked)
    assert code == 0, (out, err)
    code, line = verified(workshop)
    assert (code, line.split()[:2]) == (0, ["unchecked", "wmt_rnn"])
    assert "sacrebleu needs ref.txt, which is not here" in line
    assert "our own scoring needs the data" in line
    assert line.endswith("; nothing of newstest2015 was scored again")


@pytest.mark.parametrize(
    ("predictions", "code", "word", "reason"),
    [
        ([], 1, "FAILED", "it names no predictions"),
        ([{"path": "results/none/episodes.csv", "sha256": "0" * 64}], 0, "unchecked", "1 of 2 files are not in this"),
    ],
)
def test_a_value_that_nothing_stored_vouches_for_is_not_ok(workshop, predictions, code, word, reason):
    file = copy_committed(workshop, "locomotion_walk", RUN.name) / f"{RUN.name}.json"
    content = json.loads(file.read_text()) | {"predictions": predictions}
    content["metrics"]["Hopper-v5/return"] |= {"value": 9999.0, "ci95": [9998.0, 10000.0]}
    file.write_text(sealed(content))
    found, line = verified(workshop)
    assert (found, line.split()[0]) == (code, word)
    assert reason in line
    assert line.endswith("nothing of Hopper-v5 was scored again")


def test_one_test_set_of_two_is_not_enough():
    """Whoever leaves the predictions of one out could write any value for it."""
    honest = load_record(RUN.with_suffix(".json"))
    more = honest.metrics | {"Ant-v5/return": honest.metrics["Hopper-v5/return"]}
    counted = Examples(*[2 * each for each in astuple(honest.examples)])
    found = [*check(load_claim("locomotion_walk"), replace(honest, metrics=more, examples=counted))]
    assert found[-1] == ("unscored", "nothing of Ant-v5 was scored again")
    assert (verdict(found), verdict(found[:-1])) == ("unchecked", "ok")


CORRECT, ALL = 80, 100  # of the images, by their first and by all five predictions


@pytest.fixture
def images(tmp_path):
    """Predictions of images, whose data are not here, and what an honest record says of them."""
    columns = ["id", "label", *(f"pred{rank}" for rank in range(1, 6)), *(f"score{rank}" for rank in range(1, 6))]
    rows = [f"{row},7,{'7,1' if row < CORRECT else '1,7'},2,3,4,0.5,0.2,0.1,0.05,0.01" for row in range(ALL)]
    file = tmp_path / "predictions.csv"
    file.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return record(
        top1=100 * CORRECT / ALL, top5=100.0, n=ALL, error=4.0, predictions=(stored(file),), config=None, official=False
    )


def contradictions(changed):
    return [words for kind, words in check(load_claim("imagenet"), changed) if kind == "contradicts"]


def test_a_metric_that_a_foreign_tool_finds_is_in_the_record(images):
    metrics = {"test/top5": images.metrics["test/top5"]}
    said = [each for each in contradictions(replace(images, metrics=metrics)) if each.startswith("test/top1 is by sci")]
    assert len(said) == 1
    assert said[0].endswith("alone, and not in the record")
    assert not [each for each in contradictions(images) if "alone" in each]


@pytest.mark.parametrize(("half", "fits"), [(7.84, True), (5.0, True), (15.0, True), (0.0, False), (3.0, False)])
def test_an_interval_of_a_share_is_as_wide_as_shares_have_it(images, half, fits):
    metrics = {key: replace(each, ci95=(each.value - half, each.value + half)) for key, each in images.metrics.items()}
    said = [each for each in contradictions(replace(images, metrics=metrics)) if "the interval of test/top1" in each]
    assert len(said) == (0 if fits else 1)
