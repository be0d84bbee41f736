"""Foreign tools against our own scoring, on files that our own scoring wrote."""

import re

import numpy as np
import pytest

from results.foreign import classification as by_scikit_learn
from results.foreign import detection as by_pycocotools
from results.foreign import speech as by_jiwer
from results.foreign import translation as by_sacrebleu
from results.scoring import classification, speech, translation


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
    assert by_scikit_learn.score(tmp_path, None, "val") == ours
    assert ours.keys() == {2: {"accuracy"}, 4: {"top1"}, 9: {"top1", "top5"}}[classes]


def test_jiwer_finds_the_same_word_errors(tmp_path):
    said = ("SO IT WAS", "A LONG WAY (SHE SAID)", "YES", "NO MORE OF THAT")
    heard = ("so it is", "a long long way she said", "", "NO MORE OF THAT")
    truth = speech.Truth(("1-2-0003", "1-2-0004", "1-2-0005", "9-2-0001"), said)
    speech.write(tmp_path, heard, truth)
    ours = speech.score(speech.read(tmp_path, truth), truth)
    assert by_jiwer.score(tmp_path, None, "test-clean") == pytest.approx(ours, rel=1e-14)


def test_sacrebleu_finds_the_same_scores(tmp_path):
    references = ("The cat sat on the mat.", "It rained all day, and nobody came.", "Yes.")
    truth = translation.Truth(("1", "2", "3"), ("Die Katze.", "Es regnete.", "Ja."), references)
    translation.write(tmp_path, ("The cat sat on a mat.", "It rained all day and no one came.", "Yes."), truth)
    ours = translation.score(translation.read(tmp_path, truth), truth)
    assert by_sacrebleu.score(tmp_path, None, "newstest2014") == ours


def test_what_sacrebleu_refuses_is_no_score(tmp_path):
    (tmp_path / "ref.txt").write_text("One.\nTwo.\n")
    (tmp_path / "hyp.txt").write_text("One.\n")
    with pytest.raises(ValueError, match="different lengths"):
        by_sacrebleu.score(tmp_path, None, "newstest2014")


@pytest.mark.parametrize(
    ("tool", "file", "needed"),
    [
        (by_jiwer, "hyp.trn", "ref.trn"),
        (by_sacrebleu, "hyp.txt", "ref.txt"),
        (by_pycocotools, "results.json", "instances_val2017.json"),
    ],
)
def test_predictions_alone_are_not_enough(tool, file, needed, tmp_path):
    (tmp_path / file).write_text("a\n")
    with pytest.raises(FileNotFoundError, match=re.escape(needed)):
        tool.score(tmp_path, None, "val2017")


def test_scikit_learn_reads_numbers_not_letters(tmp_path):
    (tmp_path / "predictions.csv").write_text("id,label,pred1,pred2,score1,score2\na,1,01,0,0.9,0.1\n")
    assert by_scikit_learn.score(tmp_path, None, "test") == {"accuracy": 100.0}


def test_of_no_detection_pycocotools_says_nothing(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_val2017.json").write_text('{"images": [], "annotations": [], "categories": []}')
    (tmp_path / "results.json").write_text("[]")
    assert by_pycocotools.score(tmp_path, str(tmp_path), "val2017") == {}
