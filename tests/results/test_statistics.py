"""Intervals and the bootstrap against numbers worked by hand and against a simulation."""

import csv
import tracemalloc
from itertools import product
from math import sqrt

import numpy as np
import pytest
from scipy.special import ndtr

from results.statistics import Interval, bootstrap, interval, ratio_error, standard_error, verdict, wilson
from tests.conftest import ROOT


def quotient(sums):
    return sums[:, 0] / sums[:, 1]


def accuracy_statistics(right: int, examples: int) -> np.ndarray:
    return np.stack([np.arange(examples) < right, np.ones(examples)], axis=1).astype(np.float64)


# The bootstrap


def test_two_examples_resample_to_the_binomial_law():
    # Of the 4 equally likely draws of 2 from {0, 1} one has the mean 0, two have 1/2, one has 1: the variance is 1/8.
    replicates = bootstrap(np.array([[0.0, 1.0], [1.0, 1.0]]), quotient, resamples=20_000)
    values, counts = np.unique(replicates, return_counts=True)
    assert values.tolist() == [0.0, 0.5, 1.0]
    assert counts / 20_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.01)
    assert standard_error(replicates) == pytest.approx(sqrt(1 / 8), rel=0.02)


@pytest.mark.parametrize(("right", "examples"), [(7_600, 10_000), (1_500, 3_000), (47_500, 50_000)])
def test_standard_error_of_an_accuracy_is_binomial(right, examples):
    # 2000 replicates know their own deviation to 1 / sqrt(4000) = 1.6 %.
    p = right / examples
    replicates = bootstrap(accuracy_statistics(right, examples), quotient)
    assert standard_error(replicates) == pytest.approx(sqrt(p * (1 - p) / examples), rel=0.05)


def test_standard_error_of_a_ratio_agrees_with_its_linearisation():
    # A word error rate sum(edits) / sum(words) has, to first order, the variance sum((edits - R words)^2) / words^2.
    generator = np.random.default_rng(3)
    words = generator.integers(2, 40, size=2_600)
    edits = generator.binomial(words, 0.08)
    rate = edits.sum() / words.sum()
    expected = sqrt(np.square(edits - rate * words).sum()) / words.sum()
    assert ratio_error(np.stack([edits, words], axis=1).astype(np.float64)) == pytest.approx(expected, rel=0.05)


def test_standard_error_by_hand():
    # Deviations -2, 0, 2 about 3: (4 + 0 + 4) / (3 - 1) = 4.
    assert standard_error(np.array([1.0, 3.0, 5.0])) == 2.0


def test_the_stream_is_fixed_and_nobody_elses():
    statistics = accuracy_statistics(60, 100)
    np.random.seed(0)  # noqa: NPY002 - the global state is what must not matter
    first = bootstrap(statistics, quotient)
    np.random.seed(1)  # noqa: NPY002
    assert np.array_equal(first, bootstrap(statistics, quotient))
    # Standard errors stand in committed records: another stream would change them all.
    assert first[:4].tolist() == [0.49, 0.61, 0.62, 0.61]


def test_memory_does_not_grow_with_the_number_of_resamples():
    statistics = accuracy_statistics(38_000, 50_000)
    tracemalloc.start()
    bootstrap(statistics, quotient, resamples=200)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6  # one resample of 50,000 indices is 0.4 MB; all of them at once would be 80 MB


@pytest.mark.parametrize("shape", [(0, 2), (5,)])
def test_statistics_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"shape \[n, k\]"):
        bootstrap(np.zeros(shape), quotient)


# A share


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        # z^2 = 3.841459, z^2 / n = 0.03841459: centre (0.1 + 0.01920729) / 1.03841459 = 0.11479740,
        # half sqrt(0.03841459 (0.09 + 0.00960365)) / 1.03841459 = 0.06185592 / 1.03841459 = 0.05956767.
        (10, 100, 0.055229, 0.174366),
        # None seen: from 0 to z^2 / (n + z^2) = 3.841459 / 503.841459.
        (0, 500, 0.0, 0.007624),
        (500, 500, 1 - 0.007624, 1.0),
        (1, 1, 1 / 4.841459, 1.0),
    ],
)
def test_a_share_by_hand(count, total, low, high):
    assert wilson(count, total) == pytest.approx((low, high), abs=2e-6)


