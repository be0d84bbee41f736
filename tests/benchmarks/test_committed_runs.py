"""Records of this suite are of the recipes that stand beside them, and what they learnt still acts."""

import pytest

from benchmarks.cli import parser
from benchmarks.loaded import load, revived
from benchmarks.modules import needs_data
from benchmarks.order import Order, work_out
from benchmarks.paths import ROOT, benchmarks
from benchmarks.strict import load_claim
from results.groups import newest_group
from results.stored import records_of


def groups():
    """The official training records of each benchmark and variant, ablations included, of those that need no data."""
    for benchmark in benchmarks():
        if needs_data(load_claim(benchmark)):
            continue
        official = [record for record in records_of(benchmark, "full") if record.mode == "train" and record.official]
        for variant in dict.fromkeys(record.variant for record in official):
            yield newest_group([record for record in official if record.variant == variant])


FIRST = {group[0].run_id: group[0] for group in groups()}


@pytest.mark.parametrize("run_id", FIRST)
def test_the_same_command_shows_what_is_committed(run_id):
    """Instead of training anew, and of replacing all seeds in the table by the first that ends."""
    run = FIRST[run_id]
    assert work_out(Order(run.benchmark, "full", run.variant, run.seed, None, {})).run_id == run_id


@pytest.mark.parametrize("run_id", FIRST)
def test_what_was_learnt_still_fits(run_id):
    weights = ROOT / "results/records" / FIRST[run_id].benchmark / run_id / "weights.ckpt"
    if not weights.exists():
        pytest.skip("too large to be committed")
    learnt, _ = revived(load(parser().parse_args(["validate", FIRST[run_id].benchmark, f"--checkpoint={weights}"])))
    assert all(value.isfinite().all() for value in learnt.state_dict().values())
