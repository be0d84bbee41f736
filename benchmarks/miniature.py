"""The embedded data: written on first use, whole or not at all, whoever else is writing them."""

import shutil
import tempfile
from fcntl import LOCK_EX, flock
from pathlib import Path

from benchmarks.files import cannot_write
from benchmarks.modules import miniature_writer
from benchmarks.paths import miniature_folder, relative
from benchmarks.schema import Claim


def ensure_miniature(benchmark: str, claim: Claim) -> Path:
    """The folder of a benchmark's embedded data, written if it is not there.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    folder = miniature_folder(benchmark)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / f".{benchmark}.lock").open("w") as lock:
            flock(lock, LOCK_EX)
            if not folder.exists():
                _write(folder, claim)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


def _write(folder: Path, claim: Claim) -> None:
    print(f"writing the miniature data to {relative(folder)}", flush=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        draft = Path(temporary) / folder.name
        draft.mkdir()
        miniature_writer(claim).write(draft)
        shutil.move(draft, folder)
