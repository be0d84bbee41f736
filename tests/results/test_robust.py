"""The interquartile mean and its interval, by hand and against rliable."""

import json
import subprocess

import numpy as np
import pytest

from benchmarks.strict import load_claim
from results.collect import judge
from results.foreign.runs import PEERS, interquartile_means
from results.render import seeds_markdown
from results.robust import interquartile_interval, interquartile_mean
from tests.results.records import measurement, record

# From the runs of each name to the ends of their intervals.
INTERVALS = """
import json, sys
import numpy as np
from rliable import library, metrics
scores = {name: np.array(values)[:, None] for name, values in json.load(sys.stdin).items()}  # runs x tasks
estimate = lambda drawn: np.array([metrics.aggregate_iqm(drawn)])
_, ends = library.get_interval_estimates(scores, estimate, reps=20_000)
print(json.dumps({name: each.ravel().tolist() for name, each in ends.items()}))
"""


def test_the_middle_half_by_hand():
    assert interquartile_mean(np.array([4.0, 100, 2, 3, -50])) == 3  # one falls away at each end
    assert interquartile_mean(np.array([8.0, 1, 2, 6, 100, 3, 4, 5])) == 4.5  # two
    np.testing.assert_array_equal(interquartile_mean(np.array([[1.0, 2, 6], [3, 3, 3]])), [3, 3])  # none


def test_the_interval_of_equal_runs_is_a_point():
    assert interquartile_interval(np.full(5, 7.0)) == (7, 7)


@pytest.mark.parametrize(("count", "share"), [(3, 0.76), (5, 0.90), (10, 0.94)])
def test_the_interval_of_few_runs_covers_too_little(count, share):
    """As the module says, of runs that share nothing; the truth is 0."""
    drawn = np.random.default_rng(1).standard_normal((400, count))
    intervals = [interquartile_interval(runs) for runs in drawn]
    assert np.mean([low <= 0 <= high for low, high in intervals]) == pytest.approx(share, abs=0.04)


def test_the_table_shows_no_interval_that_covers_too_little():
    """Ten runs of robots, each with its own episodes, have one; five have none, nor ten on one test set."""
    ten = [record(seed, metrics={"Walker2d-v5/return": measurement(3000.0 + seed)}) for seed in range(10)]
    walk, images = load_claim("locomotion_walk"), load_claim("imagenet")
    rows = [judge(walk, walk.testable[0], records) for records in (ten, ten[:5])]
    rows.append(judge(images, images.testable[0], [record(seed, 90.0 + seed / 10) for seed in range(10)]))
    middles = [line.split(" | ")[3] for line in seeds_markdown(rows).splitlines()[2:]]
    assert [middle.partition(" ")[0] for middle in middles] == ["3004.50", "3002.00", "90.45"]
    assert [" to " in middle for middle in middles] == [True, False, False]


@pytest.mark.slow
def test_rliable_finds_the_same():
    """Equal means; ends of intervals within what 2,000 and 20,000 replicates of a bootstrap differ by."""
    generator = np.random.default_rng(3)
    runs = {str(count): generator.normal(3000, 800, count).tolist() for count in (5, 8, 10, 23)}
    assert PEERS.exists(), "make peers installs what this test compares with"
    _, means = interquartile_means(runs)
    intervals = json.loads(subprocess.check_output([PEERS, "-c", INTERVALS], input=json.dumps(runs), text=True))
    assert means.keys() == intervals.keys() == runs.keys()
    for name, (low, high) in intervals.items():
        values = np.array(runs[name])
        assert interquartile_mean(values) == pytest.approx(means[name], rel=1e-12)
        width = high - low
        assert interquartile_interval(values) == pytest.approx((low, high), abs=0.08 * width)
