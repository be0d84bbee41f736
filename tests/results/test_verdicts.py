"""Verdicts, and the seeds that would settle one, against numbers worked by hand."""

from math import sqrt

import pytest

from results.statistics import (
    MOST_SEEDS,
    Interval,
    Unsettled,
    interval,
    pipeline_verdict,
    seeds_in_words,
    seeds_needed,
    verdict,
)


def between(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, seed_spread=0.1, example_error=0.1, seeds=3, covers_training=True)


# Verdicts. Higher is better: target 76, margin 0.3, rounding 0.05, so passing from 75.65 and exceeding above 76.35.
# Lower is better: target 5, margin 0.2, rounding 0.05, so passing up to 5.25 and exceeding below 4.75.

HIGHER = {"target": 76.0, "margin": 0.3, "rounding": 0.05, "higher_is_better": True}
LOWER = {"target": 5.0, "margin": 0.2, "rounding": 0.05, "higher_is_better": False}


@pytest.mark.parametrize(
    ("low", "high", "claim", "expected"),
    [
        (76.36, 76.80, HIGHER, "exceeded"),
        (76.35, 76.80, HIGHER, "reproduced"),  # exceeding is strict
        (75.65, 76.20, HIGHER, "reproduced"),  # passing is not
        (75.80, 99.00, HIGHER, "reproduced"),
        (75.64, 77.00, HIGHER, "inconclusive"),
        (75.00, 75.65, HIGHER, "inconclusive"),
        (75.00, 75.64, HIGHER, "not reproduced"),
        (4.20, 4.74, LOWER, "exceeded"),
        (4.20, 4.75, LOWER, "reproduced"),
        (5.00, 5.25, LOWER, "reproduced"),
        (1.00, 5.20, LOWER, "reproduced"),
        (4.00, 5.26, LOWER, "inconclusive"),
        (5.25, 6.00, LOWER, "inconclusive"),
        (5.26, 6.00, LOWER, "not reproduced"),
    ],
)
def test_verdicts(low, high, claim, expected):
    assert verdict(between(low, high), **claim) == expected


@pytest.mark.parametrize(
    ("value", "claim"),
    [
        (75.85, {"target": 76.0, "margin": 0.1, "rounding": 0.05, "higher_is_better": True}),  # binary: 75.850...01
        (5.15, {"target": 5.0, "margin": 0.1, "rounding": 0.05, "higher_is_better": False}),  # binary: 5.149...95
        (-0.3, {"target": 0, "margin": 0.1, "rounding": 0.2, "higher_is_better": True}),  # binary: -0.30000000000000004
        (0.3, {"target": 0, "margin": 0.1, "rounding": 0.2, "higher_is_better": False}),
    ],
)
def test_thresholds_are_those_of_decimal_arithmetic(value, claim):
    assert verdict(between(value, value), **claim) == "reproduced"


# Seeds needed


@pytest.mark.parametrize("higher_is_better", [True, False])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        # s = 1, distance 1. Without e: t_5 / sqrt(6) = 2.570582 / 2.449490 = 1.049, t_6 / sqrt(7) = 2.446912 / 2.645751
        # = 0.925, so 7.
        (0.0, 7),
        # e = 0.4. S = 10: a = 0.1, b = 0.16, df = 9 * 2.6^2 = 60.84, t = 2.000, 2.000 * sqrt(0.26) = 1.020.
        # S = 11: a = 0.0909, df = 10 * 2.76^2 = 76.2, t = 1.992, 1.992 * sqrt(0.2509) = 0.998, so 11.
        (0.4, 11),
        # 1.959964 * 0.6 = 1.176 exceeds the distance whatever the number of seeds.
        (0.6, Unsettled.TEST_SET_TOO_SMALL),
    ],
)
def test_seeds_needed_by_hand(error, expected, higher_is_better):
    # The mean is 77; passing is at 77.5 - 1 - 0.5 = 76, or at 76.5 + 1 + 0.5 = 78.
    target = 77.5 if higher_is_better else 76.5
    runs = interval([76.0, 77.0, 78.0], [error] * 3)
    assert verdict(runs, target, 1, 0.5, higher_is_better) == "inconclusive"
    assert seeds_needed(runs, target, 1, 0.5, higher_is_better) == expected


