"""What a record says of the code and the machine. No torch."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from benchmarks.paths import ROOT
from benchmarks.schema import Environment

PACKAGES = (
    "datasets", "gymnasium", "highway-env", "lightning", "mujoco", "numba", "numpy", "pillow", "sacrebleu",
    "simplejpeg", "torch", "torchaudio", "torchmetrics", "torchvision", "wandb",
)  # fmt: skip
CODE = (
    "benchmarks", "datamodules", "lightning_modules", "results/*.py", "results/scoring", "requirements.lock",
    "pyproject.toml", "Makefile",
)  # fmt: skip


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)  # noqa: S607 (git from the user's PATH)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def commit() -> str | None:
    """The commit that is checked out; None outside a git checkout."""
    return _git("rev-parse", "HEAD")


def dirty() -> bool:
    """Whether code or configs differ from the commit; true where there is no commit to compare with.

    Records, tables and prose do not count: writing them must not make the next run unofficial.
    """
    changes = _git("status", "--porcelain", "--", *CODE, ":(exclude)*.md")
    return changes is None or changes != ""


def packages() -> dict[str, str]:
    """Versions of the packages that decide a number."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def cpu() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} x {len(names)}" if names else platform.machine()


def describe(
    gpus: tuple[str, ...], world_size: int, precision: str, normalised_batch: int | None, compiled: bool | None = None
) -> Environment:
    """The environment of a record."""
    return Environment(
        commit=commit(), dirty=dirty(), python=platform.python_version(), packages=packages(), cpu=cpu(), gpus=gpus,
        world_size=world_size, precision=precision, normalised_batch=normalised_batch, compiled=compiled,
    )  # fmt: skip
