"""IMDB from the command line, as real processes: two stages in one run, kills in either, controls, bad input."""

import csv
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from sklearn.metrics import accuracy_score

from tests.benchmarks.test_resume import differences, finish
from tests.benchmarks.test_wmt import kill, refused
from tests.datamodules.imdb_trees import planted, put, reviews

NETWORK_OF = "model.init_args.network.init_args"
NETWORK = " ".join(
    f"--stages.{stage}.{NETWORK_OF}.{key}={value}"
    for stage in ("pretraining", "fine_tuning")
    for key, value in {"width": 16, "heads": 2, "feedforward": 16, "layers": 2, "dropout": 0.1}.items()
)
COMMON = (
    f"{NETWORK} --threads=1 --trainer.log_every_n_steps=1 --checkpoint_every_n_steps=2 --data.init_args.workers=0 "
    "--data.init_args.subwords=320 --data.init_args.longest=40 --data.init_args.evaluation_batch_size=900 "
    "--data.init_args.global_batch_size=700 --stages.fine_tuning.trainer.max_epochs=3"
)
SMALL = f"{COMMON} --stages.pretraining.trainer.max_epochs=2"
ALONE = f"{SMALL} --controls=[]"
BEGIN_WITH = "--stages.pretraining=null --stages.fine_tuning.model.init_args.init_from"
TEST = 22  # reviews
STEPS = {"pretraining": 18, "": 15}


def command(tree, *extra, settings=ALONE):
    return ("run", "imdb", "--profile=mini", f"--data={tree}", "--seeds=0", f"--args={settings}", *extra)


def validate(tree, *extra):
    return ("validate", "imdb", f"--data={tree}", *extra)


def folder_of(workshop):
    return workshop.mini_run("imdb")


def records_of(workshop, pattern):
    return workshop.contents("imdb", pattern)


def checkpoint(path):
    return torch.load(path, weights_only=True)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return put(tmp_path_factory.mktemp("imdb"), planted(reviews()))


@pytest.fixture(scope="module")
def trained(workshops, tree):
    workshop = workshops("imdb")
    finish(workshop, *command(tree))
    return workshop


@pytest.fixture(scope="module")
def record(trained):
    (found,) = records_of(trained, "mini-s0-*")
    return found


def rows_of(workshop):
    with (folder_of(workshop) / "predictions/predictions.csv").open() as file:
        return list(csv.DictReader(file))


def confidence(row):
    return float(row["score1"])


def positive(row):
    """The probability of the second class."""
    return float(row["score1"] if row["pred1"] == "1" else row["score2"])


