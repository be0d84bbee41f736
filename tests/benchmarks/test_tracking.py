"""Weights & Biases: one complete run to sync, nothing printed, and nothing depends on it."""

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import wandb

from benchmarks import paths, tracking
from benchmarks.schema import StoredFile, Tracking
from benchmarks.strict import load_claim, load_record, write_record
from results.collect import verdicts
from tests.benchmarks.ended import finish
from tests.benchmarks.wandb_server import Wandb
from tests.conftest import short
from tests.results.records import record

METRICS = """step,name,value
10,train/loss,3.25
20,train/loss,2.5
20,val/top1,12.5
20,val/top5,40.0
30,train/loss,2.125
40,train/loss,2.0
40,val/top1,0.1
"""
KEY = "0" * 40
SAME = ("name", "displayName", "project", "groupName", "jobType")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without credentials, caches or settings."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    wandb.teardown()  # it keeps settings and credentials for the process
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    yield tmp_path / "home"
    wandb.teardown()


@pytest.fixture
def finished(tmp_path, home, monkeypatch):
    """The folder of a finished run, and its record, which is written."""
    folder = tmp_path / "results/runs/imagenet/full-s0-x"
    (folder / "predictions").mkdir(parents=True)
    (folder / "metrics.csv").write_text(METRICS)
    predictions = folder / "predictions" / "predictions.csv"
    predictions.write_text("id,label,pred1,score1\na,0,0,1\n")
    stored = StoredFile(str(predictions), "0" * 64)
    made = record(0, 91.5, run_id="full-s0-x", predictions=(stored,), wandb=Tracking("full-s0-x", "offline"))
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    write_record(made, paths.record_file("imagenet", "full-s0-x"))
    return folder, made


@pytest.fixture
def server():
    """Somewhere to sync to."""
    with Wandb() as server:
        yield server
        server.shutdown()


