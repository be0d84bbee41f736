"""The record: what one run measured; and what it shares with the claim (`claim.py`).

Frozen dataclasses, which `strict.py` reads and writes: an unknown or missing key, a wrong type or a number that is not
finite is refused with the file, the key and the remedy. Nothing here imports torch.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import ConfigDict

SCHEMA: Final = 2  # the only one that is read

Profile = Literal["full", "mini"]
Signature = dict[str, str | int | float | bool | None]

DIGEST = " digest"
"""How the keys of digests end, in what is known of data."""

VOCABULARY, TRAINING_TEXT, REVIEWS = "subwords", "training text", "reviews"
"""Keys of digests that end otherwise: of a vocabulary that is learnt from data, and of those with the text in them."""


class Strict:
    """Dataclasses that `strict.py` reads and writes: of the right types, with no other keys and finite numbers."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def short_hash(value: Any) -> str:
    """Twelve hexadecimal digits that follow from a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Measurement(Strict):
    """A value with the interval of a bootstrap over `n` examples; `signature` is the protocol it was measured by."""

    value: float
    unit: str
    ci95: tuple[float, float]
    n: int
    signature: Signature


@dataclass(frozen=True)
class Baseline(Strict):
    """What a trivial system scores on the same test set."""

    value: float
    metric: str


@dataclass(frozen=True)
class Examples(Strict):
    """What the data hold, what was scored, and how many different ones that were."""

    expected: int
    scored: int
    unique: int


@dataclass(frozen=True)
class StoredFile(Strict):
    """A file that the record vouches for."""

    path: str
    sha256: str


@dataclass(frozen=True)
class References(Strict):
    """What hypotheses were held against: the SHA-256 of `ref.txt`, and how it was checked to be the official one.

    `official` is None where no official copy was at hand to compare it with.
    """

    sha256: str
    official: bool | None
    checked: str


@dataclass(frozen=True)
class Environment(Strict):
    """The code and the machine; `compiled`: whether updates were, None where they never are."""

    commit: str | None
    dirty: bool
    python: str
    packages: dict[str, str]
    cpu: str
    gpus: tuple[str, ...]
    world_size: int
    precision: str
    normalised_batch: int | None
    compiled: bool | None = None


@dataclass(frozen=True)
class Throughput(Strict):
    """Speed of training: `value` in `unit`, `data_wait` the share of time spent waiting for data."""

    unit: str
    value: float
    data_wait: float


@dataclass(frozen=True)
class Tracking(Strict):
    """The run on Weights & Biases: its id and mode."""

    id: str | None
    mode: str


@dataclass(frozen=True)
class StageRecord(Strict):
    """A stage that ended: its weights, with which the next one began, and what its training took."""

    checkpoint: StoredFile
    seconds: float
    throughput: Throughput | None


@dataclass(frozen=True)
class Record(Strict):
    """What one run measured; written once, never edited.

    `initialised_from` are the weights that training began with, None where it began from scratch. `references` are
    those of each test set, by the prefix of its metrics, where the task compares with references of people. `stages`
    are those before the one that is tested, whose own checkpoint and throughput stand beside them. `left_out` names
    training examples that were not trained on because they stand in the test set. `data` counts and digests the data,
    and where no `config` says where they lay, so does its `root`. `environment` is that of the last start;
    `between_starts` says what was otherwise at those before or in other stages, such as `world_size: 2, then 1`.
    `notes` say what is odd about the predictions, each with its test set in front, and where the clock was set back.
    `digest` is of all the rest, and follows as the file is written.
    """

    schema: Literal[2]
    benchmark: str
    profile: Profile
    mode: Literal["train", "validate"]
    variant: str | None
    run_id: str
    seed: int | None
    started: str
    finished: str
    seconds: float
    metrics: dict[str, Measurement]
    baselines: dict[str, Baseline]
    examples: Examples
    checkpoint: StoredFile | None
    predictions: tuple[StoredFile, ...]
    config: dict[str, Any] | None
    config_hash: str | None
    claim_hash: str
    deviations: tuple[str, ...]
    official: bool
    environment: Environment
    throughput: Throughput | None
    curves: dict[str, tuple[tuple[float, float], ...]]
    wandb: Tracking
    initialised_from: StoredFile | None = None
    references: dict[str, References] = field(default_factory=dict)
    stages: dict[str, StageRecord] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    between_starts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    digest: str | None = None


@dataclass(frozen=True)
class Identity(Strict):
    """What a checkpoint says of its run: enough to build it again; `stage` is one before the last.

    `remarks` say why nothing that comes of the run is official, beside what its settings say.
    """

    benchmark: str
    profile: Profile
    variant: str | None
    seed: int
    settings: dict[str, Any]
    config_hash: str
    run_id: str
    stage: str | None = None
    remarks: tuple[str, ...] = ()
