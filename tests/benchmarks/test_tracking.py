"""Weights & Biases: one complete run to sync, nothing printed, and nothing depends on it."""

import hashlib
import json
import logging
from dataclasses import replace

import pytest
import wandb

from benchmarks import tracking
from benchmarks.schema import StoredFile, Tracking
from benchmarks.strict import load_claim, load_record
from results.collect import verdicts
from tests.benchmarks import wandb_runs
from tests.benchmarks.ended import finish
from tests.benchmarks.wandb_runs import METRICS, online, rows_of, set_all, sync
from tests.benchmarks.wandb_server import Wandb
from tests.conftest import short

home, finished, server = wandb_runs.home, wandb_runs.finished, wandb_runs.server
SAME = ("name", "displayName", "project", "groupName", "jobType")


def test_one_complete_offline_run(finished, home, server, capfd, caplog):
    folder, made = finished
    tracking.publish(made, folder, {"top-5": "reproduced", "top-1": "not reproduced"})
    wandb.teardown()
    assert capfd.readouterr() == ("", "")
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []

    run = sync(server, folder, home)
    recipe = f"imagenet full {made.config_hash}"
    assert [run[key] for key in SAME] == ["full-s0-x", "full-s0-x", "claims", recipe, "train"]
    assert sorted(run["tags"]) == ["full", "not reproduced: top-1", "official", "reproduced: top-5"]
    settings = {key: each["value"] for key, each in json.loads(run["config"]).items()}
    assert (settings["trainer"], settings["variant"], settings["seed"]) == ({"max_epochs": 32}, None, 0)
    assert settings["commit"] == made.environment.commit

    logged = [{k: v for k, v in row.items() if k == "_step" or not k.startswith("_")} for row in run["history"]]
    assert logged == [
        {"_step": 10, "trainer/global_step": 10, "train/loss": 3.25},
        {"_step": 20, "trainer/global_step": 20, "train/loss": 2.5, "val/top1": 12.5, "val/top5": 40.0},
        {"_step": 30, "trainer/global_step": 30, "train/loss": 2.125},
        {"_step": 40, "trainer/global_step": 40, "train/loss": 2.0, "val/top1": 0.1},
    ]

    summary = run["summary"]
    assert (summary["verdict/top-5"], summary["verdict/top-1"]) == ("reproduced", "not reproduced")
    for key, measured in made.metrics.items():
        assert summary[key] == measured.value
        assert (summary[f"{key}/ci95_low"], summary[f"{key}/ci95_high"]) == measured.ci95
    assert run["exit"] == 0


@pytest.mark.parametrize("variable", ["WANDB_BASE_URL", "WANDB_INIT_TIMEOUT"])
def test_a_variable_that_wandb_cannot_read_costs_no_record(home, monkeypatch, caplog, variable):
    monkeypatch.setenv(variable, "wandb.example.com")
    assert tracking.tracking("full-s0-x") == Tracking("full-s0-x", "offline")
    assert "Weights & Biases could not take the run" in caplog.text


def test_predictions_that_are_kept_with_the_record(finished, tmp_path, home, server):
    """A real run's small files are stored beside its record, outside of its folder."""
    folder, made = finished
    kept = tmp_path / "results/records/imagenet/full-s0-x/games/000-black.sgf"
    kept.parent.mkdir(parents=True)
    kept.write_text("(;)")
    tracking.publish(replace(made, predictions=(StoredFile(str(kept), "0" * 64),)), folder, {})
    sync(server, folder, home)
    assert server.artifacts["full-s0-x-predictions"]["files"] == {"games/000-black.sgf": b"(;)"}


def test_a_real_run_is_the_same_when_it_is_synced(workshop, small_tree, home, server):
    command = ("run", "imagenet", "--profile=mini", f"--data={small_tree}", "--seeds=3")
    finish(workshop, *command, short(**{"trainer.max_epochs": 1}), WANDB_MODE="offline")
    (path,) = workshop.records()
    made = load_record(path)
    run = sync(server, workshop.only_run(), home)

    assert run["name"] == made.run_id == made.wandb.id
    assert (run["groupName"], run["jobType"]) == (f"imagenet mini {made.config_hash}", "train")
    beside = {f"baseline/{key}": each.value for key, each in made.baselines.items()} | {"seconds": made.seconds}
    assert beside.items() <= run["summary"].items()
    if made.throughput is not None:
        assert run["summary"][f"throughput ({made.throughput.unit})"] == made.throughput.value
    assert {key: run["summary"][key] for key in made.metrics} == {key: m.value for key, m in made.metrics.items()}
    found = verdicts(load_claim("imagenet").within("mini"), made)
    assert sorted(run["tags"]) == ["mini", *sorted(f"{words}: {name}" for name, words in found.items()), "unofficial"]

    predictions, kept = (server.artifacts[f"{made.run_id}-{kind}"] for kind in ("predictions", "record"))
    assert (predictions["type"], kept["type"]) == ("predictions", "record")
    assert {each["run"] for each in (predictions, kept) if each["whole"]} == {made.run_id}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in predictions["files"].items()}
    assert digests == {"predictions.csv": made.predictions[0].sha256}
    assert kept["files"] == {path.name: path.read_bytes()}


