"""`verify` scores the files that a record names, whatever lies beside them, and says where it scored nothing."""

import json
import shutil
from dataclasses import astuple, replace

import numpy as np
import pytest

from benchmarks.measure import HeldOut, measure, stored
from benchmarks.modules import scoring
from benchmarks.schema import Examples, StoredFile
from benchmarks.strict import load_claim, load_record
from results.scoring import classification, go, speech, translation
from results.verify import check, verdict
from tests.conftest import ROOT
from tests.results import translations
from tests.results.records import copy_committed, record, sealed
from tests.results.translations import GOOD, REFERENCES

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
    tree = shutil.copytree(wmt_tree, workshop.root / "tree")
    asked = ("--profile=mini", f"--data={tree}", "--predictions=my.txt")
    code, out, err = workshop.call("validate", "wmt_rnn", *asked)
    assert code == 0, (out, err)
    reference = tree / "newstest2015.en"
    for lose in (
        lambda: reference.write_text(reference.read_text().replace("\n", " now.\n", 1)),
        lambda: [shutil.rmtree(each) if each.is_dir() else each.unlink() for each in tree.iterdir()],  # as unmounted
        tree.rmdir,
    ):
        lose()
        code, line = verified(workshop)
        assert (code, line.split()[:2]) == (0, ["unchecked", "wmt_rnn"])
        assert "sacrebleu needs ref.txt, which is not here" in line
        assert "needs the data for the intervals of newstest2015, and tree does not hold them now" in line
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


# What is stored of the truth, where the data are not here.

COUNT = 40


def of_transcripts(rng):
    truth = speech.Truth(tuple(f"1-1-{number:04d}" for number in range(COUNT)), ("SO IT WAS (SHE SAID)", "YES") * 20)
    return truth, ["so it is", *truth.transcripts[1:]]


def of_sentences(rng):
    return translations.numbered(REFERENCES * 10), GOOD * 10


def of_labels(classes):
    def made(rng):
        truth = classification.Truth(tuple(map(str, range(COUNT))), rng.integers(0, classes, COUNT), classes)
        scores = [0.5, 0.2, 0.1, 0.05, 0.01][:classes]
        return truth, [{"classes": rng.permutation(classes)[:5], "scores": scores} for _ in range(COUNT)]

    return made


@pytest.fixture(
    params=[
        ("librispeech", speech, "test_clean", "test-clean", of_transcripts),
        ("wmt_transformer", translation, "newstest2014", "newstest2014.en-de", of_sentences),
        ("imagenet", classification, "test", "val", of_labels(9)),
        ("imdb", classification, "test", "test", of_labels(2)),
    ],
    ids=lambda param: param[0],
)
def elsewhere(request, tmp_path):
    """The record of a run whose data are not here, and its claim: predictions as runs store them."""
    benchmark, task, prefix, split, make = request.param
    truth, predictions = make(np.random.default_rng(5))
    claim = load_claim(benchmark)
    files = task.write(tmp_path, predictions, truth)
    scored = measure(HeldOut(claim, None, prefix, split, "", truth), tmp_path, {}, files)
    return claim, record(
        benchmark=benchmark, mode="validate", run_id="full-validate-abcabcabcabc", metrics=scored.metrics,
        examples=scored.examples, predictions=scored.predictions, config_hash=None, claim_hash=claim.hash,
        official=False, checkpoint=StoredFile("results/runs/x/last.ckpt", "0" * 64),
    )  # fmt: skip


def test_intervals_are_computed_again_from_the_references_stored(elsewhere):
    claim, honest = elsewhere
    found = [*check(claim, honest)]
    assert verdict(found) == "ok", found
    assert sum(words.endswith("by our own scoring with the references stored") for _, words in found) == 1
    for key, value in honest.metrics.items():
        low, high = value.ci95
        forged = replace(value, ci95=(low + 1e-6, high - 1e-6))
        found = [*check(claim, replace(honest, metrics=honest.metrics | {key: forged}))]
        assert verdict(found) == "FAILED"
        assert [words.split(" is ")[0] for kind, words in found if kind == "contradicts"] == [f"the interval of {key}"]


def test_an_interval_that_nothing_computes_again_is_not_ok(elsewhere, monkeypatch):
    claim, honest = elsewhere
    monkeypatch.delattr(scoring(claim), "stored_truth")
    found = [*check(claim, honest)]
    assert "agrees" in dict(found)  # a foreign tool finds the values
    assert verdict(found) == "unchecked"
    (prefix,) = {key.partition("/")[0] for key in honest.metrics}
    said = f"our own scoring needs the data for the intervals of {prefix}, and its record does not say where"
    assert [kind for kind, words in found if words.startswith(said)] == ["unscored"]


def test_emptied_files_contradict_their_record(elsewhere):
    claim, honest = elsewhere
    for each in honest.predictions:
        file = ROOT / each.path
        file.write_text(file.read_text().splitlines(keepends=True)[0] if file.suffix == ".csv" else "")
    found = [*check(claim, honest)]
    assert verdict(found) == "FAILED"
    assert [kind for kind, words in found if words.startswith("our own scoring refuses")] == ["contradicts"]


def test_labels_that_are_none_are_no_truth(images):
    file = ROOT / images.predictions[0].path
    file.write_text(file.read_text().replace("3,7,", "3,seven,", 1))
    refused = [each for each in contradictions(images) if each.startswith("our own scoring refuses the predictions")]
    assert len(refused) == 1
    assert "predictions.csv, line 5: label is 'seven'; expected an index" in refused[0]


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


@pytest.mark.parametrize(
    ("half", "fits"),
    [(7.84, True), (7.4, True), (8.3, True), (5.0, False), (15.0, False), (0.0, False), (3.0, False)],
)
def test_an_interval_of_predictions_by_others_is_as_wide_as_theirs_in_any_order(images, half, fits):
    """1.96 times the root of 80 x 20 / 100, which a bootstrap knows to some hundredths."""
    metrics = {key: replace(each, ci95=(each.value - half, each.value + half)) for key, each in images.metrics.items()}
    said = [each for each in contradictions(replace(images, metrics=metrics)) if "the interval of test/top1" in each]
    assert len(said) == (0 if fits else 1)
