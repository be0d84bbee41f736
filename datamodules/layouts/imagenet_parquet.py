"""ImageNet as Parquet shards, in a folder or on the Hugging Face hub: columns `image` (bytes, path) and `label`."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import UserError
from datamodules.layouts.imagenet_split import Rows, Split, pack

if TYPE_CHECKING:
    from datasets import Dataset

HUB_NAMES = {"train": ("train",), "val": ("validation", "val")}
SHARD = re.compile(r"(?P<split>[a-z]+)(-\d+-of-(?P<count>\d+))?(-[0-9a-f]+)?\.(parquet|arrow)")
AGAIN = "Fetch the missing ones (or remove those of another download)."
WNID = re.compile(r"n\d{8}")


def shards(root: Path, split: str) -> list[Path]:
    """The Parquet files of a split in `root` or `root/data`, sorted; raises UserError where some are missing."""
    files = sorted([*root.glob("*.parquet"), *root.glob("data/*.parquet")])
    return complete(of_split(files, HUB_NAMES[split]), split, "Parquet", AGAIN)


def of_split(files: list[Path], names: tuple[str, ...]) -> list[Path]:
    """Those of the files that are a split's, by their names."""
    named = [(path, SHARD.fullmatch(path.name)) for path in files]
    return [path for path, match in named if match and match["split"] in names]


def complete(files: list[Path], split: str, form: str, remedy: str) -> list[Path]:
    """A split's files; raises UserError unless they are as many as their names say."""
    counts = {int(match["count"]) for path in files if (match := SHARD.fullmatch(path.name)) and match["count"]}
    if counts and counts != {len(files)}:
        raise UserError(
            f"{files[0].parent} has {len(files)} {form} shards of {split}, but {files[0].name} says there are "
            f"{' or '.join(map(str, sorted(counts)))}. {remedy}"
        )
    return files


def open_shards(root: Path, files: list[Path], split: str) -> Split:
    """The split that Parquet files hold; raises UserError where they can't be read or lack a column."""
    import datasets
    import pyarrow
    from pyarrow import parquet

    _quiet()
    try:
        for file in files:
            _require_columns(str(file), parquet.read_schema(file).names)
        rows = datasets.load_dataset("parquet", data_files={split: [str(file) for file in files]}, split=split)
    except (OSError, ValueError, pyarrow.ArrowException, datasets.exceptions.DatasetsError) as error:
        raise UserError(
            f"the Parquet shards of {split} in {root} cannot be read: {error}\nFetch them again."
        ) from error
    return _split(rows, str(root), split)


def open_hub(name: str, split: str) -> Split:
    """The split of a data set on the hub; raises UserError where it can't be had.

    Its files are named, since `datasets` would otherwise fetch every split (140 GB) to give one.
    """
    import datasets

    _quiet()
    files = {split: [f"**/{stem}-*.parquet" for stem in HUB_NAMES[split]]}
    try:
        rows = datasets.load_dataset(name, data_files=files, split=split, verification_mode="no_checks")
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise UserError(
            f"DATA=hf:{name}: the hub gave no {HUB_NAMES[split][0]}-*.parquet: {error}\nCheck name and network; for "
            "a gated data set, as ILSVRC/imagenet-1k, accept its licence on its page and run `hf auth login`."
        ) from error
    _require_columns(f"hf:{name}", rows.column_names)
    return _split(rows, f"hf:{name}", split)


def _quiet() -> None:
    """`datasets` draws its bars into log files too."""
    import datasets

    if not sys.stderr.isatty():
        datasets.disable_progress_bars()


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
    labels, classes = _name(labels, rows.features["label"])
    return Split(split, pack(_ids(rows, split)), labels, classes, Rows(origin, split, rows))


def _name(labels: NDArray[np.int64], feature: Any) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels and the class names that they index.

    Wnids are sorted. The hub's ImageNet has English names instead, which stand in the order of their sorted wnids
    already, so that sorting the names would shuffle the classes. Labels without names are named by their number.
    """
    names = list(getattr(feature, "names", None) or (f"{label:03d}" for label in range(int(labels.max()) + 1)))
    if not all(WNID.fullmatch(name) for name in names):
        return labels, tuple(names)
    order = np.argsort(names)
    return np.argsort(order)[labels].astype(np.int64), tuple(names[index] for index in order)


def _ids(rows: "Dataset", split: str) -> list[str]:
    """The stems of the stored paths, where every row has one of its own, else `<split>-<row>`."""
    from pyarrow import compute

    paths = compute.struct_field(rows.data.column("image"), "path").to_pylist()
    stems = [Path(path).stem for path in paths if path]
    if len(set(stems)) == len(rows):
        return stems
    width = len(str(len(rows) - 1))
    return [f"{split}-{row:0{width}d}" for row in range(len(rows))]
