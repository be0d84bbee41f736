"""The claim: what would settle it, fixed before any run. Frozen dataclasses, which `strict.py` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from benchmarks.schema import Profile, Signature, Strict, short_hash

DEFAULT = "default"  # how a user names the variant of what `config.yaml` says by itself


@dataclass(frozen=True)
class Source(Strict):
    """What was said, and where; `value` is null where no number was."""

    section: str
    statement: str
    value: float | None
    unit: str


@dataclass(frozen=True)
class Neighbour(Strict):
    """A result near the claim, published or measured by us for comparison; `metric` in its makers' words.

    `value` is null where they give no number. `beside` is the metric of ours on whose number line it stands, None
    where it is on no scale of ours.
    """

    system: str
    value: float | None
    metric: str
    citation: str
    beside: str | None = None


@dataclass(frozen=True)
class Margin(Strict):
    """How far below the target still counts as reproduced, fixed beforehand."""

    value: float
    reason: str


@dataclass(frozen=True)
class Miniature(Strict):
    """What a miniature run must show: a value, and its least distance from every baseline that is not `spared`."""

    target: float
    distance: float
    spared: tuple[str, ...] = ()

    def against(self, baselines: dict[str, float]) -> dict[str, float]:
        """The baselines, by names such as `random/accuracy`, that a miniature run must be better than."""
        return {name: value for name, value in baselines.items() if name.partition("/")[0] not in self.spared}


@dataclass(frozen=True)
class SmallTest(Strict):
    """What stands in for a test in miniature runs, where examples are made instead of read."""

    split: str
    examples: int


@dataclass(frozen=True)
class Reading(Strict):
    """One precise, testable meaning of the claim; `metric` is the key that a run logs, `<prefix>/<metric>`."""

    name: str
    metric: str
    target: float
    rounding: float
    unit: str
    higher_is_better: bool
    margin: Margin
    stand_in: bool
    ill_posed: str | None
    split: str
    examples: int
    signature: Signature
    miniature: Miniature | None = None
    variant: str | None = None


@dataclass(frozen=True)
class Claim(Strict):
    """A claim, its audit and its readings; `dataset` and `task` name the modules that read the data and score.

    `small_tests` says of some splits what stands in for them in a miniature run.
    """

    dataset: str
    task: str
    source: Source
    audit: str
    neighbours: tuple[Neighbour, ...]
    readings: tuple[Reading, ...]
    checkpoint: str
    seeds: tuple[int, ...]
    small_tests: dict[str, SmallTest] = field(default_factory=dict)

    def within(self, profile: Profile) -> Claim:
        """The claim as runs of a profile are tested on it."""
        if profile == "full":
            return self
        small = {name: {"split": test.split, "examples": test.examples} for name, test in self.small_tests.items()}
        readings = (replace(each, **small.get(each.split, {})) for each in self.readings)  # type: ignore[arg-type]
        return replace(self, readings=tuple(readings))

    @property
    def best_on(self) -> str | None:
        """The metric, higher being better, whose best epoch is tested; None where the last one is.

        Raises:
            ValueError: `checkpoint` says neither.
        """
        if self.checkpoint == "last":
            return None
        if not self.checkpoint.startswith("best val/"):
            raise ValueError(
                f"checkpoint is {self.checkpoint!r}; it is `last`, or `best` and a metric such as val/accuracy"
            )
        return self.checkpoint.partition(" ")[2]

    @property
    def testable(self) -> tuple[Reading, ...]:
        """The readings that a run can settle; the first is the headline."""
        return tuple(reading for reading in self.readings if reading.ill_posed is None)

    @property
    def variants(self) -> tuple[str | None, ...]:
        """The variants that the readings name, the headline's first."""
        return tuple(dict.fromkeys(reading.variant for reading in self.testable))

    def splits(self, variant: str | None) -> tuple[tuple[str, str], ...]:
        """Metric prefix and split of the data, or the environment, of each test set of a variant, the headline's first.

        A variant that no reading names, such as an ablation, is tested as the headline is.
        """
        of_splits = [(reading.metric.partition("/")[0], reading.split) for reading in self._of(variant)]
        return tuple(dict.fromkeys(of_splits))

    def _of(self, variant: str | None) -> Sequence[Reading]:
        """The readings of a variant, or the headline's where no reading names it."""
        meant = None if variant == DEFAULT else variant
        named = meant if meant in self.variants else self.variants[0]
        return [reading for reading in self.testable if reading.variant == named]

    def signature(self, variant: str | None) -> Signature:
        """The protocol of a variant's test."""
        return self._of(variant)[0].signature

    def examples(self, split: str) -> int:
        """How many examples of a split must be scored."""
        return next(reading.examples for reading in self.testable if reading.split == split)

    @cached_property
    def hash(self) -> str:
        """A hash of what decides the verdict; a typo mended in the audit voids no record."""
        keys = (
            "name", "metric", "target", "rounding", "unit", "higher_is_better", "split", "examples", "signature",
            "variant",
        )  # fmt: skip
        readings = [
            {key: getattr(reading, key) for key in keys} | {"margin": reading.margin.value} for reading in self.testable
        ]
        return short_hash({"readings": readings, "checkpoint": self.checkpoint})
