"""IMDB as Parquet shards, in a folder or on the Hugging Face hub: columns `text`, and `label` with neg 0 and pos 1."""

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.arrays import Integers
from benchmarks.errors import UserError
from datamodules.layouts.imdb_reviews import Listing, Reviews, pack
from datamodules.layouts.parquet_shards import Shards

if TYPE_CHECKING:
    from datasets import Dataset

SHARDS = Shards((".", "data", "plain_text"), "**", "hf:stanfordnlp/imdb has this form.")
LABELS = {"train": (0, 1), "test": (0, 1), "unsupervised": (-1,)}
EXPECTED = "IMDB as Parquet has the columns text (a string) and label (0 neg, 1 pos; -1 in the split unsupervised)."


def open_rows(root: str, split: str) -> Reviews:
    """A split of the shards that are there, or of a data set of the hub, in the order of its rows.

    Raises:
        UserError: it can't be had or read, lacks a column or a class, or a row has no text, text that is not UTF-8, or
            another label.
    """
    rows = SHARDS.load(root, split)
    _require_columns(rows, f"{root}: {split}")
    places = tuple(f"{root}, row {row} of {split}" for row in range(len(rows)))
    labels = _labels(rows, places, LABELS[split], f"{root}: {split}")
    texts = _whole(rows, "text", places).cast("large_binary")
    ids = tuple(f"{split}-{row}" for row in range(len(rows)))
    return pack(Listing(ids, labels, places), (text for chunk in texts.chunks for text in chunk.to_pylist()))


def _require_columns(rows: "Dataset", where: str) -> None:
    from pyarrow import types

    schema = rows.data.schema
    missing = [column for column in ("text", "label") if column not in schema.names]
    if missing:
        lacking = " and no column ".join(missing)
        raise UserError(f"{where} has no column {lacking} (it has {', '.join(schema.names)}). {EXPECTED}")
    text, label = schema.field("text").type, schema.field("label").type
    if not (types.is_string(text) or types.is_large_string(text)) or not types.is_integer(label):
        raise UserError(f"{where}: text is {text} and label is {label}. {EXPECTED}")
    names = getattr(rows.features["label"], "names", None)
    if names and [name[:3].lower() for name in names] != ["neg", "pos"]:
        raise UserError(f"{where}: the classes of label are {', '.join(names)}, not neg and pos. {EXPECTED}")


def _whole(rows: "Dataset", column: str, places: tuple[str, ...]) -> Any:
    """A column of which nothing is missing, as an Arrow array in chunks."""
    found = rows.data.column(column)
    if found.null_count:
        raise UserError(f"{places[found.is_null().to_pylist().index(True)]}: no {column}. Fetch the shards again.")
    return found


def _labels(rows: "Dataset", places: tuple[str, ...], due: tuple[int, ...], where: str) -> Integers:
    labels: Integers = _whole(rows, "label", places).to_numpy().astype(np.int64)
    wrong = np.flatnonzero(~np.isin(labels, due))
    if len(wrong):
        expected = " or ".join(map(str, due))
        raise UserError(f"{places[wrong[0]]}: label is {labels[wrong[0]]}, expected {expected}. {EXPECTED}")
    for label in due:
        if label not in labels:
            raise UserError(f"{where} has {len(rows):,} rows, none with label {label}. Fetch the shards again.")
    return labels
