"""What a record says about the code and the machine. No torch."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.paths import ROOT
from benchmarks.schema import Environment

PACKAGES = (
    "datasets", "gymnasium", "highway-env", "lightning", "mujoco", "numba", "numpy", "pillow", "sacrebleu",
    "sentencepiece", "simplejpeg", "torch", "torchaudio", "torchmetrics", "torchvision", "wandb",
)  # fmt: skip
WHERE_INSTALLED = ("flashlight-text",)  # which has no wheel for Python 3.13 and later
CODE = (
    "benchmarks", "datamodules", "lightning_modules", "results/*.py", "results/scoring", "requirements.lock",
    "pyproject.toml", "Makefile",
)  # fmt: skip
NO_PROSE = ":(exclude)*.md"
UNKNOWN = "no git, no git checkout, another user's, or an earlier version; `make doctor` says more"


def _git(*arguments: str, **variables: str) -> str:
    """What git says of this checkout; variables of the user's may be about another one, or change what a path means.

    Raises:
        UserError: it is not there, or fails; with its own words.
    """
    around = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | variables
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=around)
    except OSError as error:
        raise UserError(f"git cannot be started: {error.strerror}") from None
    if done.returncode:
        raise UserError(" ".join(done.stderr.split()) or f"git {arguments[0]} ends with {done.returncode}")
    return done.stdout.rstrip()


def commit() -> str:
    """The commit that is checked out; not that of another repository, in which this one's files were unpacked.

    Raises:
        UserError: there is none, or git is not here to say it, or does not answer for another user's files.
    """
    if Path(_git("rev-parse", "--show-toplevel")).resolve() != ROOT:
        raise UserError(f"{ROOT} is no git checkout of its own, but lies in another")
    return _git("rev-parse", "HEAD")


def content(commit: str, path: str) -> str | None:
    """What a file of the repository held at a commit; None where git does not have either, or is not here."""
    try:
        return _git("show", "--end-of-options", f"{commit}:{path}")
    except UserError:
        return None


def changes(commit: str) -> list[str]:
    """The files that differ from a commit, which may be no longer the one that is checked out.

    The index is made anew: that of the checkout can be told to pass over changes (`assume-unchanged`, `skip-worktree`).

    Raises:
        UserError: git cannot compare them, as where there is no room for that index: days of training would be
            unofficial for no change.
    """
    asked = ("status", "--porcelain", "--no-renames", "--untracked-files=all")
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            index = str(Path(folder, "index"))
            _git("read-tree", commit, GIT_INDEX_FILE=index)
            lines = _git(*asked, "--", *CODE, NO_PROSE, GIT_INDEX_FILE=index).splitlines()
    except (OSError, UserError) as error:
        raise UserError(
            f"cannot tell whether the code in {ROOT} is that of its commit: {error}. If the disk of temporary files is "
            "full, free some space or name another folder in TMPDIR; if the repository is damaged, clone it anew."
        ) from None
    return [line[3:] for line in lines]


@dataclass(frozen=True)
class Code:
    """The commit that is checked out, None outside a git checkout; and whether code or configs differ from it.

    Records, tables and prose do not count: writing them must not make the next run unofficial. Where there is no commit
    to compare with, code is dirty.
    """

    commit: str | None
    dirty: bool

    def then(self, later: Code) -> Code:
        """The code of a run that was begun by this code and continued by `later`."""
        changed = later.commit != self.commit and not _same(self.commit, later.commit)
        return Code(self.commit, self.dirty or later.dirty or changed)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Why a record of it is unofficial, if it is."""
        if not self.dirty:
            return ()
        if self.commit is None:
            return (f"code: its commit is not known ({UNKNOWN})",)
        return (f"code: not that of the commit {self.commit[:12]} alone",)


def code() -> Code:
    """What is checked out now.

    Raises:
        UserError: there is a commit, and git cannot compare the code with it.
    """
    try:
        known = commit()
    except UserError:
        return Code(None, True)
    return Code(known, bool(changes(known)))


@cache
def code_at_start() -> Code:
    """What was checked out when this process began; for `__main__`, which asks before it imports what is looked at.

    Raises:
        UserError: as `code` does.
    """
    return code()


@cache
def code_in_memory() -> Code:
    """What this process runs; to be asked as soon as all of it is imported, as the checkout may change afterwards.

    Python does not keep what it has read, so files are looked at before and after. An edit that was made and put back
    between the two looks, within seconds of the start, passes unseen.

    Raises:
        UserError: as `code` does.
    """
    return code_at_start().then(code())


def _same(one: str | None, other: str | None) -> bool:
    """Whether two commits hold the same code; not where one of them is not here any more."""
    try:
        return None not in (one, other) and _git("diff", "--name-only", f"{one}..{other}", "--", *CODE, NO_PROSE) == ""
    except UserError:
        return False


@cache
def packages() -> dict[str, str]:
    """Versions of the packages that decide a number, as `__main__` finds them: others may be installed meanwhile."""
    there = [name for name in WHERE_INSTALLED if any(importlib.metadata.distributions(name=name))]
    return {name: importlib.metadata.version(name) for name in sorted((*PACKAGES, *there))}


def cpu() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} x {len(names)}" if names else platform.machine()


def describe(
    code: Code, gpus: tuple[str, ...], world_size: int, precision: str, normalised_batch: int | None,
    compiled: bool | None = None,
) -> Environment:  # fmt: skip
    """The environment of a record."""
    return Environment(
        commit=code.commit, dirty=code.dirty, python=platform.python_version(), packages=packages(), cpu=cpu(),
        gpus=gpus, world_size=world_size, precision=precision, normalised_batch=normalised_batch, compiled=compiled,
    )  # fmt: skip
