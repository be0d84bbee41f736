"""Weights & Biases: a run while it trains, its resumes, and a server that is not there."""

import signal
import time
from dataclasses import replace

import pytest

from benchmarks import tracking
from benchmarks.schema import Tracking
from benchmarks.strict import load_record
from tests.benchmarks import wandb_runs
from tests.benchmarks.ended import finish
from tests.benchmarks.wandb_runs import NOWHERE, curves_of, online, rows_of, set_all, sync
from tests.conftest import short

home, finished, server = wandb_runs.home, wandb_runs.finished, wandb_runs.server


def test_a_run_is_seen_while_it_trains_and_goes_on_after_a_kill(workshop, small_tree, home, server):
    command = ("run", "imagenet", "--profile=mini", f"--data={small_tree}", "--seeds=4", short())
    settings = online(server) | {"WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "1"}
    process = workshop.start(*command, pause="step:9", **settings)
    process.until_paused()
    deadline = time.monotonic() + 60
    while not server.runs.get((name := workshop.only_run().name), {}).get("history"):
        assert time.monotonic() < deadline, "nothing is to be seen"
        time.sleep(0.2)
    process.kill_group(signal.SIGKILL)
    assert server.runs[name]["exit"] is None
    assert "test/top1" not in server.runs[name]["summary"]
    out = finish(workshop, *command, **settings)
    assert f"{name} is shown at {server.url}/me/claims/runs/{name}" in out
    (path,) = (path for path in workshop.records() if path.stem == name)
    run, made = server.runs[name], load_record(path)
    assert rows_of(run) == curves_of(workshop.only_run())
    assert (run["exit"], run["summary"]["test/top1"]) == (0, made.metrics["test/top1"].value)


@pytest.mark.slow
def test_a_stop_does_not_wait_for_a_server_that_is_gone_and_the_resume_sends_what_it_missed(
    workshop, small_tree, home, server
):
    command = ("run", "imagenet", "--profile=mini", f"--data={small_tree}", "--seeds=4")
    command += (short(**{"trainer.max_epochs": 1}),)
    process = workshop.start(*command, pause="step:5", **online(server), WANDB_FINISH_TIMEOUT="1")
    process.until_paused()
    server.gone = True
    process.kill_group(signal.SIGTERM)
    time.sleep(0.2)  # the signal is there before the step ends
    process.go_on()
    code, _, err = process.wait(30)
    assert (code, err) == (
        143,
        "Weights & Biases could not take the run: Timed out finishing run. What it lacks is sent when the run goes on\n"
        "stopped by SIGTERM; the same command continues (without FRESH=1)\n",
    )
    server.gone = False
    assert server.runs[name := workshop.only_run().name]["history"] == []
    finish(workshop, *command, **online(server))
    assert rows_of(server.runs[name]) == curves_of(workshop.only_run())


def test_a_server_that_vanishes_costs_neither_the_record_nor_what_is_shown(workshop, small_tree, home, server):
    """Nor does a reader of the output who leaves, as `| head` does: it hears of the record last."""
    command = ("run", "imagenet", "--profile=mini", f"--data={small_tree}", "--seeds=6", short())
    process = workshop.start(*command, module="benchmarks.__main__", **online(server), WANDB_FINISH_TIMEOUT="3")
    assert any("training" in line for line in process.popen.stdout)
    server.gone = True
    process.popen.stdout.close()
    process.until(workshop.records)
    assert process.popen.poll() is None, "W&B is waited for"
    code, _, err = process.wait()
    run = workshop.only_run()
    files = f"results/runs/imagenet/{run.name}/wandb/offline-run-*"
    assert (code, err.count("\n")) == (1, 2), err
    assert err.startswith(
        "Weights & Biases could not take the run: Timed out finishing run. It is written offline at its end, and "
        f"`.venv/bin/wandb sync {files}` sends it\nstopped by a closed pipe"
    )
    server.gone = False
    sent = sync(server, run, home)
    assert (sent["exit"], "test/top1" in sent["summary"], rows_of(sent)) == (0, True, curves_of(run))


@pytest.mark.slow
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
    assert rows_of(sent) == curves_of(run)
    assert (sent["exit"], sent["summary"]["test/top1"]) == (0, made.metrics["test/top1"].value)


def let_it_be_gone(server, monkeypatch):
    set_all(monkeypatch, NOWHERE | {"WANDB_INIT_TIMEOUT": "1"})


def let_it_vanish(server, monkeypatch):
    def vanish(asked):
        server.gone = True
        raise ConnectionError

    set_all(monkeypatch, online(server) | {"WANDB_FINISH_TIMEOUT": "1"})
    server.on_createartifact = vanish


@pytest.mark.parametrize(
    ("happens", "said"), [(let_it_be_gone, "Failed to get resume status"), (let_it_vanish, "Timed out finishing run. ")]
)
def test_a_server_that_is_gone_at_the_end_leaves_the_run_offline(
    finished, home, server, monkeypatch, caplog, happens, said
):
    folder, made = finished
    happens(server, monkeypatch)
    tracking.publish(replace(made, wandb=Tracking("full-s0-x", "online")), folder, {"top-5": "reproduced"})
    (message,) = (each.getMessage() for each in caplog.records if each.name == "benchmarks.tracking")
    assert message.startswith(f"Weights & Biases could not take the run: {said}")
    server.gone = False
    vars(server).pop("on_createartifact", None)
    sent = sync(server, folder, home)
    assert (sent["summary"]["verdict/top-5"], rows_of(sent)) == ("reproduced", curves_of(folder))
    assert [each["whole"] for each in server.artifacts.values()] == [True, True]
