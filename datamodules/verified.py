"""Files that were found whole are not looked at again, by whatever seed, until one of them has changed."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.files import write_atomically
from benchmarks.paths import ROOT
from benchmarks.runs import announce, now
from benchmarks.schema import short_hash
from datamodules.progress import bar

THREADS = 8  # the files may lie on a network
FILES_A_JOB = 500


def verify_once(parts: Mapping[str, Sequence[str | Path]], look: Callable[[], None]) -> None:
    """Looks at files, unless they are as they were when that was last done: their names, sizes and times tell.

    Asking for these takes a fifth of the processor's time that the heads and tails of images take, and one question a
    file where these take four.

    Args:
        parts: the files by the names of what they make up; none where that lies in memory, which is always looked at.
        look: raises UserError where one is broken.

    Raises:
        UserError: as `look`, or the disk is full, or may not be written to.
    """
    mark = _mark(parts)
    if mark is not None and mark.exists():
        announce(f"checked before, and unchanged: {', '.join(parts)}")
        return
    look()
    if mark is not None:
        write_atomically(mark, f"{', '.join(parts)}, {now()}\n".encode())


def _mark(parts: Mapping[str, Sequence[str | Path]]) -> Path | None:
    """The file that says that these were looked at as they are; None where that cannot be told."""
    if not all(parts.values()):
        return None
    try:
        return ROOT / "data" / "verified" / short_hash({name: _state(name, paths) for name, paths in parts.items()})
    except OSError:  # whoever looks says what is missing
        return None


def _state(name: str, paths: Sequence[str | Path]) -> str:
    """A digest of all that changes with a file."""
    jobs = [paths[start : start + FILES_A_JOB] for start in range(0, len(paths), FILES_A_JOB)]
    digest = hashlib.sha256()
    with ThreadPoolExecutor(THREADS) as pool, bar(len(paths), f"looking for changes in {name}", "file") as shown:
        for job, lines in zip(jobs, pool.map(_lines, jobs), strict=True):
            digest.update(lines)
            shown.update(len(job))
    return digest.hexdigest()


def _lines(paths: Sequence[str | Path]) -> bytes:
    """Of each file; the last of its times cannot be set at will."""
    asked = ((path, os.stat(path)) for path in paths)  # noqa: PTH116 (a Path a file costs more than the question)
    return b"".join(os.fsencode(f"{path}\0{of.st_size} {of.st_mtime_ns} {of.st_ctime_ns}\n") for path, of in asked)
