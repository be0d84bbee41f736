"""What make passes on to `python -m benchmarks`, and what it knows nothing of."""

import os
import shlex
import subprocess

import pytest

from benchmarks.paths import ROOT


def make(*arguments, **environment):
    """The command line that make would start last, and what it says against it."""
    clean = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    command = ["make", "-n", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=clean | environment)
    return shlex.split(done.stdout.splitlines()[-1])[3:] if done.returncode == 0 else done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "line"),
    [
        (("reproduce-imdb",), {}, ["reproduce", "imdb"]),
        (
            ("reproduce-imdb", "DATA=/a b's", "SEEDS=0,1", "ARGS=--a 1 --b", "FRESH=1", "REHEARSE=0"), {},
            ["reproduce", "imdb", "--data=/a b's", "--seeds=0,1", "--args=--a 1 --b", "--fresh"],
        ),
        (("validate-coco", "SEEDS=1"), {}, ["validate", "coco", "--seeds=1"]),
        (("plan", "GPU=H200", "PRICE=2"), {}, ["plan", "--gpu=H200", "--price=2"]),
        (("plan",), {"GPU": "0", "DATA": "/data"}, ["plan", "--data=/data"]),
        (("doctor-imdb", "ARGS="), {}, ["doctor", "imdb", "--args="]),
    ],
)  # fmt: skip
def test_what_is_given_reaches_the_command(arguments, environment, line):
    assert make(*arguments, **environment) == line


@pytest.mark.parametrize(("target", "replaces"), [("tables", False), ("doctor-imdb", False), ("reproduce-imdb", True)])
def test_what_only_reads_replaces_no_packages_below_a_run(target, replaces):
    """After a change of the lock, as by `git pull`."""
    command = ["make", "-n", "--what-if=requirements.lock", target]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert ("uv pip sync" in said, "older than requirements.lock" in said) == (replaces, not replaces)


def test_python_finds_the_suite_though_told_to_look_nowhere():
    command = ["make", "--no-print-directory", "--old-file=.venv/installed", "doctor-nothing"]
    environment = os.environ | {"PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert "there is no benchmark 'nothing'" in done.stderr, done.stderr


@pytest.mark.parametrize("slip", ["SEED=3", "data=/data", "CHECKPIONT=a"])
def test_a_slip_is_no_option_that_is_left_out(slip):
    assert f"make knows no {slip.partition('=')[0]}; `make help` lists" in make("reproduce-imdb", slip)
