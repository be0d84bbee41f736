"""The miniatures' generated data: written on first use."""

from pathlib import Path

from benchmarks.claim import Claim
from benchmarks.files import make_once
from benchmarks.modules import miniature_writer
from benchmarks.paths import miniature_folder, relative


def ensure_miniature(benchmark: str, claim: Claim) -> Path:
    """The folder of a benchmark's embedded data, written if it is not there.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    folder, writer = miniature_folder(benchmark), miniature_writer(claim)

    def write(draft: Path) -> None:
        print(f"writing the miniature data to {relative(folder)}", flush=True)
        writer.write(draft)

    make_once(folder, write)
    return folder
