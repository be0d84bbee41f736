"""Errors of a file system while data are read, as one message."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.errors import UserError

PERMIT = "make it readable, or repair the disk"


@contextmanager
def read_faults(where: str = "DATA") -> Iterator[None]:
    """Says which file or folder cannot be read.

    Args:
        where: what is read, for errors that name no path, as those in the middle of a file.

    Raises:
        UserError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename or where}: {error.strerror or error}; {PERMIT}.") from None
