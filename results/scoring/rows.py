"""Text files that anybody may have written: whole, in UTF-8, and where they are CSV with the columns agreed on."""

import codecs
import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.errors import UserError

NAME_IT = "name the predictions file or the folder that holds it"

LARGEST = 1e9  # far above what a task gives, and far below where sums and squares of numbers are no longer finite
_EXPORT = "export what is in it as plain text"
_UTF16 = "text in UTF-16; save it in UTF-8"
FORMS = {
    b"\x1f\x8b": "packed by gzip; unpack it (`gunzip`)",
    b"PK\x03\x04": f"a zip archive, as .npz, .xlsx and .pt are; unpack it (`unzip`), or {_EXPORT}",
    **{bytes([0x80, protocol]): f"a pickle; {_EXPORT}" for protocol in range(2, 6)},
    b"PAR1\x15": f"Parquet; {_EXPORT}",
    codecs.BOM_UTF16_LE: _UTF16,
    codecs.BOM_UTF16_BE: _UTF16,
}
"""How files begin that hold what is wanted in another form, and what to do about it."""

_NUMERALS = "0123456789+-.eE"  # what else `float` takes, as in `1_0`, ` 1` and `nan`, is no plain decimal


def locate(path: Path, name: str) -> Path:
    """The predictions file itself, or the one called `name` in the folder.

    Raises:
        UserError: the path cannot even be looked at.
    """
    try:
        return path / name if path.is_dir() else path
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; {NAME_IT}") from None


def read_rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield first line and fields of each row below the header; blank lines are passed over.

    Raises:
        UserError: the file is missing or malformed; the message names file and line.
    """
    yield from _rows(file, read_text(file), list(columns))


def read_text(file: Path, remedy: str = NAME_IT) -> str:
    """The text of a file that must be UTF-8; a byte order mark falls away. `remedy` is for one that cannot be read.

    Raises:
        UserError: the file cannot be read, or is no such text.
    """
    return _text(file, read_bytes(file, remedy))


def read_bytes(file: Path, remedy: str = NAME_IT) -> bytes:
    """What a regular file holds: a pipe or a device in its place might never end.

    Raises:
        UserError: it is none, or cannot be read; `remedy` says what to do.
    """
    try:
        if file.exists() and not file.is_file() and not file.is_dir():
            raise UserError(f"{file}: a pipe or device, which nobody could score again; {remedy}")
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; {remedy}") from None


def refuse_other_forms(file: Path, data: bytes) -> None:
    """Refuses what would be fine if it were unpacked, or saved in UTF-8.

    Raises:
        UserError: it is one of `FORMS`.
    """
    for start, what in FORMS.items():
        if data.startswith(start):
            raise UserError(f"{file}: {what}")


def _text(file: Path, data: bytes) -> str:
    refuse_other_forms(file, data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{file}, line {_line(data, error.start)}: not UTF-8; save it in UTF-8") from None
    if b"\0" in data:
        raise UserError(f"{file}, line {_line(data, data.index(0))}: holds a NUL byte; save it in UTF-8")
    return text


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _rows(file: Path, text: str, columns: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield first line and fields of each row below the header; blank lines are passed over."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line, expected = 1, ",".join(columns)
    try:
        header = next(reader, [])
        if header != columns:
            raise UserError(f"{file}, line 1: expected the columns {expected}; got {shown(','.join(header))}")
        line = 2
        for fields in reader:
            if fields and len(fields) != len(columns):
                raise UserError(f"{file}, line {line}: {len(fields)} fields, expected {len(columns)}: {expected}")
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        remedy = "close each quotation mark, and write one inside a field twice"
        raise UserError(f"{file}, line {line}: not CSV ({error}); {remedy}") from None


def csv_of(lines: Iterable[Iterable[object]]) -> str:
    """Lines of cells as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def shown(text: str) -> str:
    """Quote a user's text on one line, cut where it is long."""
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def whole_number(
    column: str, text: str, least: int, most: int, expected: str = "a whole number from {least} to {most}"
) -> int:
    """The number that a field of a column says.

    Raises:
        ValueError: it says none from `least` to `most`, which `expected` puts into words.
    """
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 40 else -1
    if not least <= number <= most:
        raise ValueError(f"{column} is {shown(text)}; expected {expected.format(least=least, most=most)}")
    return number


def decimal(
    column: str,
    text: str,
    least: float = -LARGEST,
    most: float = LARGEST,
    expected: str = "a finite number from {least:g} to {most:g}",
) -> float:
    """The number that a field of a column says, such as `17`, `-0.5` or `1.5e-12`.

    Raises:
        ValueError: it says none from `least` to `most`, which `expected` puts into words.
    """
    try:
        number = math.nan if text.strip(_NUMERALS) else float(text)
    except ValueError:
        number = math.nan
    if not least <= number <= most:  # which nan is not either
        raise ValueError(f"{column} is {shown(text)}; expected {expected.format(least=least, most=most)}")
    return number
