"""`reproduce` with several seeds ends with what they say together."""

import pytest

from benchmarks import launch
from benchmarks.paths import record_file
from benchmarks.strict import write_record
from tests.results.records import record


@pytest.fixture
def finished(desk, monkeypatch):
    """Two seeds whose records are there, and children that have nothing left to do."""
    for seed in (0, 1):
        made = record(seed, top5=92.0 + seed)
        path = record_file("imagenet", made.run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_record(made, path)
    monkeypatch.setattr(launch.Children, "run", lambda children: 0)
    return desk


def test_the_verdict_over_all_seeds_is_the_last_that_one_reads(finished):
    code, out, err = finished.call("reproduce", "imagenet", f"--data={finished.tree}", "--seeds=0,1")
    assert (code, err) == (0, "")
    *_, row, literal = out.rstrip("\n").split("\n")
    assert row.startswith("| imagenet | top-5 | trained | 91.3 % | 92.50 % |")
    assert "| 2 | inconclusive |" in row, "seeds 92 and 93 are far apart"
    assert literal.startswith("| imagenet | top-1 | trained | 91.3 % | 70.00 % |")
    assert "| not reproduced |" in literal
    assert finished.call("reproduce", "imagenet", f"--data={finished.tree}", "--seeds=0,1", "--strict")[0] == 3


def test_one_seed_has_told_itself(finished):
    code, out, _ = finished.call("reproduce", "imagenet", f"--data={finished.tree}", "--seeds=0")
    assert code == 0
    assert "| imagenet |" not in out
