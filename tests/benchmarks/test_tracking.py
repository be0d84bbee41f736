"""Weights & Biases: one complete run to sync, nothing printed, and nothing depends on it."""

import json
import logging
import struct
from dataclasses import replace

import pytest
import wandb
from wandb.proto import wandb_internal_pb2

from benchmarks import paths, tracking
from benchmarks.schema import StoredFile, Tracking
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


def datastore(path):
    """The records of a .wandb file: LevelDB's log format, blocks of 32 KiB, after a header of seven bytes.

    W&B reads these files in its own core, no longer in Python.
    """
    data, position, parts = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while position < len(data):
        left = 32_768 - position % 32_768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            found = wandb_internal_pb2.Record()
            found.ParseFromString(parts)
            parts = b""
            yield found


def value_of(item):
    return json.loads(item.value_json)


def key_of(item):
    return item.key or ".".join(item.nested_key)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without credentials, caches or settings."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    wandb.teardown()  # it keeps settings and credentials for the process
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    yield tmp_path / "home"
    wandb.teardown()


@pytest.fixture
def finished(tmp_path, home):
    """The folder of a finished run, and its record."""
    folder = tmp_path / "runs" / "full-s0-x"
    (folder / "predictions").mkdir(parents=True)
    (folder / "metrics.csv").write_text(METRICS)
    predictions = folder / "predictions" / "predictions.csv"
    predictions.write_text("id,label,pred1,score1\na,0,0,1\n")
    stored = StoredFile(str(predictions), "0" * 64)
    return folder, record(0, 91.5, run_id="full-s0-x", predictions=(stored,), wandb=Tracking("full-s0-x", "offline"))


def test_one_complete_offline_run(finished, capfd, caplog):
    folder, made = finished
    tracking.publish(made, folder, {"top-5": "reproduced", "top-1": "not reproduced"})
    wandb.teardown()
    assert capfd.readouterr() == ("", "")
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []

    (offline,) = (folder / "wandb").glob("*run-*")
    assert offline.name.startswith("offline-run-")
    assert offline.name.endswith("-full-s0-x")
    (file,) = offline.glob("*.wandb")
    records = list(datastore(file))

    (run,) = (each.run for each in records if each.HasField("run"))
    assert (run.run_id, run.display_name, run.project, run.run_group) == (
        "full-s0-x",
        "full-s0-x",
        "claims",
        "imagenet",
    )
    settings = {key_of(item): value_of(item) for item in run.config.update}
    assert settings["trainer"] == {"max_epochs": 32}

    history = [{key_of(i): value_of(i) for i in each.history.item} for each in records if each.HasField("history")]
    logged = [{k: v for k, v in row.items() if k == "_step" or not k.startswith("_")} for row in history]
    assert logged == [
        {"_step": 10, "train/loss": 3.25},
        {"_step": 20, "train/loss": 2.5, "val/top1": 12.5, "val/top5": 40.0},
        {"_step": 30, "train/loss": 2.125},
        {"_step": 40, "train/loss": 2.0, "val/top1": 0.1},
    ]

    summary = {key_of(i): value_of(i) for each in records if each.HasField("summary") for i in each.summary.update}
    assert summary["test/top5"] == 91.5
    assert summary["test/top1"] == 70.0
    assert (summary["verdict/top-5"], summary["verdict/top-1"]) == ("reproduced", "not reproduced")

    names = {item.path for each in records if each.HasField("files") for item in each.files.files}
    assert "predictions/predictions.csv" in names
    kept = offline / "files" / "predictions" / "predictions.csv"
    assert not kept.is_symlink()  # a moved run still syncs
    assert kept.read_text() == (folder / "predictions/predictions.csv").read_text()
    assert [each.exit.exit_code for each in records if each.HasField("exit")] == [0]


def test_predictions_that_are_kept_with_the_record(finished, tmp_path, monkeypatch, caplog):
    """A real run's small files are stored beside its record, outside of its folder."""
    folder, made = finished
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    kept = tmp_path / "results/records/imagenet/full-s0-x/episodes.csv"
    kept.parent.mkdir(parents=True)
    kept.write_text("a,b\n")
    tracking.publish(replace(made, predictions=(StoredFile(str(kept), "0" * 64),)), folder, {})
    wandb.teardown()
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    assert [path.read_text() for path in folder.glob("wandb/*run-*/files/episodes.csv")] == ["a,b\n"]


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
