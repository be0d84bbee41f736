"""WMT as Parquet shards, in a folder or on the Hugging Face hub: a column `translation` of {"de": text, "en": text}."""

import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from benchmarks.errors import UserError
from datamodules.layouts.parquet_shards import Shards, readable

TEST_SIZES = {"newstest2013": 3_000, "newstest2014": 3_003, "newstest2015": 2_169}
"""Sentences of each test set (the cards of wmt/wmt14 and wmt/wmt15 on the Hugging Face hub)."""

FILTERED = {"newstest2014": 2_737}
"""Sentences of the subset that WMT scored in 2014; published results are on the full one."""

SHARDS = Shards((".", "data", "de-en"), "de-en", "hf:wmt/wmt14 and hf:wmt/wmt15 have this form.")

HELD_OUT = ("validation", "test")
COLUMN = "translation"
BLOCK = 10_000  # rows
EXPECTED = 'WMT as Parquet has a column translation, a struct {"de": text, "en": text}.'


@dataclass(frozen=True, eq=False)
class Rows:
    """Pairs of a `datasets.Dataset`: a memory map, pickled as its file names."""

    origin: str
    split: str
    dataset: Any

    @cached_property
    def chunks(self) -> list[tuple[Any, Any]]:
        """The German and the English Arrow array of each stretch of rows; five times faster than `dataset[index]`."""
        return [(chunk.field("de"), chunk.field("en")) for chunk in self.dataset.data.column(COLUMN).chunks]

    @cached_property
    def starts(self) -> list[int]:
        """The first row of each stretch, and behind the last one the number of rows."""
        return list(accumulate((len(german) for german, _ in self.chunks), initial=0))

    def __getstate__(self) -> dict[str, Any]:
        """All but the arrays, which would be copied; a worker maps them anew."""
        return {key: self.__dict__[key] for key in ("origin", "split", "dataset")}

    def __len__(self) -> int:
        return self.starts[-1]

    def pair(self, index: int) -> tuple[str, str]:
        """German and English; IndexError where there is no such row."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        chunk = bisect_right(self.starts, index) - 1
        german, english = (side[index - self.starts[chunk]].as_py() for side in self.chunks[chunk])
        return german, english

    @property
    def digest(self) -> str:
        """A SHA-256 of all that was read."""
        found = hashlib.sha256()
        for side in (side for chunk in self.chunks for side in chunk):
            for start in range(0, len(side), BLOCK):
                found.update("".join(f"{text}\n" for text in side[start : start + BLOCK].to_pylist()).encode())
        return found.hexdigest()

    def where(self, index: int) -> str:
        """The Parquet folder or hub name and the row, from 0."""
        return f"{self.origin}, row {index} of {self.split}"


def held_out(root: str) -> dict[str, str]:
    """Which of `validation` and `test` is which test set: {"newstest2013": "validation", "newstest2014": "test"}.

    In wmt14 they are these, in wmt15 newstest2014 and newstest2015, and nothing but the number of rows tells.

    Raises:
        UserError: as `open_rows`, or both are the same test set.
    """
    counts = {split: _count(root, split) for split in HELD_OUT}
    found = [(name, split) for split, count in counts.items() for name, due in TEST_SIZES.items() if due == count]
    if len(found) > len(dict(found)):
        raise UserError(
            f"{root} has {found[0][0]} twice: validation and test have {counts['test']:,} rows each. Remove one."
        )
    return dict(found)


def described(root: str) -> str:
    """What `validation` and `test` hold, for a message; empty where there is neither.

    Raises:
        UserError: as `open_rows`.
    """
    counts = {split: count for split in HELD_OUT if (count := _count(root, split))}
    meant = {due: f", as {name}" for name, due in TEST_SIZES.items()}
    meant |= {due: f", as the filtered {name}" for name, due in FILTERED.items()}
    return " and ".join(f"{split} ({count:,} rows{meant.get(count, '')})" for split, count in counts.items())


def open_rows(root: str, split: str) -> Rows:
    """A split of the shards that are there, or of a data set of the hub.

    Raises:
        UserError: they can't be had or read, lack a column, have no rows, or a sentence is missing or not UTF-8.
    """
    dataset = SHARDS.load(root, split)
    _require_column(dataset.data.schema, f"{root}: {split}")
    rows = Rows(root, split, dataset)
    _require_texts(rows)
    return rows


def _count(root: str, split: str) -> int:
    """The rows of a split, as the footers of the shards have them; 0 where there are none."""
    from pyarrow import parquet

    if root.startswith("hf:"):
        return len(open_rows(root, split))
    files = SHARDS.find(Path(root), split)
    if not files:  # spares the import of `datasets`
        return 0
    with readable(root, split):
        return sum(parquet.read_metadata(file).num_rows for file in files)


def _require_column(schema: Any, where: str) -> None:
    from pyarrow import types

    if COLUMN not in schema.names:
        raise UserError(f"{where} has no column {COLUMN} (it has {', '.join(schema.names)}). {EXPECTED}")
    form = schema.field(COLUMN).type
    sides = {side.name: side.type for side in form} if types.is_struct(form) else {}
    texts = {name for name, each in sides.items() if types.is_string(each) or types.is_large_string(each)}
    if not {"de", "en"} <= texts:
        other = "another language pair" if len(texts) > 1 else "no parallel text"
        raise UserError(f"{where}: {COLUMN} is {form}, {other}. {EXPECTED}")


def _require_texts(rows: Rows) -> None:
    """Arrow reads missing sentences and bytes that are no UTF-8 without a word."""
    import pyarrow

    for sides, start in zip(rows.chunks, rows.starts, strict=False):
        for side in sides:
            if side.null_count:
                index = start + side.is_null().to_pylist().index(True)
                raise UserError(f"{rows.where(index)}: a sentence is missing. Fetch the shards again.")
        try:
            for side in sides:
                side.validate(full=True)
        except pyarrow.ArrowInvalid as error:
            raise UserError(f"{rows.where(start)} or later: not UTF-8 ({error}). Fetch the shards again.") from error