@pytest.mark.parametrize("centre", [75.0, 77.0])
def test_the_distance_counts_on_either_side(centre):
    runs = interval([centre - 1, centre, centre + 1], [0.0] * 3)
    assert seeds_needed(runs, 76, 0, 0, higher_is_better=True) == 7


def test_seeds_needed_is_where_the_interval_first_clears_the_threshold():
    for spread, error, distance in [(0.5, 0.1, 0.4), (2.0, 0.05, 0.3), (0.3, 0.19, 0.5), (1.0, 0.0, 20.0)]:
        runs = Interval(distance, -1, 1, spread, error, seeds=3, covers_training=True)
        needed = seeds_needed(runs, 0, 0, 0, higher_is_better=True)
        assert isinstance(needed, int)
        assert _half_width_of(needed, spread, error) <= distance
        assert needed == 2 or _half_width_of(needed - 1, spread, error) > distance


def _half_width_of(seeds: int, spread: float, error: float) -> float:
    """Return the half-width of an interval over `seeds` values, in 0 and two others, that have exactly this spread."""
    # Two values at -x and +x among zeros: s^2 = 2 x^2 / (S - 1).
    offset = spread * sqrt((seeds - 1) / 2)
    found = interval([-offset, offset, *[0.0] * (seeds - 2)], [error] * seeds)
    return (found.high - found.low) / 2


@pytest.mark.parametrize("values", [[76.0], [76.0, 77.0]])
def test_fewer_than_three_seeds_cannot_say_how_many(values):
    runs = interval(values, [9.0] * len(values))
    assert seeds_needed(runs, 76, 0.1, 0.05, higher_is_better=True) is Unsettled.TOO_FEW_SEEDS


def test_a_mean_on_the_threshold_ends_the_search():
    runs = interval([75.0, 76.0, 77.0], [0.0] * 3)
    assert seeds_needed(runs, 76, 0, 0, higher_is_better=True) is Unsettled.TOO_CLOSE
    # 1.96 / sqrt(S) = 0.00196 at a million seeds, the last number tried.
    assert seeds_needed(runs, 76 - 0.00195, 0, 0, higher_is_better=True) is Unsettled.TOO_CLOSE
    needed = seeds_needed(runs, 76 - 0.00197, 0, 0, higher_is_better=True)
    assert needed == pytest.approx(MOST_SEEDS * (1.959964 / 1.97) ** 2, rel=1e-4)


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        (7, "about 7 seeds would settle it, if mean and spread stay"),
        (38_416, "about 38,416 seeds would settle it, if mean and spread stay"),
        (Unsettled.TOO_FEW_SEEDS, "at least 3 seeds are needed to say how many"),
        (Unsettled.TEST_SET_TOO_SMALL, "the test set is too small"),
        (Unsettled.TOO_CLOSE, "more than 1,000,000 seeds would be needed"),
    ],
)
def test_seeds_in_words(needed, words):
    assert seeds_in_words(needed) == words


# Miniatures


@pytest.mark.parametrize(
    ("value", "baselines", "higher_is_better", "expected"),
    [
        (80.0, {"chance": 10.0, "bag of words": 60.0}, True, "pipeline ok"),  # both bounds are met exactly
        (79.9, {"chance": 10.0}, True, "pipeline short"),  # below the target
        (85.0, {"chance": 10.0, "bag of words": 65.1}, True, "pipeline short"),  # 19.9 above the better baseline
        (80.0, {}, True, "pipeline ok"),
        (80.0, {"empty": 100.0, "copy": 120.0}, False, "pipeline ok"),
        (80.1, {"empty": 120.0}, False, "pipeline short"),
        (75.0, {"empty": 94.9}, False, "pipeline short"),
        (float("nan"), {}, True, "pipeline short"),
    ],
)
def test_pipeline_verdicts(value, baselines, higher_is_better, expected):
    assert pipeline_verdict(value, 80.0, baselines, 20.0, higher_is_better) == expected


def test_distances_are_those_of_decimal_arithmetic():
    # 0.3 stands exactly 0.2 above 0.1; in binary 0.1 + 0.2 is 0.30000000000000004.
    assert pipeline_verdict(0.3, 0.3, {"chance": 0.1}, 0.2, higher_is_better=True) == "pipeline ok"
