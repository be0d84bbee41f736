"""From the values of several runs to an interval and a verdict: pure functions on arrays and numbers.

The runs of one claim share one test set, so seeds and examples are crossed, not nested: the mean of S runs has the
variance s^2 / S + e^2, with s the standard deviation between seeds and e the standard error that the choice of test
examples leaves in every run. Averaging over more seeds shrinks the first term only.

In simulations (tests/results/test_statistics.py) the 95 % interval of five seeds covers the truth 93 to 98 times in 100
where an example is about as hard for every run; with three seeds it falls to 92, with two to 87, where seeds differ
much more than test sets do. What differs at random between runs on one example counts in both terms, so that the
interval is too wide where that is much of e: in committed drives it is 69 to 85 % of e^2, and with such noise, s being
up to twice e, five seeds cover the truth 97 to nearly 100 times. Seeds that are added one by one until there is a
verdict make one come by chance more often: where the truth lies on the edge and e is 0, from three seeds to ten, 17
times in 100 instead of 5, and one in favour of the claim 8 times instead of 2.5.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from math import isfinite, sqrt
from statistics import fmean, mean, stdev
from typing import Literal

import numpy as np
from scipy.special import ndtri, stdtrit

from benchmarks.arrays import Floats, Integers

BOOTSTRAP_SEED = 20_250_101
"""Constant, so that one set of predictions has one standard error on every machine and for ever, in one order of the
examples: in another one it differs by 1 or 2 %."""

RESAMPLES = 2000
"""Resamples of a bootstrap, where a task does not choose fewer."""

MOST_SEEDS = 1_000_000
"""Where the search for a number of seeds stops: more are no advice to anybody."""

_UPPER = 0.975
"""Two-sided intervals of 95 %."""

NORMAL_QUANTILE = float(ndtri(_UPPER))
"""The 1.96 of `+- 1.96 e`."""


Verdict = Literal[
    "reproduced", "exceeded", "not reproduced", "inconclusive", "not comparable", "unofficial", "ill-posed", "not run",
    "pipeline ok", "pipeline short", "not judged",
]  # fmt: skip
"""On a row of the tables, in its words."""


class Unsettled(StrEnum):
    """Why no number of seeds can be named, in the words of the tables.

    The test set is too small at this e. As far as e is noise that differs by seed, more seeds average it too.
    """

    TOO_FEW_SEEDS = "at least 3 seeds are needed to say how many"
    TEST_SET_TOO_SMALL = "the test set is too small"
    TOO_CLOSE = f"more than {MOST_SEEDS:,} seeds would be needed"


@dataclass(frozen=True)
class Interval:
    """A 95 % interval for the mean of a recipe, in the unit of its metric.

    `seed_spread` is s (None for one run, which cannot know it), `example_error` is e. `covers_training` is False for
    one run, whose interval says only what other test examples would have changed.
    """

    mean: float
    low: float
    high: float
    seed_spread: float | None
    example_error: float
    seeds: int
    covers_training: bool


def bootstrap(statistics: Floats, combine: Callable[[Floats], Floats], resamples: int = RESAMPLES) -> Floats:
    """Draw examples with replacement and combine each resample's sums into a metric: replicates [resamples].

    Args:
        statistics: sufficient statistics [n, k], one row an example; their sum over examples determines the metric.
        combine: maps sums [resamples, k] to metric values [resamples].
        resamples: how many; the relative error of the standard error is about 1 / sqrt(2 * resamples).

    Raises:
        ValueError: the statistics are not [n, k] with n of at least 1.
    """
    if statistics.ndim != 2 or len(statistics) == 0:
        raise ValueError(f"expected statistics of shape [n, k] with n of at least 1, got {statistics.shape}")
    sums = np.empty((resamples, statistics.shape[1]))
    for resample, drawn in enumerate(draws(len(statistics), resamples)):
        sums[resample] = drawn @ statistics
    return combine(sums)


def draws(examples: int, resamples: int) -> Iterator[Integers]:
    """Yield how often each example is in a resample, [examples]; the same for ever, one resample at a time.

    All draws at once are 800 MB for 50,000 examples.
    """
    generator = np.random.Generator(np.random.PCG64(BOOTSTRAP_SEED))
    for _ in range(resamples):
        yield np.bincount(generator.integers(examples, size=examples), minlength=examples)


def standard_error(replicates: Floats) -> float:
    """Return the standard deviation (ddof 1) of a bootstrap's replicates [resamples], in the metric's unit."""
    return float(np.std(replicates, ddof=1))


def ratio_error(statistics: Floats, resamples: int = RESAMPLES) -> float:
    """Return the standard error of a ratio of sums over examples, by a bootstrap over them.

    Args:
        statistics: what each example counts for, and how many it counts as, [n, 2].
        resamples: how many.
    """
    return standard_error(bootstrap(statistics, lambda sums: sums[:, 0] / sums[:, 1], resamples))


def mean_error(values: Floats, resamples: int = RESAMPLES) -> float:
    """Return the standard error of the mean over examples [n], by a bootstrap over them."""
    return ratio_error(np.stack([values, np.ones_like(values)], axis=1), resamples)


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, `count` of `total` (Wilson, 1927; Brown et al., 2001, eq. 4).

    Unlike +- 1.96 e it holds its level for rare events, and says something where none was seen.

    Raises:
        ValueError: there is nothing to count, or more is counted than there is.
    """
    if not 0 <= count <= total or total == 0:
        raise ValueError(f"expected a count of 0 to a total of at least 1, got {count} of {total}")
    share, squared = count / total, NORMAL_QUANTILE * NORMAL_QUANTILE / total
    centre = (share + squared / 2) / (1 + squared)
    half = sqrt(squared * (share * (1 - share) + squared / 4)) / (1 + squared)
    return max(0.0, centre - half), min(1.0, centre + half)


