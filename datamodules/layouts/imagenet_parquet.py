"""ImageNet as Parquet shards, in a folder or on the Hugging Face hub: columns `image` (bytes, path) and `label`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.arrays import Integers
from benchmarks.errors import UserError
from datamodules.layouts.imagenet_split import Rows, Split, pack
from datamodules.layouts.parquet_shards import AGAIN, complete, fetched, of_split, opened, readable

if TYPE_CHECKING:
    from datasets import Dataset

HUB_NAMES = {"train": ("train",), "val": ("validation", "val")}
WNID = re.compile(r"n\d{8}")
MOST_CLASSES = 100_000  # ImageNet as a whole has 21,841; a broken label would make names without end
GATED = "For a gated data set, as ILSVRC/imagenet-1k, accept its licence on its page and run `hf auth login`."


def shards(root: Path, split: str) -> list[Path]:
    """The Parquet files of a split in `root` or `root/data`, sorted; raises UserError where some are missing."""
    files = sorted([*root.glob("*.parquet"), *root.glob("data/*.parquet")])
    return complete(of_split(files, HUB_NAMES[split]), split, "Parquet", AGAIN)


def open_shards(root: Path, files: list[Path], split: str) -> Split:
    """The split that Parquet files hold; raises UserError where they can't be read or lack a column."""
    from pyarrow import parquet

    with readable(str(root), split):
        for file in files:
            _require_columns(str(file), parquet.read_schema(file).names)
        rows = opened(files, split)
    return _split(rows, str(root), split)


def open_hub(root: str, split: str) -> Split:
    """The split of a data set on the hub, `hf:<name>`; raises UserError where it can't be had."""
    rows = fetched(root, split, [f"**/{stem}-*.parquet" for stem in HUB_NAMES[split]], GATED)
    _require_columns(root, rows.column_names)
    return _split(rows, root, split)


def _require_columns(where: str, columns: list[str]) -> None:
    missing = [column for column in ("image", "label") if column not in columns]
    if missing:
        raise UserError(
            f"{where} has no column {' and no column '.join(missing)} (it has {', '.join(columns)}). ImageNet as "
            "Parquet has the columns image (a struct of bytes and path) and label (a whole number)."
        )


def _split(rows: "Dataset", origin: str, split: str) -> Split:
    import datasets
    from pyarrow import ArrowException

    try:
        rows = rows.cast_column("image", datasets.Image(decode=False))
        labels = rows.data.column("label").to_numpy().astype(np.int64, casting="safe")
    except (TypeError, ValueError, ArrowException) as error:
        raise UserError(
            f"{origin}: the split {split} has columns {rows.features}, not image (bytes, path) and label: {error}"
        ) from error
    if not len(labels):
        raise UserError(f"{origin}: the split {split} has no rows. Fetch it again.")
    if labels.min() < 0:
        raise UserError(
            f"{origin}: {split} has no labels (label {labels.min()}); the labelled splits are train and val."
        )
    if labels.max() >= MOST_CLASSES:
        raise UserError(f"{origin}: {split} has a label {labels.max()}, which is no class. Fetch its shards again.")
    stems = _stems(rows)
    labels, classes = _name(labels, rows.features["label"], stems)
    return Split(split, pack(_ids(stems, len(rows), split)), labels, classes, Rows(origin, split, rows))


def _stems(rows: "Dataset") -> list[str]:
    """The names of the stored paths, without suffixes; fewer than rows where some have no path."""
    from pyarrow import compute

    paths = compute.struct_field(rows.data.column("image"), "path").to_pylist()
    return [Path(path).stem for path in paths if path]


def _name(labels: Integers, feature: Any, stems: Sequence[str]) -> tuple[Integers, tuple[str, ...]]:
    """Labels and the class names that they index: sorted wnids, as class folders have them, where there are any.

    Other names keep their order: English ones mostly stand in that of their sorted wnids already, so that sorting the
    names would shuffle the classes. Labels without names are named by their number.
    """
    names = list(getattr(feature, "names", None) or (f"{label:03d}" for label in range(int(labels.max()) + 1)))
    wnids = names if all(map(WNID.fullmatch, names)) else _wnids(labels, stems, len(names))
    if not wnids:
        return labels, tuple(names)
    order = np.argsort(wnids)
    return np.argsort(order)[labels].astype(np.int64), tuple(wnids[index] for index in order)


def _wnids(labels: Integers, stems: Sequence[str], count: int) -> list[str]:
    """The wnid of each of `count` labels, as the paths of the hub's ImageNet tell it: n01440764_10026_n01440764.JPEG.

    Empty where a path has none, or a label has no image, several wnids, or one that is another label's too.
    """
    if len(stems) < len(labels):
        return []
    ends = (stem.rpartition("_")[2] for stem in stems)
    pairs = sorted(set(zip(labels.tolist(), ends, strict=True)))
    wnids = [wnid for _, wnid in pairs]
    one_each = [label for label, _ in pairs] == list(range(count)) and len(set(wnids)) == count
    return wnids if one_each and all(map(WNID.fullmatch, wnids)) else []


def _ids(stems: Sequence[str], count: int, split: str) -> Sequence[str]:
    """The stems, where each of `count` rows has one of its own, else `<split>-<row>`."""
    if len(set(stems)) == count:
        return stems
    width = len(str(count - 1))
    return [f"{split}-{row:0{width}d}" for row in range(count)]
