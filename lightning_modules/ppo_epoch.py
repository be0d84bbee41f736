"""One epoch of PPO's updates as one call of C++, compiled for the sizes of the task: `ppo_epoch.cpp`."""

from collections.abc import Callable
from ctypes import c_double, c_int64, c_void_p
from math import isfinite
from pathlib import Path

from torch import Tensor, float32

from benchmarks.native import library

SOURCE = Path(__file__).with_suffix(".cpp")

FLAGS = ("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math")
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
    defined = [f"-D{name}={_literal(value)}" for name, value in settings.items()]
    function = library(compiler, SOURCE, [*FLAGS, *defined]).epoch
    function.argtypes = [c_void_p, c_void_p, c_int64, c_double, *[c_void_p] * 4]

    def epoch(rows: Tensor, order: Tensor, rate: float, vector: Tensor, state: tuple[Tensor, Tensor, Tensor]) -> None:
        step, first, second = state
        assert rows.dtype == vector.dtype == float32
        assert rows.is_contiguous()
        assert len(rows) % batch == 0
        changed = (tensor.data_ptr() for tensor in (vector, first, second, step))
        function(rows.data_ptr(), order.data_ptr(), len(rows) // batch, rate, *changed)

    return epoch


def _literal(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{value}f" if isfinite(value) else "INFINITY"
