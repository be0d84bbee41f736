"""Parquet shards: found in a folder, or fetched from the Hugging Face hub, and opened by `datasets`.

`datasets` reads them from a copy in Arrow, as large or larger, which it writes into its cache once.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

SHARD = re.compile(r"(?P<split>[a-z]+)(-\d+-of-(?P<count>\d+))?(-[0-9a-f]+)?\.(parquet|arrow)")
AGAIN = "Fetch the missing ones (or remove those of another download)."

FULL = ("No space left on device", "Disk quota exceeded", "Not enough disk space")
"""What Linux says of a full disk, whoever hands it on (the hub's client as text alone), and what `datasets` says."""


@dataclass(frozen=True)
class Shards:
    """Where the shards of a data set lie: the folders below a root, the folder on the hub, and hub names that have it.

    Attributes:
        folders: such as `.` and `data`; one of them holds all shards of a split.
        hub_folder: such as `de-en`; `**` is any.
        known: hub names of this form, as a sentence.
    """

    folders: tuple[str, ...]
    hub_folder: str
    known: str

    def find(self, root: Path, split: str) -> list[Path]:
        """The Parquet files of a split, sorted.

        Raises:
            UserError: some are missing, or they lie in more than one of the folders.
        """
        files = [path for each in self.folders for path in sorted(root.glob(f"{each}/*.parquet"))]
        found = of_split(files, (split,))
        folders = list(dict.fromkeys(str(path.parent) for path in found))
        if len(folders) > 1:
            raise UserError(f"Parquet shards of {split} lie in {' and in '.join(folders)}. Remove those of one folder.")
        return complete(found, split, "Parquet", AGAIN)

    def load(self, root: str, split: str) -> "Dataset":
        """A split of the shards in a folder, or of `hf:<name>`; nothing is known yet of its columns.

        Raises:
            UserError: as `find`, or they can't be had or read.
        """
        if root.startswith("hf:"):
            return fetched(root, split, [f"{self.hub_folder}/{split}-*.parquet"], self.known)
        with readable(root, split):
            return opened(self.find(Path(root), split), split)


def of_split(files: list[Path], names: tuple[str, ...]) -> list[Path]:
    """The files of a split, by their names."""
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


def opened(files: list[Path], split: str) -> "Dataset":
    """The rows of some files; raises UserError where all are empty, else as `_load`, which `readable` words."""
    from pyarrow.parquet import read_metadata

    filled = [str(file) for file in files if read_metadata(file).num_rows]  # of an empty one `datasets` makes an error
    if not filled:
        raise UserError(f"{', '.join(map(str, files))}: no rows. Fetch the shards of {split} again.")
    return _load("parquet", split, filled)


def fetched(root: str, split: str, patterns: list[str], hint: str) -> "Dataset":
    """A split of a data set of the hub, `hf:<name>`.

    The files are named, since `datasets` would otherwise fetch every split to give one.

    Args:
        root: with the data set's name.
        split: what to call it.
        patterns: of its files.
        hint: a last sentence for whoever gets nothing.

    Raises:
        UserError: it can't be had, or there is no room for it.
    """
    import datasets

    try:
        return _load(root.removeprefix("hf:"), split, patterns)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise UserError(
            f"DATA={root}: the hub gave no {patterns[0]}: {error.__cause__ or error}\nCheck name and network. {hint}"
        ) from error


@contextmanager
def readable(root: str, split: str) -> Iterator[None]:
    """Says which shards can't be read.

    Raises:
        UserError: instead of whatever `datasets` and Arrow raise.
    """
    import datasets
    import pyarrow

    try:
        yield
    except (OSError, ValueError, pyarrow.ArrowException, datasets.exceptions.DatasetsError) as error:
        raise UserError(
            f"the Parquet shards of {split} in {root} cannot be read: {error.__cause__ or error}\nFetch them again."
        ) from error


def _load(name: str, split: str, files: Sequence[str]) -> "Dataset":
    """What `datasets` makes of files; raises UserError where its cache has no room, else whatever it does."""
    import datasets

    if not sys.stderr.isatty():  # its bars would be drawn into log files too
        datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(name, data_files={split: files}, split=split, verification_mode="no_checks")
    except (OSError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        cause = str(error.__cause__ or error)
        if not any(words in cause for words in FULL):
            raise
        raise UserError(
            f"there is no room for {split}, of which `datasets` writes a copy to {datasets.config.HF_DATASETS_CACHE}: "
            f"{cause}\nMake room there, or set HF_HOME to a folder on a larger disk."
        ) from error
