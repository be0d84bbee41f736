"""The interquartile mean and its interval, by hand and against rliable."""

import numpy as np
import pytest

from results.foreign.runs import PEERS, estimates
from results.robust import interquartile_interval, interquartile_mean


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
    found = estimates(runs, replicates=20_000)
    assert found.means.keys() == found.intervals.keys() == runs.keys()
    for name, (low, high) in found.intervals.items():
        values = np.array(runs[name])
        assert interquartile_mean(values) == pytest.approx(found.means[name], rel=1e-12)
        width = high - low
        assert interquartile_interval(values) == pytest.approx((low, high), abs=0.08 * width)
