"""A clock that is set back while something runs: its record does not contradict itself, and says so."""

import json
from datetime import datetime, timedelta

import pytest

from benchmarks.runs import end_of
from tests.benchmarks.conftest import write_predictions
from tests.benchmarks.ended import finish, interrupt
from tests.benchmarks.test_resume import TERM, command


@pytest.mark.parametrize(
    ("clock", "finished", "noted"),
    [
        ("12:00:08", "12:00:08", False),  # a beginning may have been told a second early, and a duration is not rounded
        ("13:00:00", "13:00:00", False),  # the time between two starts is no part of the seconds
        ("12:00:07", "12:00:08", True),
        ("09:00:00", "12:00:08", True),
    ],
)
def test_nothing_ends_before_it_has_taken_its_time(clock, finished, noted, monkeypatch):
    day = "2026-01-01T{}+00:00".format
    monkeypatch.setattr("benchmarks.runs.now", lambda: day(clock))
    found, notes = end_of(day("12:00:00"), 8.9)
    assert found == day(finished)
    assert [f"showed {day(clock)} at the end" in note for note in notes] == [True] * noted


def test_a_validation_under_a_clock_that_is_set_back(desk, monkeypatch):
    predictions = write_predictions(desk.tmp / "predictions.csv", desk.tree)
    monkeypatch.setattr("benchmarks.validate.now", lambda: "2222-01-01T00:00:00+00:00")
    finish(desk, "validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--predictions={predictions}")
    (path,) = desk.records()
    record = json.loads(path.read_text())
    assert record["finished"][:11] == record["started"][:11] == "2222-01-01T"
    assert "the clock was set back meanwhile: it showed 20" in record["notes"][-1]
    assert finish(desk, "verify").startswith("ok ")


@pytest.mark.slow
def test_a_run_under_a_clock_that_is_set_back(workshop, small_tree):
    """It was a year fast when the run began."""
    assert interrupt(workshop, "step:6", TERM, *command(small_tree))[0] == 128 + TERM
    path = workshop.only_run() / "run.json"
    known = json.loads(path.read_text())
    began = datetime.fromisoformat(known["started"]) + timedelta(days=365)
    path.write_text(json.dumps(known | {"started": began.isoformat()}))
    finish(workshop, *command(small_tree))
    (path,) = workshop.records()
    record = json.loads(path.read_text())
    assert datetime.fromisoformat(record["finished"]) == began + timedelta(seconds=int(record["seconds"]))
    assert [note.partition(":")[0] for note in record["notes"]] == ["the clock was set back meanwhile"]
    assert finish(workshop, "verify").startswith("ok ")