def told(server):
    """What a server knows of its one run, without the times and what the client says of itself."""
    ((_, run),) = server.runs.items()
    rows = [run["summary"], *run["history"], json.loads(run["config"])]
    known = [{key: value for key, value in row.items() if key == "_step" or not key.startswith("_")} for row in rows]
    return known, [run[key] for key in (*SAME, "tags", "exit")], server.artifacts


def test_a_run_that_is_synced_is_the_run_that_is_sent_at_once(finished, home, server, monkeypatch):
    folder, made = finished
    tracking.publish(made, folder, {"top-5": "reproduced"})
    sync(server, folder, home)
    with Wandb() as other:
        wandb.teardown()
        set_all(monkeypatch, online(other))
        tracking.publish(replace(made, wandb=Tracking("full-s0-x", "online")), folder, {"top-5": "reproduced"})
        assert told(server) == told(other)
        other.shutdown()


def test_stages_are_drawn_by_steps_of_their_own(finished, home, server):
    """Those of the last stage can be laid over another variant's, which has no stage before it."""
    folder, made = finished
    (folder / "first").mkdir()
    (folder / "first/metrics.csv").write_text(METRICS)
    tracking.publish(replace(made, stages={"first": None}), folder, {})
    run = sync(server, folder, home)
    rows = rows_of(run)
    assert rows[20] == {
        "trainer/global_step": 20,
        "first/train/loss": 2.5,
        "first/val/top1": 12.5,
        "first/val/top5": 40,
    }
    assert rows[70] == {"trainer/global_step": 30, "train/loss": 2.125}
    assert '"1":"trainer/global_step"' in run["config"]  # as what all keys are drawn by


OF_AN_AGENT = {"WANDB_SWEEP_ID": "s", "WANDB_RUN_ID": "r", "WANDB_NAME": "n", "WANDB_RUN_GROUP": "g"}


def test_what_variables_may_say_and_what_is_ours(finished, home, server, monkeypatch, caplog):
    """All runs of a command have the id that a sweep's agent gives it."""
    folder, made = finished
    theirs = {"WANDB_PROJECT": "p", "WANDB_TAGS": "mine,full", "WANDB_NOTES": "why", "WANDB_ENTITY": "us"}
    set_all(monkeypatch, online(server) | theirs | OF_AN_AGENT)
    tracking.publish(replace(made, wandb=Tracking("full-s0-x", "online")), folder, {})
    ((run_id, run),) = server.runs.items()
    recipe = f"imagenet full {made.config_hash}"
    assert (run_id, run["displayName"], run["groupName"], run.get("sweep")) == ("full-s0-x", "full-s0-x", recipe, None)
    assert (run["project"], run["notes"], sorted(run["tags"])) == ("p", "why", ["full", "mine", "official"])
    (message,) = (each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING)
    assert message == "Weights & Biases shows the run by its own id, outside of the sweep"


def test_predictions_that_are_gone(finished, home, server, capfd, caplog):
    folder, made = finished
    (folder / "predictions/predictions.csv").unlink()
    tracking.publish(made, folder, {"top-5": "reproduced"})
    wandb.teardown()
    assert capfd.readouterr() == ("", "")
    (message,) = (each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING)
    assert "predictions.csv" in message
    run = sync(server, folder, home)
    assert (run["summary"]["test/top5"], run["exit"]) == (91.5, 0)
    assert server.artifacts.keys() == {"full-s0-x-record"}


def test_nothing_is_copied(finished, home):
    """Predictions may be large, and they are there already."""
    folder, made = finished
    tracking.publish(made, folder, {})
    copies = [
        path
        for path in (*folder.glob("wandb/**/*"), *home.rglob("*"))
        if path.is_file() and b"pred1" in path.read_bytes()
    ]
    assert copies == []


def test_a_tag_is_no_longer_than_they_may_be(finished, home, server):
    folder, made = finished
    tracking.publish(made, folder, {"r" * 80: "not reproduced"})
    assert f"not reproduced: {'r' * 48}" in sync(server, folder, home)["tags"]


def test_disabled_writes_nothing(finished, capfd):
    folder, made = finished
    tracking.publish(replace(made, wandb=Tracking(None, "disabled")), folder, {})
    assert not (folder / "wandb").exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("error", [wandb.Error("no"), OSError(28, "full"), RuntimeError("what"), ValueError("odd")])
def test_its_failures_are_said_and_change_nothing(finished, monkeypatch, caplog, error):
    def fail(**_):
        raise error

    monkeypatch.setattr(wandb, "init", fail)
    folder, made = finished
    with caplog.at_level(logging.WARNING):
        tracking.publish(made, folder, {})
    assert [each.getMessage() for each in caplog.records] == [f"Weights & Biases could not take the run: {error}"]


def test_a_run_without_curves(finished):
    folder, made = finished
    (folder / "metrics.csv").unlink()
    tracking.publish(made, folder, {})
    assert len(list((folder / "wandb").glob("offline-run-*"))) == 1
