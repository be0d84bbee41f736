"""Files that were found whole are not looked at again, by whatever seed, until one of them has changed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.files import write_atomically
from benchmarks.paths import ROOT
from benchmarks.runs import announce, now
from benchmarks.schema import short_hash
from datamodules.file_states import state

LOOK = 1  # to be raised where files are looked at for more


def verify_once(parts: Mapping[str, Sequence[str | Path]], look: Callable[[], None]) -> None:
    """Looks at files, unless they are as they were when that was last done.

    Args:
        parts: the files by the names of what they make up; none where that lies in memory, which is always looked at.
        look: raises UserError where one is broken.

    Raises:
        UserError: as `look`, or the disk is full, or may not be written to.
    """
    mark = _mark(parts)
    if mark is not None and mark.exists():
        announce(f"checked before, and unchanged (data/verified): {', '.join(parts)}")
        return
    look()
    if mark is not None:
        write_atomically(mark, f"{', '.join(parts)}, {now()}\n".encode())


def _mark(parts: Mapping[str, Sequence[str | Path]]) -> Path | None:
    """The file that says that these were looked at as they are; None where there are none."""
    if not all(parts.values()):
        return None
    states = {name: state(name, paths) for name, paths in parts.items()}
    return ROOT / "data" / "verified" / short_hash([LOOK, states])
