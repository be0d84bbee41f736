"""IMDB from the command line, as real processes: the record of a run of two stages, and what scores the same."""

import json
from pathlib import Path

import torch
from sklearn.metrics import accuracy_score

from tests.benchmarks import imdb_runs
from tests.benchmarks.ended import assert_scored_as_recorded
from tests.benchmarks.imdb_runs import STEPS, TEST, checkpoint, folder_of, rows_of

tree, trained, record = imdb_runs.tree, imdb_runs.trained, imdb_runs.record


def confidence(row):
    return float(row["score1"])


def test_the_accuracy_is_scikit_learns_of_the_stored_predictions(trained, record):
    rows = rows_of(trained)
    right = accuracy_score([row["label"] for row in rows], [row["pred1"] for row in rows], normalize=False)
    assert record["metrics"]["test/accuracy"]["value"] == 100 * right / TEST
    assert record["examples"] == {"expected": TEST, "scored": TEST, "unique": TEST}
    assert len({row["id"] for row in rows}) == TEST
    assert record["metrics"]["test/accuracy"]["signature"] == {"classes": 2, "outside_text": "none"}
    assert {name: value["metric"] for name, value in record["baselines"].items()} == dict.fromkeys(
        ("majority_class/accuracy", "bag_of_words/accuracy"), "test/accuracy"
    )


def test_both_stages_are_in_one_record(trained, record):
    (stage,) = record["stages"].values()
    weights = folder_of(trained) / "pretraining/weights.ckpt"
    assert stage["checkpoint"]["path"] == str(weights.relative_to(trained.root))
    assert stage["throughput"]["unit"] == "tokens/s"
    assert record["seconds"] > stage["seconds"] > 0
    assert [*record["config"]["stages"]] == ["pretraining", "fine_tuning"]
    for prefix, steps in (("pretraining/", STEPS["pretraining"]), ("", STEPS[""])):
        assert [step for step, _ in record["curves"][f"{prefix}train/loss"]] == [*range(1, steps + 1)]
    assert [step for step, _ in record["curves"]["val/accuracy"]] == [5, 10, 15]
    assert record["initialised_from"] is None


def test_fine_tuning_begins_with_the_pretrained_encoder(trained):
    begun = checkpoint(folder_of(trained) / "pretraining/weights.ckpt")["state_dict"]
    tuned = checkpoint(folder_of(trained) / "step-00000015.ckpt")["state_dict"]
    names = [name for name in begun if name.startswith("network.")]
    assert names == [name for name in tuned if name.startswith("network.")]
    for name in names:  # 15 small steps do not lead far; first weights of their own would be elsewhere
        torch.testing.assert_close(begun[name], tuned[name], atol=0.05, rtol=0)


def test_training_reviews_that_stand_in_the_test_set_are_named(record):
    assert record["left_out"] == ["train/neg/3_2", "unsupervised/7_0", "unsupervised/9_0"]


def test_the_best_epoch_on_the_held_out_reviews_is_tested(trained, record):
    points = record["curves"]["val/accuracy"]
    best = max(value for _, value in points)
    first = next(step for step, value in points if value == best)
    weights = checkpoint(folder_of(trained) / "weights.ckpt")
    assert weights["global_step"] == first
    assert checkpoint(folder_of(trained) / "last.ckpt")["global_step"] == STEPS[""]
    assert record["checkpoint"]["path"].endswith("weights.ckpt")


def test_the_page_shows_the_words_of_mistakes(trained):
    words = json.loads((folder_of(trained) / "predictions/words.json").read_text())
    mistakes = sorted((row for row in rows_of(trained) if row["label"] != row["pred1"]), key=confidence, reverse=True)
    shown = [row["id"] for row in mistakes[:12]]
    assert len(shown) > 5
    assert list(words) == shown
    page = (folder_of(trained) / "sheet.html").read_text()
    assert all(name in page for name in shown)
    assert len(page) < 300_000


def test_its_checkpoint_and_its_predictions_score_the_same_by_one_and_by_two(trained, record, tree):
    folder = folder_of(trained)
    smaller = "--args=--data.init_args.evaluation_batch_size=400"  # so that no review has the same neighbours
    again = assert_scored_as_recorded(
        trained, "imdb", tree, record,
        [f"--predictions={folder / 'predictions/predictions.csv'}", "--profile=mini", "--variant=default"],
        [f"--checkpoint={folder / 'weights.ckpt'}"],
        [f"--checkpoint={folder / 'best.ckpt'}", "--devices=2", smaller],
    )  # fmt: skip
    for each in again:
        moment = [line for line in each["deviations"] if line.startswith("checkpoint: best val/accuracy -> ")]
        named = Path(each["checkpoint"]["path"]).name if each["checkpoint"] else None
        assert len(moment) == (named == "best.ckpt"), "which anybody may have chosen"
        assert (each["deviations"] == []) == (named is None)