@pytest.mark.parametrize(("count", "total"), [(0, 0), (3, 2), (-1, 2)])
def test_no_share_is_refused(count, total):
    with pytest.raises(ValueError, match=f"got {count} of {total}"):
        wilson(count, total)


# The interval


def test_three_seeds_by_hand():
    # s = 0.3, a = s^2 / 3 = 0.03; the mean of the errors is chosen so that b = e^2 = 0.03 = a.
    # df = (a + b)^2 / (a^2 / 2) = 0.0036 / 0.00045 = 8, t_8(0.975) = 2.306004 (any table).
    # Half-width: 2.306004 * sqrt(0.06) = 2.306004 * 0.244949 = 0.564853.
    error = sqrt(0.03)
    found = interval([75.7, 76.0, 76.3], [error - 0.1, error, error + 0.1])
    assert found.mean == 76.0
    assert (found.low, found.high) == pytest.approx((76 - 0.564853, 76 + 0.564853), abs=1e-6)
    assert (found.seed_spread, found.example_error) == pytest.approx((0.3, error))
    assert (found.seeds, found.covers_training) == (3, True)


def test_seeds_with_their_own_examples_by_hand():
    # s^2 = (4 + 1 + 0 + 1 + 4) / 4 = 2.5, s^2 / 5 = 0.5, df = 4, t_4(0.975) = 2.776445.
    # Half-width: 2.776445 * sqrt(0.5) = 1.963243.
    found = interval([1, 2, 3, 4, 5], [0.0] * 5)
    assert (found.low, found.high) == pytest.approx((3 - 1.963243, 3 + 1.963243), abs=1e-6)


def test_one_run_by_hand():
    # 1.959964 * 0.19 = 0.372393; nothing is known of other seeds.
    found = interval([76.13], [0.19])
    assert (found.low, found.high) == pytest.approx((76.13 - 0.372393, 76.13 + 0.372393), abs=1e-6)
    assert (found.seed_spread, found.seeds, found.covers_training) == (None, 1, False)


def test_equal_runs_have_the_normal_quantile():
    found, tiny = interval([0.1] * 7, [0.5] * 7), interval([0.1] * 6 + [0.1 + 1e-12], [0.5] * 7)
    assert (found.mean, found.seed_spread) == (0.1, 0.0)
    assert found.high - found.mean == pytest.approx(1.959964 * 0.5, abs=1e-6)
    assert tiny.high == pytest.approx(found.high, abs=1e-9)
    assert interval([0.3] * 2, [0.0] * 2) == Interval(0.3, 0.3, 0.3, 0.0, 0.0, 2, covers_training=True)


@pytest.mark.parametrize(
    ("values", "errors", "message"),
    [([], [], "at least one run"), ([1.0, 2.0], [0.1], "got 2 and 1"), ([1.0, float("nan")], [0.1, 0.1], "finite")],
)
def test_intervals_of_nothing_are_refused(values, errors, message):
    with pytest.raises(ValueError, match=message):
        interval(values, errors)


def simulated_runs(
    seeds: int, shift: float, shared: float = 9.0, repetitions: int = 3_000, examples: int = 1_000
) -> np.ndarray:
    """Draw accuracies [repetitions, seeds] of runs that share a test set.

    A run is right on an example where 0.7 + difficulty + shift + noise > 0: the difficulty (variance `shared`) belongs
    to the example and is shared by all runs, the shift to the seed and is shared by all examples, the noise (variance
    10 - `shared`) to the pair.
    """
    generator = np.random.Generator(np.random.PCG64(7))
    accuracies = np.empty((repetitions, seeds))
    for repetition in range(repetitions):
        difficulties = sqrt(shared) * generator.standard_normal((1, examples), dtype=np.float32)
        shifts = shift * generator.standard_normal((seeds, 1), dtype=np.float32)
        noise = sqrt(10 - shared) * generator.standard_normal((seeds, examples), dtype=np.float32)
        accuracies[repetition] = (0.7 + difficulties + shifts + noise > 0).mean(axis=1)
    return accuracies