def test_the_accuracy_is_scikit_learns_of_the_stored_predictions(trained, record):
    rows = rows_of(trained)
    right = accuracy_score([row["label"] for row in rows], [row["pred1"] for row in rows], normalize=False)
    assert record["metrics"]["test/accuracy"]["value"] == 100 * right / TEST
    assert record["examples"] == {"expected": TEST, "scored": TEST, "unique": TEST}
    assert len({row["id"] for row in rows}) == TEST
    assert record["metrics"]["test/accuracy"]["signature"] == {"classes": 2, "outside_text": "none"}
    assert {name: value["metric"] for name, value in record["baselines"].items()} == dict.fromkeys(
        ("majority/accuracy", "bag_of_words/accuracy"), "test/accuracy"
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
    assert set(shown) <= set(words), "and those that were among the worst when they were seen"
    page = (folder_of(trained) / "sheet.html").read_text()
    assert [name for name in words if name in page] == [name for name in words if name in shown]
    assert len(page) < 300_000


def test_its_checkpoint_and_its_predictions_score_the_same_by_one_and_by_two(trained, record, tree):
    folder = folder_of(trained)
    smaller = "--args=--data.init_args.evaluation_batch_size=400"  # so that no review has the same neighbours
    for subject in (
        [f"--predictions={folder / 'predictions/predictions.csv'}", "--profile=mini"],
        [f"--checkpoint={folder / 'weights.ckpt'}"],
        [f"--checkpoint={folder / 'best.ckpt'}", "--devices=2", smaller],
    ):
        finish(trained, *validate(tree, *subject))
    again = records_of(trained, "mini-validate-*")
    assert len(again) == 3
    for each in again:
        assert each["examples"] == record["examples"]
        theirs, ours = (one["metrics"]["test/accuracy"] for one in (each, record))
        assert theirs | {"signature": 0} == ours | {"signature": 0}
        moment = [line for line in each["deviations"] if line.startswith("checkpoint: best val/accuracy -> ")]
        named = Path(each["checkpoint"]["path"]).name if each["checkpoint"] else None
        assert len(moment) == (named == "best.ckpt"), "which anybody may have chosen"
        assert (each["deviations"] == []) == (named is None)
    assert {each["environment"]["world_size"] for each in again} == {1, 2}


def test_a_checkpoint_of_the_pretraining_has_nothing_to_test(workshop, trained, tree):
    path = folder_of(trained) / "pretraining/weights.ckpt"
    refused(
        workshop, *validate(tree, f"--checkpoint={path}"), message="is of the stage pretraining, after which the run"
    )


def test_a_run_killed_in_either_stage_ends_the_same(workshops, trained, record, tree):
    workshop = workshops("killed")
    for moment, where, last in (
        ("step:5", "pretraining", 4), ("step:0", "", None), ("step:7", "", 6), ("test", "", STEPS[""]),
    ):  # fmt: skip
        kill(workshop, moment, *command(tree))
        path = folder_of(workshop) / where / "last.ckpt"
        assert not path.exists() if last is None else checkpoint(path)["global_step"] == last
        assert (folder_of(workshop) / "pretraining/stage.json").exists() == (where == "")
    out = finish(workshop, *command(tree))
    assert "pretraining: " not in out, "a stage that has ended is not fitted again"
    for name in ("pretraining/last.ckpt", "last.ckpt", "best.ckpt"):
        one, other = (checkpoint(folder_of(each) / name) for each in (workshop, trained))
        for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "subwords"):
            assert differences(one[key], other[key]) == [], (name, key)
    (again,) = records_of(workshop, "mini-s0-*")
    for key in ("metrics", "curves", "examples", "baselines", "left_out", "config_hash"):
        assert again[key] == record[key], key
    for name in ("predictions.csv", "words.json"):
        one, other = ((folder_of(each) / "predictions" / name).read_bytes() for each in (workshop, trained))
        assert one == other


def test_a_run_is_not_continued_on_other_reviews(workshops, tree, tmp_path):
    workshop = workshops("other")
    kill(workshop, "step:3", *command(tree))
    other = shutil.copytree(tree, tmp_path / "other")
    file = other / "aclImdb/train/unsup/20_0.txt"
    file.write_text(file.read_text() + " of")
    code, _, err = workshop.call(*command(other))
    assert (code, err.count("\n")) == (2, 1), err
    assert "was begun on other data than DATA now holds" in err


def test_two_processes_train_both_stages_and_score_each_review_once(workshops, tree):
    still = " ".join(f"--stages.{stage}.{NETWORK_OF}.dropout=0" for stage in ("pretraining", "fine_tuning"))
    settings = f"{COMMON} {still} --stages.fine_tuning.model.init_args.dropout=0 --controls=[] " + (
        "--stages.pretraining.trainer.max_epochs=1"
    )
    found, scores = {}, {}
    for devices in (1, 2):
        workshop = workshops(f"devices-{devices}")
        finish(workshop, *command(tree, f"--devices={devices}", settings=settings))
        (found[devices],) = records_of(workshop, "mini-s0-*")
        scores[devices] = {row["id"]: positive(row) for row in rows_of(workshop)}
        assert found[devices]["environment"]["world_size"] == devices
        assert found[devices]["examples"] == {"expected": TEST, "scored": TEST, "unique": TEST}
    for key in ("pretraining/train/loss", "train/loss", "val/loss"):
        one, other = (dict(found[devices]["curves"][key]) for devices in (1, 2))
        assert one == pytest.approx(other, rel=1e-3), key
    assert scores[1] == pytest.approx(scores[2], abs=1e-3)


