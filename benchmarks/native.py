"""C++ of this suite, compiled where and when it runs, for this very processor."""

from collections.abc import Sequence
from ctypes import CDLL
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

from benchmarks.errors import UserError


def library(compiler: str, source: Path, flags: Sequence[str]) -> CDLL:
    """A shared library, loaded before its file goes, so that nothing stays that another processor could trip over.

    Args:
        compiler: of C++, GCC or Clang.
        source: the one file that it is given.
        flags: besides those that make a library for this processor.

    Raises:
        UserError: the compiler refuses the source, or the system what it made.
    """
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, source.stem).with_suffix(".so")
        always = ("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC")
        command = [compiler, *always, *flags, str(source), "-o", str(path)]
        done = run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.splitlines()
            why = next((line for line in said if "error" in line), f"it ends with {done.returncode}")
            raise UserError(
                f"{compiler} does not compile {source.name}: {why}. Name another C++ compiler (GCC or Clang) in CXX."
            )
        try:
            return CDLL(str(path))
        except OSError as error:
            raise UserError(f"{error}. Name a folder that code can be loaded from in TMPDIR.") from None
