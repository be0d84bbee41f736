"""The interquartile mean and its interval, by hand and against rliable."""

import json
import subprocess

import numpy as np
import pytest

from results.foreign.runs import PEERS, interquartile_means
from results.robust import interquartile_interval, interquartile_mean

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
