r"""Parallel text as plain files, a sentence a line: mapped, so that millions of sentences are no Python strings.

Lines end at "\n" and nowhere else, since corpora hold stray "\r", U+0085 and U+2028 within sentences, and splitting
there would shift one side against the other.
"""

from __future__ import annotations

import hashlib
import mmap
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.arrays import Integers
from benchmarks.errors import UserError
from results.scoring.rows import refuse_other_forms

LANGUAGES = ("de", "en")
BOM = b"\xef\xbb\xbf"
BLOCK = 1 << 20
ZEROS = bytes(64)
"""What a copy leaves that was cut short, or a disk that failed; a corpus may hold a stray one."""

Sides = dict[str, set[str]]


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of a file: line i is `data[bounds[i] : bounds[i + 1] - 1]`, where `bounds` is int64 [n + 1]."""

    file: Path
    bounds: Integers

    @cached_property
    def data(self) -> mmap.mmap:
        """The file, mapped."""
        return _mapped(self.file)

    def __getstate__(self) -> dict[str, Any]:
        """All but the map, which a worker makes anew."""
        return {"file": self.file, "bounds": self.bounds}

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, index: int) -> str:
        return self.data[self.bounds[index] : self.bounds[index + 1] - 1].decode()


@dataclass(frozen=True, eq=False)
class Text:
    """Pairs of lines of one or several corpora, one behind another; `starts` are their first pairs and the end."""

    corpora: tuple[tuple[Lines, Lines], ...]
    starts: tuple[int, ...]

    def __len__(self) -> int:
        return self.starts[-1]

    def pair(self, index: int) -> tuple[str, str]:
        """German and English; IndexError where there is no such pair."""
        (german, english), line = self._find(index)
        return german[line], english[line]

    def where(self, index: int) -> str:
        """The German file and the line, from 1; the English one is its neighbour."""
        (german, _), line = self._find(index)
        return f"{german.file}, line {line + 1}"

    @property
    def digest(self) -> str:
        """A SHA-256 of all that was read."""
        found = hashlib.sha256()
        for lines in (side for corpus in self.corpora for side in corpus):
            found.update(lines.bounds.tobytes())
            found.update(lines.data)
        return found.hexdigest()

    def _find(self, index: int) -> tuple[tuple[Lines, Lines], int]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        corpus = bisect_right(self.starts, index) - 1
        return self.corpora[corpus], index - self.starts[corpus]


def open_text(folder: Path, texts: Sides) -> Text:
    """The pairs of one or several texts of a folder; `texts` are their names and what of each lies there.

    Raises:
        UserError: one side is missing or still packed, the sides differ in length, or a file is empty, not UTF-8, or
            zero in a part of it.
    """
    paths = [_both(folder, stem, sides) for stem, sides in sorted(texts.items())]
    corpora = tuple((_lines(german), _lines(english)) for german, english in paths)
    for german, english in corpora:
        if len(german) != len(english):
            raise UserError(
                f"{german.file} has {len(german):,} lines, but {english.file} has {len(english):,}, so sentences and "
                'translations would shift. Fetch both again; line ends are "\\n" alone.'
            )
    return Text(corpora, tuple(accumulate((len(german) for german, _ in corpora), initial=0)))


def _both(folder: Path, stem: str, sides: Iterable[str]) -> tuple[Path, Path]:
    german, english = (folder / f"{stem}.{language}" for language in LANGUAGES)
    missing = [language for language in LANGUAGES if language not in sides]
    packed = sorted(f"{stem}.{side}" for side in sides if side[:2] in missing and side not in LANGUAGES)
    if packed:
        raise UserError(f"{folder}: {' and '.join(packed)} still packed. Unpack it there.")
    if missing:
        others = sorted(side for side in sides if side[:2] not in LANGUAGES)
        hint = f" {stem}.{others[0]} is of another language pair; leave only German-English there." if others else ""
        raise UserError(f"{folder}: {stem} lacks {stem}.{' and '.join(missing)}.{hint} Put the other side beside it.")
    return german, english


def _mapped(file: Path) -> mmap.mmap:
    try:
        with file.open("rb") as stream:
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:  # no file of no bytes can be mapped
        raise UserError(f"{file} is empty. Fetch it again.") from None


def _lines(file: Path) -> Lines:
    """Finds the lines of a file; reads it twice, and keeps nothing but where they begin."""
    data = _mapped(file)
    start = len(BOM) if data[: len(BOM)] == BOM else 0
    if start == len(data):
        raise UserError(f"{file} is empty. Fetch it again.")
    view = np.frombuffer(data, np.uint8)
    ends = [at + 1 + np.flatnonzero(view[at : at + BLOCK] == ord("\n")) for at in range(0, len(data), BLOCK)]
    unended = [] if view[-1] == ord("\n") else [len(data) + 1]
    lines = Lines(file, np.concatenate([[start], *ends, unended]).astype(np.int64))
    if (at := data.find(ZEROS)) >= 0:
        line = np.searchsorted(lines.bounds, at, "right")
        raise UserError(f"{file}, line {line}: holds zero bytes instead of text. Fetch it again.")
    _require_utf8(lines)
    return lines


def _require_utf8(lines: Lines) -> None:
    """Arrow looks at the whole file, three times as fast as Python; only a file with an error is decoded to find it."""
    import pyarrow

    limits, text = pyarrow.py_buffer(np.array([0, len(lines.data)])), pyarrow.py_buffer(lines.data)
    try:
        pyarrow.LargeStringArray.from_buffers(1, limits, text).validate(full=True)
    except pyarrow.ArrowInvalid:
        refuse_other_forms(lines.file, bytes(lines.data[:8]))
        for index in range(len(lines)):
            try:
                lines[index]
            except UnicodeDecodeError:
                raise UserError(f"{lines.file}, line {index + 1}: not UTF-8; save it in UTF-8") from None
        raise
