"""Text as Parquet shards: found in a folder, or fetched from the Hugging Face hub, and opened by `datasets`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import UserError
from datamodules.layouts.imagenet_parquet import AGAIN, complete, of_split

if TYPE_CHECKING:
    from datasets import Dataset


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
        import datasets

        if not sys.stderr.isatty():  # its bars would be drawn into log files too
            datasets.disable_progress_bars()
        if root.startswith("hf:"):
            return self._fetched(root, split)
        with readable(root, split):
            files = {split: [str(file) for file in self.find(Path(root), split)]}
            return datasets.load_dataset("parquet", data_files=files, split=split)

    def _fetched(self, root: str, split: str) -> "Dataset":
        """The files are named, since `datasets` would otherwise fetch every split to give one."""
        import datasets

        files = {split: [f"{self.hub_folder}/{split}-*.parquet"]}
        try:
            return datasets.load_dataset(
                root.removeprefix("hf:"), data_files=files, split=split, verification_mode="no_checks"
            )
        except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise UserError(
                f"DATA={root}: the hub gave no {files[split][0]}: {error.__cause__ or error}\nCheck name and "
                f"network. {self.known}"
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
