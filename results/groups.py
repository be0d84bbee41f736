"""Which records count together: seeds of one recipe, and scorings of one checkpoint or file."""

from collections.abc import Iterable, Sequence
from math import inf

from benchmarks.schema import DIGEST, REVIEWS, TRAINING_TEXT, VOCABULARY, Record

MOST_PACKAGES = 3  # that a note names; records have them all
DIGESTS = (DIGEST, VOCABULARY, TRAINING_TEXT, REVIEWS)  # ends of keys, before which that of a stage may stand


def newest_group(records: Sequence[Record]) -> list[Record]:
    """The records that share configuration, claim and data of the newest one, the newest of each seed."""
    if not records:
        return []
    group = {record.seed: record for record in records if _alike(record, records[-1])}
    return sorted(group.values(), key=lambda record: inf if record.seed is None else record.seed)


def _alike(one: Record, other: Record) -> bool:
    """Whether two runs are of one recipe and, as far as both say by which digests, on the same data.

    These hold what a package learns from data, as of LibriSpeech's subwords. Versions of packages, which tell of
    environments there, are no data.
    """
    digests = (key for key in one.data.keys() & other.data.keys() if key.endswith(DIGESTS))
    same_data = all(one.data[key] == other.data[key] for key in digests)
    return same_data and (one.config_hash, one.claim_hash) == (other.config_hash, other.claim_hash)


def several_commits(records: Iterable[Record]) -> str:
    """What a row says of seeds that were not all trained at one commit; nothing where they were.

    Each seed of a queue reads the checkout anew. Their code may still be the same, which git could tell, but tables
    follow from records alone, also in a clone without history.
    """
    count = len({record.environment.commit for record in records})
    return f"seeds are of {count} commits" if count > 1 else ""


def several_versions(records: Iterable[Record]) -> str:
    """What a row says of seeds that did not all end with the same versions of the packages that records name.

    Records of an earlier version name fewer, and what they do not name is no difference.
    """
    found: dict[str, list[str]] = {}
    for name, version in (each for record in records for each in record.environment.packages.items()):
        found.setdefault(name, []).append(version)
    told = [f"{name} {' and '.join(dict.fromkeys(each))}" for name, each in found.items() if len({*each}) > 1]
    named = told[:MOST_PACKAGES] + ["and others"] * (len(told) > MOST_PACKAGES)
    return f"seeds are of {', '.join(named)}" if told else ""


def validations(records: Iterable[Record]) -> list[list[Record]]:
    """The records of each checkpoint or file that was scored in one way; last the one that counts.

    That is the newest, as of a seed, an official one before others.
    """
    groups: dict[tuple[object, ...], list[Record]] = {}
    for record in sorted(records, key=lambda each: each.official):
        files = record.predictions if record.checkpoint is None else (record.checkpoint,)
        if record.mode == "validate":
            key = (*(file.sha256 for file in files), record.variant, record.deviations)
            groups.setdefault(key, []).append(record)
    return sorted(groups.values(), key=lambda its: (its[-1].finished, its[-1].run_id))
