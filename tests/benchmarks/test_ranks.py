"""Ranks that end: whose exit code is the run's, and what is said. Shells stand for the ranks."""

import os
import subprocess
import sys
import time
from functools import partial
from subprocess import PIPE, Popen

import pytest

from benchmarks import ranks
from benchmarks.cli import guarded
from benchmarks.errors import UserError
from tests.conftest import ROOT


@pytest.fixture
def begun(monkeypatch):
    """Starts ranks that end as they are told."""
    monkeypatch.setattr(ranks, "started", [])
    monkeypatch.setattr(ranks, "disregard_signals", lambda: None)
    monkeypatch.setattr(ranks, "GRACE", 0.5)

    def start(*ends):
        ranks.started[:] = [Popen(["sh", "-c", end]) for end in ends]
        for rank, end in zip(ranks.started, ends, strict=True):
            if "sleep" not in end:
                rank.wait()

    yield start
    for rank in ranks.started:
        rank.kill()


@pytest.mark.parametrize(
    ("ends", "code", "words"),
    [
        (("exit 0", "exit 1"), 1, ""),
        (("exit 1", "kill -9 $$", "exit 2"), 2, ""),
        (("exit 1", "kill -6 $$", "kill -9 $$"), 137, "killed by signal 9 (Killed); if memory ran out"),
        (("exit 1", "kill -6 $$"), 134, "killed by signal 6 (Aborted).\n"),
        (("kill -40 $$", "exit 1"), 168, "killed by signal 40 ("),
        (("kill -TERM $$", "exit 1"), 143, "stopped by SIGTERM\n"),
        (("exit 1", "exit 143"), 143, "stopped by SIGTERM\n"),
        (("sleep 0.2; exit 2", "sleep 60"), 2, ""),
        (("exit 0", "exit 0"), None, ""),
        ((), None, ""),
        (("sleep 60",), None, ""),
    ],
)
def test_the_first_cause_gives_the_code(begun, capfd, ends, code, words):
    begun(*ends)
    assert ranks.blamed(RuntimeError("Connection closed by peer")) == code
    said = capfd.readouterr().err
    assert words in said
    assert bool(said) == bool(words)
    assert ranks.code_of_failed(within=0) is None, "it is told once"


def test_an_error_that_no_other_rank_can_cause_is_ones_own(begun):
    begun("exit 2")
    assert ranks.blamed(KeyError("mine")) is None


@pytest.mark.parametrize(("rank", "waits"), [(None, 0), ("0", 0), ("1", ranks.GRACE)])
def test_what_goes_wrong_is_told_by_the_first_rank_before_the_others(monkeypatch, capsys, rank, waits):
    """These may be at an end with it by then; if they are not, it is theirs alone."""
    order = []
    monkeypatch.setattr(time, "sleep", lambda seconds: order.append((seconds, capsys.readouterr().err)))
    monkeypatch.delenv("SLURM_LOCALID", raising=False)
    monkeypatch.delenv("LOCAL_RANK", raising=False) if rank is None else monkeypatch.setenv("LOCAL_RANK", rank)
    assert guarded(partial(refuse, "no such thing")) == 2
    assert order == [(waits, "")] * bool(waits)
    assert capsys.readouterr().err == "error: no such thing\n"


def refuse(message):
    raise UserError(message)


WAITS = """
import sys, time
from subprocess import Popen
from benchmarks import ranks
ranks.GRACE = 0.2
ranks.end_once_one_fails([Popen(["sleep", "60"]), Popen(["sh", "-c", sys.argv[1]])])
print("beginning")
time.sleep(60)
"""


@pytest.mark.parametrize(("end", "code"), [("exit 2", 2), ("kill -9 $$", 137)])
def test_the_first_rank_does_not_wait_for_one_that_failed_though_nobody_reads(end, code):
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}  # so that the closed pipe is met at the end alone
    first = Popen([sys.executable, "-c", WAITS, end], cwd=ROOT, env=buffered, stdout=PIPE, stderr=PIPE)
    first.stdout.close()
    first.stderr.close()
    assert first.wait(timeout=30) == code


def test_the_first_rank_ends_well_after_the_others():
    waits = WAITS.replace('Popen(["sleep", "60"]), ', "").replace("time.sleep(60)", "time.sleep(1.5)")
    done = subprocess.run([sys.executable, "-c", waits, "exit 0"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("beginning\n", "")
