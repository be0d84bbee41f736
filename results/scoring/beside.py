"""Small JSON files that a model may leave beside its predictions, for the sheet: written, removed and read alike."""

from pathlib import Path
from typing import TypeVar

import msgspec

from benchmarks.errors import UserError
from benchmarks.files import write_atomically, writing

T = TypeVar("T")


def write_beside(file: Path, content: object | None) -> list[Path]:
    """Stores content, whole or not at all; where there is none, a stale file is removed.

    Returns:
        The file, where there is one.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    if content is not None:
        write_atomically(file, msgspec.json.encode(content))
        return [file]
    with writing(file):
        file.unlink(missing_ok=True)
    return []


def read_beside(file: Path, kind: type[T], what: str) -> T | None:
    """What is stored there; None where no file is.

    Raises:
        UserError: the file is malformed; `what` says what it should be.
    """
    if not file.is_file():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise UserError(f"{file}: not {what} ({error}); remove the file.") from None