def interval(values: Sequence[float], errors: Sequence[float]) -> Interval:
    """Return the 95 % interval of S runs on one test set: mean +- q sqrt(s^2 / S + e^2); for one run +- 1.96 e.

    Args:
        values: the metric of each run, one run a seed.
        errors: the standard error of each run over test examples, in the same unit; 0 for each of several runs that
            draw their own examples (episodes), because s then holds that part already.

    Raises:
        ValueError: no runs, one list shorter than the other, or a number that is not finite.
    """
    if not values or len(values) != len(errors):
        raise ValueError(f"expected one error for each of at least one run, got {len(values)} and {len(errors)}")
    if not all(map(isfinite, (*values, *errors))):
        raise ValueError(f"expected finite values and errors, got {list(values)} and {list(errors)}")
    runs = [float(value) for value in values]
    centre = mean(runs)  # exact, as is stdev: equal runs have exactly no spread
    spread = stdev(runs) if len(runs) > 1 else None
    error = fmean(errors)
    half = _half_width(spread or 0.0, error, len(runs))
    return Interval(centre, centre - half, centre + half, spread, error, len(runs), covers_training=len(runs) > 1)


def verdict(interval: Interval, target: float, margin: float, rounding: float, higher_is_better: bool) -> Verdict:
    """Return `exceeded`, `reproduced`, `not reproduced` or `inconclusive` for a claimed `target`.

    `margin` is the tolerance fixed before any run, `rounding` half a unit of the claim's last digit; all in the
    metric's unit. Where lower is better, everything is mirrored.
    """
    sign = 1 if higher_is_better else -1
    low, high = sorted((sign * interval.low, sign * interval.high))
    floor = sign * passing(target, margin, rounding, higher_is_better)
    ceiling = _sum(sign * target, margin, rounding)
    if low > ceiling:
        return "exceeded"
    if low >= floor:
        return "reproduced"
    return "not reproduced" if high < floor else "inconclusive"


def passing(target: float, margin: float, rounding: float, higher_is_better: bool) -> float:
    """Return the worst value that reproduces a claim: target - margin - rounding; where lower is better, their sum."""
    sign = 1 if higher_is_better else -1
    return _sum(target, -sign * margin, -sign * rounding)


def seeds_needed(
    interval: Interval, target: float, margin: float, rounding: float, higher_is_better: bool
) -> int | Unsettled:
    """Return the least number of seeds whose half-width, at this s and e, is at most the mean's distance from passing.

    Too few seeds come first: the mean of one or two says too little about the distance to blame the test set. That is
    blamed at this e, as if all of it stayed with more seeds.
    """
    if interval.seed_spread is None or interval.seeds < 3:
        return Unsettled.TOO_FEW_SEEDS
    spread, error = interval.seed_spread, interval.example_error
    distance = abs(interval.mean - passing(target, margin, rounding, higher_is_better))
    if NORMAL_QUANTILE * error > distance:
        return Unsettled.TEST_SET_TOO_SMALL
    # The half-width falls with every seed, so the answers are False up to the number sought and True from there.
    candidates = range(2, MOST_SEEDS + 1)
    found = bisect_left(candidates, True, key=lambda seeds: _half_width(spread, error, seeds) <= distance)
    return candidates[found] if found < len(candidates) else Unsettled.TOO_CLOSE


def seeds_in_words(needed: int | Unsettled) -> str:
    """Return the remark that stands beside an inconclusive verdict in a table."""
    if isinstance(needed, Unsettled):
        return needed.value
    return f"about {needed:,} seeds would settle it, if mean and spread stay"


def pipeline_verdict(
    value: float, target: float, baselines: Mapping[str, float], distance: float, higher_is_better: bool
) -> Verdict:
    """Return `pipeline ok` where a miniature reached `target` and beats each baseline, else `pipeline short`.

    To beat is to stand at least `distance` above it, or below it where lower is better. `baselines` maps a name to the
    value that the same run measured; everything is in the metric's unit.
    """
    sign = 1 if higher_is_better else -1
    least = [sign * target, *(_sum(sign * baseline, distance) for baseline in baselines.values())]
    return "pipeline ok" if all(sign * value >= bound for bound in least) else "pipeline short"


def _half_width(spread: float, error: float, seeds: int) -> float:
    """Return half the width of the interval; Welch-Satterthwaite degrees of freedom for the t quantile.

    They are (a + b)^2 / (a^2 / (S - 1) + b^2 / infinity) with a = s^2 / S and b = e^2, which comes from thousands of
    examples; without spread between seeds they are infinite, and the quantile is the normal one.
    """
    seed_variance = spread * spread / seeds
    variance = seed_variance + error * error
    if seed_variance == 0:
        return NORMAL_QUANTILE * error
    ratio = variance / seed_variance
    return float(stdtrit((seeds - 1) * ratio * ratio, _UPPER)) * sqrt(variance)


def _sum(*terms: float) -> float:
    """Add numbers as they are written, in decimal.

    In binary 76 - 0.1 - 0.05 is 75.85000000000001, which a measured 75.85 would miss.
    """
    return float(sum(Decimal(str(term)) for term in terms))