@pytest.mark.slow
def test_a_signal_in_the_second_stage_ends_the_ranks_of_the_first(workshops, tree):
    """Rank zero alone gets it, in a test that the other rank takes part in."""
    workshop = workshops("stopped")
    process = workshop.start(*command(tree, "--devices=2"), pause="test")
    process.until_paused()
    os.kill(process.popen.pid, signal.SIGTERM)
    process.go_on()
    code, _, err = process.wait(seconds=60)
    assert code == 128 + signal.SIGTERM, err
    assert process.members() == []


def test_a_control_is_trained_beside_and_scored_as_a_baseline(workshops, tree):
    workshop = workshops("control")
    out = finish(workshop, *command(tree, settings=f"{SMALL} --controls=[scratch]"))
    (control,) = records_of(workshop, "mini-scratch-s0-*")
    (record,) = records_of(workshop, "mini-s0-*")
    assert f"beside it, as a control: {control['run_id']}" in out
    assert (control["variant"], control["stages"]) == ("scratch", {})
    assert record["baselines"]["scratch/accuracy"] == {
        "value": control["metrics"]["test/accuracy"]["value"], "metric": "test/accuracy",
    }  # fmt: skip
    assert "baseline scratch/accuracy" in out


@pytest.mark.slow
def test_a_control_ends_with_its_run_and_goes_on_with_it(workshops, tree):
    workshop = workshops("control")
    process = workshop.start(*command(tree, settings=SMALL), pause="step:3")
    process.until_paused()
    assert len(process.members()) == 2
    os.kill(process.popen.pid, signal.SIGTERM)
    time.sleep(0.2)
    process.go_on()
    assert process.wait(seconds=60)[0] == 128 + signal.SIGTERM
    assert process.members() == []
    finish(workshop, *command(tree, settings=SMALL))
    assert len(records_of(workshop, "mini-*s0-*")) == 2


@pytest.mark.slow
def test_the_mistake_of_a_control_is_told(workshop, tree):
    (workshop.root / "benchmarks/imdb/variants/scratch.mini.yaml").write_text(
        "stages: {pretraining: null, fine_tuning: {model: {init_args: {network: {init_args: {layers: 0}}}}}}"
    )
    settings = SMALL.replace("--stages.fine_tuning.model.init_args.network.init_args.layers=2", "")
    code, _, err = workshop.call(*command(tree, settings=settings))
    assert code == 2, err
    assert err.count("error: ") == 1
    assert "the control scratch ended with code 2: model.init_args.network: " in err


def test_weights_of_another_run_may_be_fine_tuned(workshops, trained, tree):
    workshop, path = workshops("from"), folder_of(trained) / "pretraining/weights.ckpt"
    init = f"--stages.fine_tuning.model.init_args.init_from={path}"
    finish(workshop, *command(tree, settings=f"{ALONE} --stages.pretraining=null {init}"))
    (record,) = records_of(workshop, "mini-s0-*")
    assert record["initialised_from"]["path"] == str(path)
    assert record["stages"] == {}
    one, other = (checkpoint(folder_of(each) / "last.ckpt")["state_dict"] for each in (workshop, trained))
    assert differences(one, other) == []


def gone(name):
    return lambda root, trained: shutil.rmtree(root / "aclImdb" / name)


def in_latin(root, trained):
    (root / "aclImdb/train/pos/6_9.txt").write_bytes("schön".encode("latin-1"))


def empty(root, trained):
    (root / "aclImdb/test/neg/2_2.txt").write_text(" \n")


def other_words(root, trained):
    file = root / "aclImdb/train/unsup/20_0.txt"
    file.write_text(file.read_text() + " zebra" * 50)


def weights_of(trained):
    return folder_of(trained) / "pretraining/weights.ckpt"


