"""What measures a GPU: its parts, on the processor with a small network, and that it says where there is none."""

import subprocess
import sys

import pytest
import torch

from benchmarks.config import resolve_settings
from benchmarks.speed import imagenet_step
from benchmarks.speed.imagenet import write
from benchmarks.speed.imagenet_step import ON_GPU, READ, Measured, Way, lines, measured, ways
from benchmarks.speed.photographs import photographs
from benchmarks.throughput import ThroughputMeter
from tests.conftest import ROOT


def test_without_a_gpu_there_is_nothing_to_measure():
    asked = [sys.executable, "-m", "benchmarks.speed.imagenet_step"]
    ended = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "torch finds no GPU here" in ended.stderr


@pytest.mark.parametrize(("way", "count"), [(Way(ON_GPU, 32, 8, 0), 5), (Way(READ, 32, 8, 1), 4)])
def test_batches_are_trained_on_until_those_made_beforehand_are_used_up(monkeypatch, tmp_path, way, count):
    seen = []
    write(tmp_path / "tree", list(photographs(4)), 8 * 20)
    monkeypatch.setattr(imagenet_step, "resolve_settings", lambda *_: resolve_settings("imagenet", "mini", None, {}))
    monkeypatch.setattr(imagenet_step, "WARM_UP", 3)
    monkeypatch.setattr(imagenet_step, "COUNTED", 5)
    monkeypatch.setattr(imagenet_step, "passes", lambda processes: (3, 4, 3))
    monkeypatch.setattr(imagenet_step, "peak_memory", lambda on_gpu: 7)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(
        imagenet_step, "ThroughputMeter", lambda warm_up: seen.append(ThroughputMeter(warm_up)) or seen[0]
    )
    found = measured(tmp_path / "tree", way)
    (meter,) = seen
    assert (meter.seen, meter.examples) == (3 + count, 8 * count)
    assert (found.way, found.memory) == (way, 7)
    assert found.speed == pytest.approx(8 * count / meter.seconds)


def test_the_table_by_hand():
    assert len([*ways((256, 512), (8, 16))]) == 2 + 1 + 4 + 2
    alone, fed = Way(ON_GPU, 192, 512, 0), Way(READ, 192, 512, 16)
    found = [Measured(alone, 8000.0, 0.0, 2**30), Measured(fed, 6000.0, 0.25, 2**31)]
    assert [*lines(found)] == [
        (ON_GPU, "192", "512", "", "8000", "", "0.0%", "1.0 GiB"),
        (READ, "192", "512", "16", "6000", "0.75", "25.0%", "2.0 GiB"),
    ]
