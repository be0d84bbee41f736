"""Where things are; every stored path is relative to `ROOT`, the repository."""

from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def benchmarks() -> list[str]:
    """Every benchmark: a folder with a claim."""
    folders = (path for path in (ROOT / "benchmarks").iterdir() if path.is_dir() and path.name[0] not in "._")
    return sorted(path.name for path in folders if path / "claim.yaml" in path.iterdir())  # `glob` skips closed ones


def benchmark_folder(benchmark: str) -> Path:
    """The folder of claim, configs and notes."""
    return ROOT / "benchmarks" / benchmark


def miniature_folder(benchmark: str) -> Path:
    """The folder of a benchmark's miniature data, once they are written."""
    return ROOT / "data" / "miniature" / benchmark


def run_folder(benchmark: str, run_id: str) -> Path:
    """Checkpoints, curves and predictions of one run."""
    return ROOT / "results" / "runs" / benchmark / run_id


def records_folder(benchmark: str) -> Path:
    """The records of a benchmark, and beside each the folder of what its run kept."""
    return ROOT / "results" / "records" / benchmark


def record_file(benchmark: str, run_id: str) -> Path:
    """The record of one run."""
    return records_folder(benchmark) / f"{run_id}.json"


def relative(path: Path) -> str:
    """A path as it is stored and printed: relative to the repository where it lies in it, be it by a link out of it."""
    if ".." in path.parts or not path.is_relative_to(ROOT):
        with suppress(OSError, RuntimeError):  # of links that lead in a circle
            path = path.resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def relative_root(root: str) -> str:
    """The root of data as it is stored: `hf:<name>` as it is, a folder as any path."""
    return root if root.startswith("hf:") else relative(Path(root))