def covered(accuracies: np.ndarray, shift: float, examples: int = 1_000) -> float:
    """Return the share of repetitions whose interval holds the mean over all examples and all seeds.

    That mean is known: the sum of the three parts is normal with the variance 10 + shift^2. The errors are what the
    bootstrap tends to, sqrt(p (1 - p) / n).
    """
    truth = ndtr(0.7 / sqrt(10 + shift * shift))
    errors = np.sqrt(accuracies * (1 - accuracies) / examples)
    intervals = [interval(runs.tolist(), error.tolist()) for runs, error in zip(accuracies, errors, strict=True)]
    return float(np.mean([found.low <= truth <= found.high for found in intervals]))


@pytest.mark.parametrize("shift", [0.15, 0.3])  # s is 1.2 and 2.3 times e
def test_five_seeds_cover_and_one_does_not(shift):
    accuracies = simulated_runs(seeds=5, shift=shift)
    assert 0.93 <= covered(accuracies, shift) <= 0.98
    assert covered(accuracies[:, :1], shift) < 0.85


@pytest.mark.parametrize("shift", [0.0, 0.15, 0.3])
def test_where_runs_disagree_at_random_the_interval_is_too_wide(shift):
    """Four fifths of e^2 is noise of pairs, as in committed drives: answers of two runs correlate by 0.18."""
    assert covered(simulated_runs(seeds=5, shift=shift, shared=3.0), shift) >= 0.97


def drives(variant, column, scale):
    """What lies between the agent and IDM in each episode of the committed runs, [seeds, episodes]."""
    paths = sorted((ROOT / "results/records/driving").glob(f"full-{variant}s?-*/episodes.csv"))
    of_runs = []
    for path in paths:
        with path.open(newline="") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: int(row["episode"]))
        agent, idm = ([scale * float(row[column]) for row in rows if row["driver"] == who] for who in ("agent", "idm"))
        of_runs.append(np.subtract(agent, idm))
    return np.array(of_runs)


def test_of_committed_drives_most_of_e_is_noise_that_differs_by_seed():
    """By the mean squares of an analysis of variance, seeds x episodes; the share stands in the module."""
    noise = []
    for variant, (column, scale) in product(("", "long-"), (("crashed", 100), ("return", 1))):
        values = drives(variant, column, scale)
        seeds, episodes = values.shape
        assert (seeds, episodes) == (5, 500)
        of_episodes = seeds * values.mean(axis=0).var(ddof=1)
        rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
        of_pairs = np.square(rest).sum() / ((seeds - 1) * (episodes - 1))
        noise.append(1 - (of_episodes - of_pairs) / seeds / values.var(axis=1).mean())
    assert [round(100 * share) for share in sorted(noise)] == [69, 76, 85, 85]


def test_three_seeds_cover_a_little_less():
    assert 0.915 <= covered(simulated_runs(seeds=3, shift=0.6), 0.6) <= 0.94


def test_seeds_added_until_there_is_a_verdict_settle_more_by_chance():
    """The truth lies on the edge, so both verdicts are of chance; the shares stand in the module."""
    generator = np.random.Generator(np.random.PCG64(11))
    drawn = [generator.standard_normal(10).tolist() for _ in range(6_000)]
    at_once = [_judged(runs[:3]) for runs in drawn]
    added = [next(filter(None, (_judged(runs[:count]) for count in range(3, 11))), "") for runs in drawn]
    assert np.mean([each == "exceeded" for each in at_once]) == pytest.approx(0.025, abs=0.006)
    assert np.mean([each != "" for each in at_once]) == pytest.approx(0.05, abs=0.008)
    assert np.mean([each == "exceeded" for each in added]) == pytest.approx(0.084, abs=0.01)
    assert np.mean([each != "" for each in added]) == pytest.approx(0.168, abs=0.014)


def _judged(runs):
    """Of a claim at 0 without a margin, which is the truth; nothing where it is inconclusive."""
    found = verdict(interval(runs, [0.0] * len(runs)), 0.0, 0.0, 0.0, True)
    return "" if found == "inconclusive" else found


def test_two_seeds_fall_short_where_seeds_differ_more_than_examples():
    # A known limit of Welch-Satterthwaite, stated in the module: two seeds may look alike by chance.
    assert 0.85 < covered(simulated_runs(seeds=2, shift=0.6), 0.6) < 0.93
