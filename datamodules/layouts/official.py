"""Whether splits are complete: their numbers of examples against the official ones."""

from collections.abc import Mapping

Official = Mapping[str, int | range]
"""The examples of each split; a range where copies differ, as text that was cleaned by several rules."""


def lacking(found: Mapping[str, int], official: Official) -> tuple[str, ...]:
    """A line for each split that has another number of examples than the official one, or of which there is none."""
    return tuple(
        f"{split}: {count:,} examples, officially {told(official[split]) if split in official else 'no such split'}"
        for split, count in found.items()
        if split not in official or not is_whole(count, official[split])
    )


def is_whole(count: int, official: int | range) -> bool:
    """Whether a split has the official number of examples."""
    return count in official if isinstance(official, range) else count == official


def told(official: int | range) -> str:
    """An official number as a reader sees it."""
    return f"{official.start:,} to {official.stop - 1:,}" if isinstance(official, range) else f"{official:,}"