def sync(server, folder, home):
    """What W&B's own client reads in the offline files of a run and sends."""
    (offline,) = (folder / "wandb").glob("offline-run-*")
    command = [sys.executable, "-m", "wandb", "sync", str(offline)]
    settings = os.environ | {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
    done = subprocess.run(command, check=False, cwd=home, env=settings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    ((run_id, run),) = server.runs.items()
    assert offline.name.endswith(f"-{run_id}")
    return run


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
        {"_step": 10, "train/loss": 3.25},
        {"_step": 20, "train/loss": 2.5, "val/top1": 12.5, "val/top5": 40.0},
        {"_step": 30, "train/loss": 2.125},
        {"_step": 40, "train/loss": 2.0, "val/top1": 0.1},
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
        monkeypatch.setenv("WANDB_BASE_URL", other.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        tracking.publish(replace(made, wandb=Tracking("full-s0-x", "online")), folder, {"top-5": "reproduced"})
        assert told(server) == told(other)
        other.shutdown()


def rows_of(run):
    """What was logged, by its step."""
    return {row["_step"]: {k: v for k, v in row.items() if not k.startswith("_")} for row in run["history"]}


def test_a_run_is_seen_while_it_trains_and_goes_on_after_a_kill(workshop, small_tree, home, server):
    command = ("run", "imagenet", "--profile=mini", f"--data={small_tree}", "--seeds=4", short())
    online = {"WANDB_MODE": "online", "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
    process = workshop.start(*command, pause="step:9", **online)
    process.until_paused()
    deadline = time.monotonic() + 60
    while not server.runs.get((name := workshop.only_run().name), {}).get("history"):
        assert time.monotonic() < deadline, "nothing is to be seen"
        time.sleep(0.2)
    process.kill_group(signal.SIGKILL)
    assert server.runs[name]["exit"] is None
    assert "test/top1" not in server.runs[name]["summary"]
    code, out, err = workshop.call(*command, **online)
    assert (code, err.count("\n"), "Loaded credentials" in err) == (0, 1, True), err
    assert f"{name} is shown at {server.url}/me/claims/runs/{name}" in out
    (path,) = (path for path in workshop.records() if path.stem == name)
    run, made = server.runs[name], load_record(path)
    steps = [row["_step"] for row in run["history"]]
    assert steps == sorted(set(steps)), "each once"
    assert rows_of(run) == tracking.steps_of(workshop.only_run())
    assert (run["exit"], run["summary"]["test/top1"]) == (0, made.metrics["test/top1"].value)


NOWHERE = {"WANDB_MODE": "online", "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": KEY}


def test_a_server_that_does_not_answer_costs_no_training_and_the_run_is_offline(workshop, small_tree, home, server):
    command = ("run", "imagenet", "--profile=mini", f"--data={small_tree}", "--seeds=5")
    settings = short(**{"trainer.max_epochs": 1})
    code, _, err = workshop.call(*command, settings, WANDB_INIT_TIMEOUT="1", **NOWHERE)
    message = "Weights & Biases could not take the run: Failed to get resume status"
    assert (code, err.count("Weights & Biases"), err.count(message)) == (0, 1, 1), err
    run = workshop.only_run()
    files = f"results/runs/imagenet/{run.name}/wandb/offline-run-*"
    assert f"It is written offline at its end, and `.venv/bin/wandb sync {files}` sends it\n" in err
    (path,) = workshop.records()
    made = load_record(path)
    assert made.wandb == Tracking(run.name, "offline")
    sent = sync(server, run, home)
    assert rows_of(sent) == tracking.steps_of(run)
    assert (sent["exit"], sent["summary"]["test/top1"]) == (0, made.metrics["test/top1"].value)


def test_a_server_that_is_gone_at_the_end_leaves_the_run_offline(finished, home, server, monkeypatch, caplog):
    folder, made = finished
    for name, value in (NOWHERE | {"WANDB_INIT_TIMEOUT": "1"}).items():
        monkeypatch.setenv(name, value)
    tracking.publish(replace(made, wandb=Tracking("full-s0-x", "online")), folder, {"top-5": "reproduced"})
    (message,) = (each.getMessage() for each in caplog.records if each.name == "benchmarks.tracking")
    assert message.startswith("Weights & Biases could not take the run: Failed to get resume status")
    assert sync(server, folder, home)["summary"]["verdict/top-5"] == "reproduced"


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


# Online or offline.


@pytest.mark.parametrize(
    ("asked", "mode"),
    [("online", "online"), ("offline", "offline"), ("disabled", "disabled"), ("dryrun", "offline"), ("x", "offline")],
)
def test_the_mode_that_the_user_asks_for(home, monkeypatch, asked, mode):
    monkeypatch.setenv("WANDB_MODE", asked)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert tracking.mode() == mode
    assert tracking.tracking("r") == Tracking(None if mode == "disabled" else "r", mode)


@pytest.fixture
def offline_machine(home, monkeypatch):
    """No network, and nobody to answer a prompt."""

    def refuse(*arguments, **_):
        raise AssertionError(f"the network or the user was asked: {arguments}")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("builtins.input", refuse)
    monkeypatch.setattr("getpass.getpass", refuse)
    return home


def test_a_user_who_is_not_logged_in(offline_machine, capfd):
    assert tracking.mode() == "offline"
    assert capfd.readouterr() == ("", "")


def test_a_user_with_a_key(offline_machine, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert tracking.mode() == "online"
    assert capfd.readouterr() == ("", "")


def test_a_user_who_has_logged_in(offline_machine, capfd):
    """As `wandb login` leaves it: a line for the server's host."""
    host = wandb.setup().settings.base_url.removeprefix("https://")
    (offline_machine / ".netrc").write_text(f"machine {host}\n  login user\n  password {'0' * 40}\n")
    (offline_machine / ".netrc").chmod(0o600)
    assert tracking.mode() == "online"
    assert capfd.readouterr() == ("", "")


def test_a_key_that_is_none(offline_machine, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_API_KEY", "short")
    assert tracking.mode() == "offline"
    assert "WANDB_API_KEY invalid" in caplog.text
