"""Numbers, intervals, seeds and protocols as rows, tables and the report show them. Pure code."""

from collections.abc import Sequence

from benchmarks.claim import Reading
from benchmarks.schema import Record, Signature
from results.statistics import Interval, passing

MOST_DIGITS = 12
STAND_IN = " (stand-in)"  # after a threshold of ours where the article gives no number


def number(value: float, digits: int = 2) -> str:
    """A value as tables show it; records keep it unrounded."""
    return f"{round(value, digits) + 0.0:.{digits}f}"  # no -0.00


def claimed(reading: Reading) -> str:
    """What a reading asks for, and whether the article says so or we do; a sentence may ask for nothing at all."""
    if reading.ill_posed and reading.stand_in:
        return "no number"  # neither the article's nor one of ours
    return f"{reading.target:g} {reading.unit}" + STAND_IN * reading.stand_in


def bounds(found: Interval, reading: Reading) -> str:
    """An interval, in as many digits as show on which side of what decides the verdict its ends are."""
    bars = [
        passing(reading.target, sign * reading.margin.value, sign * reading.rounding, reading.higher_is_better)
        for sign in (1, -1)
    ]

    def sides(end: float) -> list[tuple[bool, bool]]:
        return [(end > bar, end < bar) for bar in bars]

    def tells(digits: int) -> bool:
        return all(sides(round(end, digits)) == sides(end) for end in (found.low, found.high))

    digits = next(filter(tells, range(2, MOST_DIGITS)), 2)
    return f"{number(found.low, digits)} to {number(found.high, digits)}"


def listed(numbers: Sequence[int]) -> str:
    """Numbers in order as a reader takes them in: `0 to 4`, or one by one where some between are missing."""
    whole = len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1
    return f"{numbers[0]} to {numbers[-1]}" if whole else ", ".join(map(str, numbers))


def differing(follows: Signature, asked: Signature) -> str:
    """Where a protocol is not the one that is asked for: `resize 232 instead of 256`."""
    keys = sorted(follows.keys() | asked.keys())
    return ", ".join(
        f"{key} {follows.get(key)} instead of {asked.get(key)}" for key in keys if follows.get(key) != asked.get(key)
    )


def machine(record: Record) -> str:
    """The machine of a run: GPUs or processor, processes and precision."""
    where = record.environment
    processes = f"{where.world_size} process{'es' if where.world_size > 1 else ''} a run"
    return f"{', '.join(dict.fromkeys(where.gpus)) or where.cpu}, {processes}, {where.precision}"
