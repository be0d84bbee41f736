"""C++ of this suite, compiled where and when it runs, for this very processor."""

import shlex
from collections.abc import Sequence
from ctypes import CDLL
from pathlib import Path
from subprocess import DEVNULL, TimeoutExpired, run
from tempfile import TemporaryDirectory

from benchmarks.errors import UserError

PATIENCE = 120
"""Seconds; a compiler takes one or two."""

NATIVE = "-march=native"
"""Compiles for this very processor. Some of Apple's compilers do not know it."""


def library(compiler: str, source: Path, flags: Sequence[str]) -> CDLL:
    """A shared library, loaded before its file goes, so that nothing stays that another processor could trip over.

    Args:
        compiler: of C++, GCC or Clang, as a shell would be told: perhaps with flags of its own.
        source: the one file that it is given.
        flags: besides those that make a library for this processor.

    Raises:
        UserError: the compiler refuses the source, or the system what it made.
    """
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, source.stem).with_suffix(".so")
        always = ("-std=c++17", "-O3", "-shared", "-fPIC", *flags, str(source), "-o", str(path))
        why = _failure(compiler, [NATIVE, *always], Path(folder, "said"))
        if why is not None and NATIVE in why:
            why = _failure(compiler, always, Path(folder, "said"))
        if why is not None:
            raise UserError(
                f"{compiler} does not compile {source.name}: {why}. Name another C++ compiler (GCC or Clang) in CXX."
            )
        try:
            return CDLL(str(path))
        except OSError as error:
            raise UserError(f"{error}. Name a folder that code can be loaded from in TMPDIR.") from None


def _failure(compiler: str, arguments: Sequence[str], said: Path) -> str | None:
    """Runs a compiler; why it made nothing. What it says goes into a file: a pipe would outlive it in its children."""
    try:
        with said.open("wb") as file:
            command = [*shlex.split(compiler), *arguments]
            done = run(command, check=False, stdin=DEVNULL, stdout=file, stderr=file, timeout=PATIENCE)
    except (OSError, ValueError) as error:  # not there, or quotation marks that do not end
        return str(error)
    except TimeoutExpired:
        return f"it takes longer than {PATIENCE} seconds"
    if not done.returncode:
        return None
    lines = said.read_text(errors="replace").splitlines()
    return next((line for line in lines if "error" in line), f"it ends with {done.returncode}")
