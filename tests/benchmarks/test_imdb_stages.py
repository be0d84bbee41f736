"""IMDB's two stages and its controls, as real processes: kills in either stage, two processes, what is left out."""

import os
import shutil
import signal
import time

import pytest

from tests.benchmarks import imdb_runs
from tests.benchmarks.ended import STATE, assert_same_checkpoint, finish, kill
from tests.benchmarks.imdb_runs import (
    ALONE,
    COMMON,
    NETWORK_OF,
    SMALL,
    STEPS,
    TEST,
    checkpoint,
    command,
    folder_of,
    rows_of,
)
from tests.datamodules.imdb_trees import planted, put, reviews

tree, trained, record = imdb_runs.tree, imdb_runs.trained, imdb_runs.record


def positive(row):
    """The probability of the second class."""
    return float(row["score1"] if row["pred1"] == "1" else row["score2"])


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
        assert_same_checkpoint(name, map(folder_of, (workshop, trained)), *STATE, "subwords")
    (again,) = workshop.contents("imdb", "mini-s0-*")
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
        (found[devices],) = workshop.contents("imdb", "mini-s0-*")
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


def test_a_control_is_trained_beside_and_scored_as_a_baseline(workshops, tree, tmp_path):
    workshop = workshops("control")
    out = finish(workshop, *command(tree, settings=f"{SMALL} --controls=[scratch]"))
    (control,) = workshop.contents("imdb", "mini-scratch-s0-*")
    (record,) = workshop.contents("imdb", "mini-s0-*")
    assert f"beside it, as a control: {control['run_id']}" in out
    assert (control["variant"], control["stages"]) == ("scratch", {})
    assert record["baselines"]["scratch/accuracy"] == {
        "value": control["metrics"]["test/accuracy"]["value"], "metric": "test/accuracy",
    }  # fmt: skip
    assert "baseline scratch/accuracy" in out
    # Nor is it a baseline of a run on other reviews, before it has been trained on them itself.
    other = put(tmp_path, planted(reviews(seed=2)))
    code, _, err = workshop.call(*command(other, "--fresh", settings=f"{SMALL} --controls=[scratch]"))
    assert (code, err.count("\n")) == (2, 1), err
    assert f"the record of {control['run_id']} was made on other data than DATA now holds (" in err
    assert "VARIANT=scratch FRESH=1" in err


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
    assert len(workshop.contents("imdb", "mini-*s0-*")) == 2


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
    (record,) = workshop.contents("imdb", "mini-s0-*")
    assert record["initialised_from"]["path"] == str(path)
    assert record["stages"] == {}
    assert_same_checkpoint("last.ckpt", map(folder_of, (workshop, trained)), "state_dict")


@pytest.mark.slow
def test_a_full_run_without_a_variant_runs_all_of_them(workshop, tree):
    everywhere = "--trainer.accelerator=cpu --trainer.precision=32-true --data.init_args.held_out=0.2"
    out = finish(
        workshop, "reproduce", "imdb", "--profile=full", f"--data={tree}", "--seeds=0", f"--args={COMMON} {everywhere} "
        "--stages.pretraining.trainer.max_epochs=1",
    )  # fmt: skip
    records = workshop.contents("imdb", "full-*")
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