@pytest.mark.parametrize(
    ("break_", "more", "message"),
    [
        (gone("train/unsup"), "", "has no unsupervised"),
        (gone("test"), "", "has no test"),
        (gone("train/neg"), "", "train/neg"),
        (in_latin, "", "6_9.txt: byte 3 (0xf6) is not UTF-8"),
        (empty, "", "2_2.txt is empty"),
        (None, "--stages.fine_tuning.model.init_args.init_from={weights}", "set the stages before it to null"),
        (other_words, f"{BEGIN_WITH}={{weights}}", "trained with another vocabulary than this run's"),
        (None, f"{BEGIN_WITH}={{weights}} --data.init_args.subwords=315", "320 x 16 there, 315 x 16 here"),
        (None, f"{BEGIN_WITH}=nothing.ckpt", "there is no file nothing.ckpt"),
        (None, "--stages.fine_tuning=null", "the stage fine_tuning is the one that is tested"),
        (None, "--stages.tuning.trainer.max_epochs=2", "Its stages are pretraining, fine_tuning"),
        (None, "--stages.pretraining.trainer.devices=2", "all stages of a run have the same"),
        (None, "--stages.fine_tuning.data.init_args.global_batch_size=60", "too few for 1 device(s)"),
        (None, f"--stages.fine_tuning.{NETWORK_OF}.width=20", "pretraining and fine_tuning have different networks"),
        (None, f"--stages.fine_tuning.{NETWORK_OF}.heads=3", "cannot be shared out among 3 heads"),
        (None, "--controls=[nothing]", "variants/nothing.yaml"),
    ],
)
def test_bad_input_is_answered_in_one_message(workshop, trained, tree, tmp_path, break_, more, message):
    root = tree
    if break_ is not None:
        root = shutil.copytree(tree, tmp_path / "broken")
        break_(root, trained)
    settings = f"{ALONE} {more}".format(weights=weights_of(trained))
    code, out, err = workshop.call(*command(root, settings=settings))
    assert (code, err[:7], err.count("error: ")) == (2, "error: ", 1), (out, err)
    assert "Traceback" not in err
    assert message in err
    assert not list((workshop.root / "results").rglob("last.ckpt")), "nothing was trained"
    assert not list((workshop.root / "results/records").rglob("*.json"))


def edited(trained, tmp_path, old, new):
    path = tmp_path / "predictions.csv"
    text = (folder_of(trained) / "predictions/predictions.csv").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("neg/0_2,0,", "neg/0_3,0,", "neg/0_3"),
        ("neg/0_2,0,", "neg/0_2,1,", "label is 1, but DATA says 0"),
        ("neg/0_2,", "neg/1_2,", "neg/1_2"),
    ],
)
def test_predictions_that_contradict_the_data_are_refused(workshop, trained, tree, tmp_path, old, new, message):
    path = edited(trained, tmp_path, old, new)
    refused(workshop, *validate(tree, f"--predictions={path}"), message=message)


@pytest.mark.slow
def test_a_full_run_without_a_variant_runs_all_of_them(workshop, tree):
    everywhere = "--trainer.accelerator=cpu --trainer.precision=32-true --data.init_args.held_out=0.2"
    out = finish(
        workshop, "reproduce", "imdb", "--profile=full", f"--data={tree}", "--seeds=0", f"--args={COMMON} {everywhere} "
        "--stages.pretraining.trainer.max_epochs=1",
    )  # fmt: skip
    records = records_of(workshop, "full-*")
    assert {record["variant"] for record in records} == {None, "scratch", "context-1024"}
    assert [*(record["stages"].keys() for record in records if record["variant"] == "scratch")] == [{}.keys()]
    assert out.count("not comparable") >= 3, "so few reviews are no IMDB"


def test_a_rehearsal_has_both_stages(workshop, tree):
    """Of which the second ends within an epoch, before that is validated."""
    longer = " ".join(f"--stages.{stage}.trainer.max_epochs=20" for stage in ("pretraining", "fine_tuning"))
    settings = f"{ALONE} {longer} --stages.fine_tuning.data.init_args.global_batch_size=600"
    code, out, err = workshop.call(*command(tree, "--rehearse", settings=settings))
    assert (code, err) == (0, ""), (out, err)
    for stage in ("pretraining", "fine_tuning"):
        assert f"{stage}: rehearsed: 20 steps with a stop and a resume" in out
    assert out.count("estimated end") == 2
    assert not list((workshop.root / "results").rglob("*.ckpt"))
    assert not list((workshop.root / "results/records").rglob("*.json"))


def test_a_run_that_never_validates_has_nothing_to_test(workshop, tree):
    code, _, err = workshop.call(*command(tree, settings=f"{ALONE} --stages.fine_tuning.trainer.max_steps=2"))
    assert (code, err.count("error: ")) == (2, 1)
    assert "no epoch was ever validated" in err
