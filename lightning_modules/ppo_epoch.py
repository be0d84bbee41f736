"""One epoch of PPO's updates as one call of C++, compiled for the sizes of the task: `ppo_epoch.cpp`."""

from collections.abc import Callable
from ctypes import CDLL, c_double, c_int64, c_void_p
from math import isfinite
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory

from torch import Tensor, float32

from benchmarks.errors import UserError

SOURCE = Path(__file__).with_suffix(".cpp")

FLAGS = (
    "-std=c++17 -O3 -march=native -shared -fPIC -fno-math-errno -fno-trapping-math -fno-signed-zeros -fassociative-math"
)
"""Sums may be taken in an order that fits the processor; unlike with -ffast-math, what is not finite stays so."""

Epoch = Callable[[Tensor, Tensor, float, Tensor, tuple[Tensor, Tensor, Tensor]], None]
"""Takes rows [n, o + a + 3], the order to take them in [n], a learning rate, and what it changes: the weights' vector,
and the state of Adam."""


def native_epoch(compiler: str, **settings: int | float) -> Epoch:
    """Compiles the epoch, which takes a third of a second.

    Args:
        compiler: of C++, GCC or Clang.
        settings: by the names that the source gives them.

    Raises:
        UserError: the compiler refuses the source, or the system what it made.
    """
    batch = int(settings["BATCH"])
    function = _library(compiler, settings).epoch
    function.argtypes = [c_void_p, c_void_p, c_int64, c_double, *[c_void_p] * 4]

    def epoch(rows: Tensor, order: Tensor, rate: float, vector: Tensor, state: tuple[Tensor, Tensor, Tensor]) -> None:
        step, first, second = state
        assert rows.dtype == vector.dtype == float32
        assert rows.is_contiguous()
        assert len(rows) % batch == 0
        changed = (tensor.data_ptr() for tensor in (vector, first, second, step))
        function(rows.data_ptr(), order.data_ptr(), len(rows) // batch, rate, *changed)

    return epoch


def _library(compiler: str, settings: dict[str, int | float]) -> CDLL:
    """The library is loaded before its file goes, so nothing is left that another processor could trip over."""
    defined = [f"-D{name}={_literal(value)}" for name, value in settings.items()]
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, "ppo_epoch.so")
        command = [compiler, *FLAGS.split(), *defined, str(SOURCE), "-o", str(path)]
        done = run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.splitlines()
            why = next((line for line in said if "error" in line), f"it ends with {done.returncode}")
            raise UserError(
                f"{compiler} does not compile {SOURCE.name}: {why}. Name another C++ compiler (GCC or Clang) in CXX."
            )
        try:
            return CDLL(str(path))
        except OSError as error:
            raise UserError(f"{error}. Name a folder that code can be loaded from in TMPDIR.") from None


def _literal(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value}f" if isfinite(value) else "INFINITY"
