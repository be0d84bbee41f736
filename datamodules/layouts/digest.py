"""What distinguishes data of equal size: a short digest of everything that their splits say about their examples.

Ids and labels, boxes or texts are digested as they were read, and no image or recording is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from benchmarks.schema import DIGEST


def counted(split: str, truth: Any) -> dict[str, Any]:
    """How many examples a split has, and a digest of its truth."""
    return {split: len(truth.ids), split + DIGEST: digest(truth)}


def digest(*columns: Any) -> str:
    """Twelve hexadecimal digits that follow from columns in their order.

    Args:
        columns: arrays, tuples of ids or texts, numbers, or dataclasses of such. Ids and texts are the same whether a
            tuple or one block of bytes holds them.
    """
    found = hashlib.sha256()
    for part in (part for column in columns for part in _parts(column)):
        found.update(b"%d " % len(part))  # or what ends one part could begin the next
        found.update(part)
    return found.hexdigest()[:12]


def _parts(column: Any) -> Iterator[bytes]:
    if is_dataclass(column):
        for field in fields(column):
            yield from _parts(getattr(column, field.name))
    elif isinstance(column, np.ndarray) and column.dtype.kind == "S":
        yield b"\0".join(column.tolist())
    elif isinstance(column, np.ndarray):
        yield f"{column.dtype.str} {column.shape}".encode()
        yield column.tobytes()
    elif isinstance(column, tuple | list):
        yield "\0".join(map(str, column)).encode(errors="surrogateescape")  # as file names are decoded
    else:
        yield str(column).encode()
