"""Whether files are as they were when something was last found out about them."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from datamodules.progress import by_threads


def state(name: str, paths: Sequence[str | Path]) -> str:
    """A digest of the name, size and times of each file of `name`, of which one changes with the file.

    One question a file, where both ends of an image take four, and a recording is opened to read its header.
    """
    digest = hashlib.sha256()
    for line in by_threads(_line, paths, f"looking for changes in {name}"):
        digest.update(line)
    return digest.hexdigest()


def _line(path: str | Path) -> bytes:
    return os.fsencode(f"{path}\0{_stamp(path)}\n")


def _stamp(path: str | Path) -> str:
    """The last of the times cannot be set: a file is noticed that replaced another of the same size and date."""
    try:
        found = os.stat(path)  # noqa: PTH116 (a Path a file costs more than the question)
    except OSError:  # whoever opens it says why
        return "missing"
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
