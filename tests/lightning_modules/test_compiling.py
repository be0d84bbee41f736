"""Where a training step can be compiled, by what Triton asks for."""

import pytest
import torch

from lightning_modules import compiling
from lightning_modules.compiling import kernel_compiler


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """One that has all that it takes."""
    (tmp_path / "Python.h").touch()
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("TORCH_COMPILE_DISABLE", raising=False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(compiling, "find_spec", lambda name: name)
    monkeypatch.setattr(compiling.sysconfig, "get_path", lambda name, scheme: str(tmp_path))
    monkeypatch.setattr(compiling.shutil, "which", {"clang": "/usr/bin/clang"}.get)
    return tmp_path


def test_any_c_compiler_will_do(machine, monkeypatch):
    assert kernel_compiler() == "/usr/bin/clang"
    monkeypatch.setenv("CC", "/opt/cc")
    assert kernel_compiler() == "/opt/cc"


@pytest.mark.parametrize("lacking", ["compiler", "headers", "Triton", "capability", "leave"])
def test_nothing_else_is_dispensable(machine, monkeypatch, lacking):
    if lacking == "compiler":
        monkeypatch.setattr(compiling.shutil, "which", {}.get)
    if lacking == "headers":
        (machine / "Python.h").unlink()
    if lacking == "Triton":
        monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    if lacking == "capability":
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (6, 1))
    if lacking == "leave":
        monkeypatch.setenv("TORCH_COMPILE_DISABLE", "1")
    assert kernel_compiler() is None
