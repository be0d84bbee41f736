"""Whether splits are complete: their numbers of examples against the official ones."""

from collections.abc import Mapping


def lacking(found: Mapping[str, int], official: Mapping[str, int]) -> tuple[str, ...]:
    """A line for each split that has another number of examples than the official one, or of which there is none."""
    return tuple(
        f"{split}: {count:,} examples, officially {f'{official[split]:,}' if split in official else 'no such split'}"
        for split, count in found.items()
        if count != official.get(split)
    )
