"""Runs that W&B is told of, and a server of its to tell."""

import os
import subprocess
import sys

import pytest
import wandb

from benchmarks import paths
from benchmarks.schema import StoredFile, Tracking
from benchmarks.strict import write_record
from benchmarks.tracking import STEP, steps_of
from tests.benchmarks.wandb_server import Wandb
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
NOWHERE = {"WANDB_MODE": "online", "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": KEY}


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


def set_all(monkeypatch, environment):
    """Sets variables."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def online(server):
    """The environment of a user who is logged in there."""
    return {"WANDB_MODE": "online", "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}


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


def rows_of(run):
    """What was logged, by its step; W&B takes none twice."""
    steps = [row["_step"] for row in run["history"]]
    assert steps == sorted(set(steps)), "each once"
    return {row["_step"]: {k: v for k, v in row.items() if not k.startswith("_")} for row in run["history"]}


def curves_of(folder):
    """What is to be logged of a run of one stage, by its step."""
    return {step: values | {STEP: step} for step, values in steps_of(folder).items()}
