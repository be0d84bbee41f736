"""`verify`: what is committed agrees with itself and with foreign tools, and a lie is found."""

import json
import shutil

import numpy as np
import pytest

from benchmarks.strict import load_claim
from results.foreign import classification as by_scikit_learn
from results.foreign import speech as by_jiwer
from results.foreign import translation as by_sacrebleu
from results.scoring import classification, speech, translation
from results.verify import check, verify
from tests.conftest import ROOT
from tests.results.records import record

RUN = "full-hopper-ppo-s2-131ea0f874d9"
RECORDS = "results/records/locomotion_walk"


def test_every_record_of_this_clone_agrees():
    told, agreed = verify()
    assert agreed, told
    lines = told.splitlines()
    committed = {path.stem for path in (ROOT / "results/records").glob("*/full-*.json")}
    assert len(committed) >= 40
    assert committed <= {line.split()[2].rstrip(":") for line in lines[:-1] if line.startswith("ok ")}
    assert lines[-1] == f"{len(lines) - 1} records, 0 of them contradicted by what is stored"


@pytest.fixture
def kept(workshop):
    """A workshop with one record and what is stored beside it."""
    folder = workshop.root / RECORDS
    shutil.copytree(ROOT / RECORDS / RUN, folder / RUN)
    shutil.copy(ROOT / RECORDS / f"{RUN}.json", folder)
    return folder


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def another_return(folder):
    path = folder / RUN / "episodes.csv"
    lines = path.read_text().splitlines()
    parts = lines[7].split(",")
    lines[7] = ",".join([*parts[:3], "9999.0", parts[4]])
    path.write_text("\n".join(lines) + "\n")


def another_value(folder):
    edit(folder / f"{RUN}.json", lambda content: content["metrics"]["Hopper-v5/return"].update(value=1400.0))


def another_interval(folder):
    edit(folder / f"{RUN}.json", lambda content: content["metrics"]["Hopper-v5/return"].update(ci95=[1377.0, 1378.0]))


def one_episode_less(folder):
    path = folder / RUN / "episodes.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def nothing_stored(folder):
    shutil.rmtree(folder / RUN)


def another_claim(folder):
    path = folder.parents[2] / "benchmarks/locomotion_walk/claim.yaml"
    text = path.read_text()
    assert "target: 2500\n" in text
    path.write_text(text.replace("target: 2500\n", "target: 2600\n"))


@pytest.mark.parametrize(
    ("change", "code", "verdict", "words"),
    [
        (None, 0, "ok", ["2 of 2 files as recorded", "1377.74 by Python", "1377.74 by our own scoring"]),
        (another_return, 1, "FAILED", ["episodes.csv is not the file that was recorded", "by Python"]),
        (another_value, 1, "FAILED", ["1400.0 in the record and 1377.7", "by Python", "by our own scoring"]),
        (another_interval, 1, "FAILED", ["the interval of Hopper-v5/return is (1377.0, 1378.0)"]),
        (one_episode_less, 1, "FAILED", ["our own scoring refuses the predictions"]),
        (nothing_stored, 0, "-", ["2 of 2 files are not in this clone"]),
        (another_claim, 0, "ok", ["the claim has changed since", "not comparable"]),
    ],
)
def test_what_is_said_of_a_record(workshop, kept, change, code, verdict, words):
    if change:
        change(kept)
    found, out, err = workshop.call("verify")
    assert (found, err) == (code, ""), (out, err)
    line, last = out.splitlines()
    assert line.split()[:3] == [verdict, "locomotion_walk", f"{RUN}:"]
    assert [each for each in words if each not in line] == []
    assert last == f"1 records, {code} of them contradicted by what is stored"


# Foreign tools against our own scoring, on files that our own scoring wrote.


@pytest.mark.parametrize("classes", [2, 4, 9])
def test_scikit_learn_finds_the_same_accuracies(tmp_path, classes):
    rng = np.random.default_rng(classes)
    truth = classification.Truth(tuple(map(str, range(57))), rng.integers(0, classes, 57), classes)
    scores = -np.sort(-rng.dirichlet(np.ones(classes), 57), axis=1)[:, :5]
    predictions = [
        {"classes": rng.permutation(classes)[:5].tolist(), "scores": row} for row in scores.tolist()
    ]  # fmt: skip
    classification.write(tmp_path, predictions, truth)
    ours = classification.score(classification.read(tmp_path, truth), truth)
    assert by_scikit_learn.score(tmp_path) == ours
    assert ours.keys() == {2: {"accuracy"}, 4: {"top1"}, 9: {"top1", "top5"}}[classes]


def test_jiwer_finds_the_same_word_errors(tmp_path):
    said = ("SO IT WAS", "A LONG WAY (SHE SAID)", "YES", "NO MORE OF THAT")
    heard = ("so it is", "a long long way she said", "", "NO MORE OF THAT")
    truth = speech.Truth(("1-2-0003", "1-2-0004", "1-2-0005", "9-2-0001"), said)
    speech.write(tmp_path, heard, truth)
    assert by_jiwer.score(tmp_path) == pytest.approx(speech.score(speech.read(tmp_path, truth), truth), rel=1e-14)


def test_sacrebleu_finds_the_same_scores(tmp_path):
    references = ("The cat sat on the mat.", "It rained all day, and nobody came.", "Yes.")
    truth = translation.Truth(("1", "2", "3"), ("Die Katze.", "Es regnete.", "Ja."), references)
    translation.write(tmp_path, ("The cat sat on a mat.", "It rained all day and no one came.", "Yes."), truth)
    assert by_sacrebleu.score(tmp_path) == translation.score(translation.read(tmp_path, truth), truth)


@pytest.mark.parametrize(
    ("tool", "file", "words"),
    [
        (by_jiwer, "hyp.trn", "jiwer needs ref.trn beside the predictions"),
        (by_sacrebleu, "hyp.txt", "sacrebleu needs ref.txt beside the predictions"),
    ],
)
def test_hypotheses_alone_are_not_enough(tool, file, words, tmp_path):
    (tmp_path / file).write_text("a\n")
    with pytest.raises(FileNotFoundError) as caught:
        tool.score(tmp_path)
    assert words.split()[2] in str(caught.value)


def test_a_record_whose_files_are_elsewhere_is_not_checked():
    found = list(check(load_claim("imagenet"), record()))
    assert found == [("unchecked", "2 of 2 files are not in this clone")]
