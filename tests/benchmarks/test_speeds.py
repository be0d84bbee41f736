"""`bench-imagenet`: ways side by side, and where plan and report find what was measured."""

import os
import shutil
import sys

import pytest

from benchmarks import costs, speeds
from benchmarks.errors import UserError
from benchmarks.forecast import Published
from benchmarks.speed import imagenet as bench
from benchmarks.speeds import Speeds, Way, load_speeds, write_speeds
from results import collect
from results.report import page
from tests.conftest import ROOT

SPEEDS = Speeds(
    "images/s", "a processor", "512 photographs", 5,
    (
        Way("torchvision, float32", 2, (90.0, 100.0, 110.0), (1.0, 1.0, 1.0)),
        Way("ours", 0, (300.0, 310.0, 320.0), (2.0, 2.0, 2.0)),
        Way("ours", 2, (240.0, 250.0, 260.0), (2.4, 2.5, 2.6)),
    ),
)  # fmt: skip


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A checkout with nothing but ImageNet's claim."""
    for module in (speeds, collect, page):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "benchmarks/imagenet").mkdir(parents=True)
    shutil.copy(ROOT / "benchmarks/imagenet/claim.yaml", tmp_path / "benchmarks/imagenet")
    return tmp_path


def test_every_way_is_measured_beside_the_first(monkeypatch, small_tree):
    cores = os.sched_getaffinity(0)
    for name, value in {"PHOTOGRAPHS": 4, "BATCH": 2, "BATCHES": 8}.items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {min(cores)})  # loaders with one process
    for data in (None, str(small_tree)):
        measured = bench.measured(data, 2)
        assert measured.inputs.startswith("4 of its training images" if data else "4 photographs made up, 500 x 375")
        ways = {(way.name, way.processes): way for way in measured.ways}
        assert [name for name, processes in ways if processes == 1][:3] == [
            "torchvision, float32",
            "torchvision",
            "ours",
        ]
        assert ways["torchvision", 0].ratio == ways["torchvision, float32", 1].ratio == (1, 1, 1)
        assert all(0 < way.speed[0] <= way.speed[1] <= way.speed[2] for way in measured.ways)
        assert measured.ours is ways["ours", 1]
    os.sched_setaffinity(0, cores)


def test_data_that_are_none_end_in_one_message(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["imagenet", f"--data={tmp_path / 'nothing'}"])
    assert bench.main() == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'nothing'} does not exist.")


def test_what_was_measured_is_found_again(repository):
    assert load_speeds("imagenet") is None
    path = write_speeds("imagenet", SPEEDS)
    assert load_speeds("imagenet") == SPEEDS
    path.write_text(path.read_text()[:-20])
    with pytest.raises(UserError, match=r"imagenet\.json is damaged .* Remove it, or measure again\."):
        load_speeds("imagenet")


def test_the_plan_says_how_long_the_input_takes(repository):
    published = Published(None, "A100", 3.83, "somewhere", 3_600_000)
    assert list(costs._fed("imagenet", published.examples)) == []
    write_speeds("imagenet", SPEEDS)
    # 3.6 million images at 250 a second: 14,400 seconds.
    assert list(costs._fed("imagenet", published.examples)) == [
        "reading the input takes 4.0 h with 2 processes on a processor"
    ]


def test_the_report_shows_them(repository):
    write_speeds("imagenet", SPEEDS)
    page.write_report()
    text = (repository / page.REPORT).read_text()
    assert "How fast its input is read" in text
    assert "2.50 (2.40 to 2.60)" in text
    assert "one core alone" in text
