"""A training step as one graph of fused kernels: on a GPU, where Triton can compile them."""

import os
import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import torch


def kernel_compiler() -> str | None:
    """What Triton compiles its launchers with (triton:runtime/build.py); None where it cannot.

    It takes Triton, a C compiler, Python's headers, and a GPU of at least compute capability 7.0. torch's own
    TORCH_COMPILE_DISABLE=1 forbids it.
    """
    if os.environ.get("TORCH_COMPILE_DISABLE") == "1":
        return None
    scheme = sysconfig.get_default_scheme().replace("posix_local", "posix_prefix")  # Debian's own has none
    headers = Path(sysconfig.get_path("include", scheme), "Python.h")
    able = find_spec("triton") is not None and headers.exists() and torch.cuda.get_device_capability() >= (7, 0)
    return (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")) if able else None
