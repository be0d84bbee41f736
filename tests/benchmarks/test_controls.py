"""Controls that ended, however they did: what counts is the record, wherever it was trained. Shells stand for them."""

import tempfile
from subprocess import Popen
from types import SimpleNamespace

import pytest

from benchmarks.controls import Child, Controls
from benchmarks.errors import UserError
from benchmarks.schema import Baseline
from tests.results.records import miniature_record, put

SAYS = "echo error: another process is working on it. >&2; exit 2"


@pytest.fixture
def controls(desk):
    """Those of a run, of which the only one was begun and ends as it is told."""

    def begun(end, data=lambda *_: None):
        run = miniature_record(run_id="mini-scratch-s0-a")
        made = Controls.__new__(Controls)
        made.plan = SimpleNamespace(tests=["test"])
        made.plans = {"scratch": SimpleNamespace(require_data_of=data)}
        made.records = {"scratch": desk.root / "results/records/imagenet" / f"{run.run_id}.json"}
        child = Child.__new__(Child)
        child.said = tempfile.TemporaryFile()  # noqa: SIM115
        child.process = Popen(["sh", "-c", end], stderr=child.said)
        made.children = {"scratch": child}
        return made, lambda: put(desk.root, run)

    return begun


def test_one_that_is_trained_elsewhere_counts_once_its_record_is_there(controls):
    made, elsewhere = controls(SAYS)
    with pytest.raises(UserError, match=r"the control scratch ended with code 2: another process is working on it\."):
        made.scores()
    elsewhere()
    assert made.scores()["scratch/top5"] == Baseline(95.0, "test/top5")


def test_one_that_was_trained_elsewhere_on_other_data_does_not(controls):
    def other(record, otherwise):
        raise UserError(f"{record.run_id}: {otherwise}")

    made, elsewhere = controls(SAYS, other)
    elsewhere()
    with pytest.raises(UserError, match="mini-scratch-s0-a: train it anew first, with VARIANT=scratch FRESH=1"):
        made.scores()


def test_one_that_fails_without_a_record_fails_its_run(controls):
    made, _ = controls("exit 1")
    with pytest.raises(RuntimeError, match="the control scratch ended with code 1: it said nothing"):
        made.scores()
