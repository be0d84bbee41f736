"""Whether splits are complete: their numbers of examples against the official ones."""

from collections.abc import Mapping

Official = Mapping[str, int | range]
"""The examples of each split; a range where copies differ, as text that was cleaned by several rules."""


def lacking(found: Mapping[str, int], official: Official) -> tuple[str, ...]:
    """A line for each split that has another number of examples than the official one, or of which there is none."""
    return tuple(
        f"{split}: {count:,} examples, officially {_told(official[split]) if split in official else 'no such split'}"
        for split, count in found.items()
        if split not in official or count not in _allowed(official[split])
    )


def _allowed(official: int | range) -> range:
    return official if isinstance(official, range) else range(official, official + 1)


def _told(official: int | range) -> str:
    return f"{official.start:,} to {official.stop - 1:,}" if isinstance(official, range) else f"{official:,}"
