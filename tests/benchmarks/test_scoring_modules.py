"""What a new task's scoring module leaves out, or measures beside what it declares, is said by name."""

from types import SimpleNamespace

import pytest

from benchmarks import measure
from benchmarks.measure import HeldOut
from benchmarks.strict import load_claim
from results.scoring import classification
from tests.refusals import assert_told, refusal

CLAIM = load_claim("imagenet")
WHOLE = range(50_000)


@pytest.mark.parametrize("name", ["METRICS", "SHARED", "standard_errors"])
def test_a_claim_is_refused_whose_task_lacks_a_name(name, monkeypatch):
    monkeypatch.delattr(classification, name)
    assert f"need {name} in results/scoring/classification.py, not there" in refusal(load_claim, "imagenet")


def scoring_of(monkeypatch, values, errors=None):
    """A task that scores everything like this."""
    scored = SimpleNamespace(scored=1, unique=1)
    task = SimpleNamespace(
        METRICS={"top1": "%", "top5": "%", "AP": "%"}, read=lambda *_: scored, score=lambda *_: values,
        standard_errors=lambda *_: dict.fromkeys(values, 0.0) if errors is None else errors,
    )  # fmt: skip
    monkeypatch.setattr(measure, "scoring", lambda claim: task)


def measured(path, ids=WHOLE):
    tested = HeldOut(CLAIM, None, "test", "val", "", SimpleNamespace(ids=ids))
    return measure.measure(tested, path, {}, []).metrics


def test_a_metric_of_no_declared_name_is_refused(monkeypatch, tmp_path):
    scoring_of(monkeypatch, {"top1": 1.0, "top5": 2.0, "AP/cat": 3.0})
    assert measured(tmp_path).keys() == {"test/top1", "test/top5", "test/AP/cat"}
    scoring_of(monkeypatch, {"top1": 1.0, "top5": 2.0, "mae": 3.0})
    assert_told(
        ["results/scoring/classification.py: score returns mae", "METRICS has top1, top5, AP"], measured, tmp_path
    )


def test_a_claimed_metric_is_measured(monkeypatch, tmp_path):
    """On part of the examples it may be without meaning, as a top-5 of few classes."""
    scoring_of(monkeypatch, {"top1": 1.0})
    assert_told(["results/scoring/classification.py: score returns no top5", "the claim"], measured, tmp_path)
    assert measured(tmp_path, ids=range(37)).keys() == {"test/top1"}


def test_every_metric_has_a_standard_error(monkeypatch, tmp_path):
    scoring_of(monkeypatch, {"top1": 1.0, "top5": 2.0}, {"top1": 0.1})
    assert_told(["results/scoring/classification.py: standard_errors returns no top5"], measured, tmp_path)
