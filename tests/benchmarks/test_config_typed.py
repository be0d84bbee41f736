"""Typed settings: every committed config is instantiated, and what the parser makes of values and refuses."""

import builtins
import importlib
import io
import os
import socket
from pathlib import Path

import pytest
import torch

from benchmarks.assembly import Assembly
from benchmarks.config import leaves, machine_settings, merge, parse_overrides, resolve_settings, stages
from benchmarks.errors import UserError
from benchmarks.modules import needs_data
from benchmarks.paths import ROOT, benchmarks
from benchmarks.strict import load_claim


def configurations():
    for benchmark in benchmarks():
        variants = [path.stem for path in (ROOT / "benchmarks" / benchmark / "variants").glob("*.yaml")]
        for variant in (None, *(name for name in variants if "." not in name)):
            for profile in ("full", "mini"):
                yield pytest.param(benchmark, profile, variant, id=f"{benchmark}-{profile}-{variant}")


@pytest.fixture
def no_disk_no_network(monkeypatch):
    """Only what Python itself imports may be opened; a library may look around while it is imported."""
    for package in ("datamodules", "lightning_modules"):
        for path in (ROOT / package).glob("*.py"):
            importlib.import_module(f"{package}.{path.stem}")
    load_claim("imagenet")  # pydantic looks for plugins when it is first used
    really_open, really_io_open, really_scan = builtins.open, io.open, os.scandir
    own = tuple(os.fspath(path) for path in (ROOT, Path(os.__file__).parents[1], Path(os.__file__).parents[3]))

    def guarded(really):
        def opened(file, *arguments, **options):
            path = os.fspath(file) if not isinstance(file, int) else ""
            code = path.startswith(own) and path.endswith((".py", ".pyc", ".yaml", ".json", ".pyi", ".so"))
            assert code or isinstance(file, int), f"{file} was opened"
            return really(file, *arguments, **options)

        return opened

    def refuse(*arguments, **_):
        raise AssertionError(f"the network or the disk was touched: {arguments}")

    monkeypatch.setattr(builtins, "open", guarded(really_open))
    monkeypatch.setattr(io, "open", guarded(really_io_open))
    monkeypatch.setattr(os, "mkdir", refuse)
    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(
        os, "scandir", lambda path=".": really_scan(path) if str(path).startswith(own) else refuse(path)
    )


@pytest.mark.parametrize(("benchmark", "profile", "variant"), list(configurations()))
def test_every_committed_config_is_instantiated_without_disk_and_network(
    benchmark, profile, variant, no_disk_no_network
):
    root = "/there/is/no/such/folder" if needs_data(load_claim(benchmark)) else None
    committed = resolve_settings(benchmark, profile, variant, {})
    before = repr(committed)
    for settings in stages(committed).values():
        assembly = Assembly(merge(settings, machine_settings(3, root)))
        assert repr(committed) == before, "what the parser changes in place would be a deviation"
        module = type(assembly.module)
        assert module.__module__ + "." + module.__name__ == settings["model"]["class_path"]
        assert type(assembly.datamodule).__name__ == settings["data"]["class_path"].rpartition(".")[2]
        assert assembly.resolved["trainer"]["use_distributed_sampler"] is False
        assert {key: leaves(assembly.resolved)[key] for key in leaves(settings)} == leaves(settings)


def test_environment_variables_set_nothing(monkeypatch):
    """Neither what the settings name nor what they leave open: a record would not tell of it as a deviation."""
    settings = merge(resolve_settings("imagenet", "mini", None, {}), machine_settings(0, "/data"))
    expected = Assembly(settings)
    monkeypatch.setenv("JSONARGPARSE_DEFAULT_ENV", "true")
    for name, value in (("TRAINER__MAX_STEPS", "7"), ("TRAINER__MAX_EPOCHS", "7"), ("THREADS", "3")):
        monkeypatch.setenv(f"PL_{name}", value)
    assert Assembly(settings).resolved == expected.resolved


def test_the_guard_sees_a_disk_that_is_touched(no_disk_no_network):
    with pytest.raises(AssertionError, match="was opened"):
        Path("/tmp/x").read_bytes()
    with pytest.raises(AssertionError, match="touched"):
        socket.create_connection(("localhost", 1))


def parsed(overrides):
    settings = resolve_settings("imagenet", "mini", None, parse_overrides(overrides))
    return Assembly(merge(settings, machine_settings(0, "/data")))


@pytest.mark.parametrize(("written", "limit"), [("1", 1.0), ("2", 2), ("0.5", 0.5)])
def test_a_limit_of_one_is_everything(written, limit):
    """The trap of `limit_val_batches: 1`: it is 100 % of the batches, not one batch.

    Seen with Lightning 2.6 and jsonargparse 4: whole numbers are parsed to floats (1.0, 2.0), and Lightning takes 1.0
    for all and 2.0 for two batches. So one batch cannot be asked for in YAML, and no code of ours may rely on it.
    """
    assembly = parsed(f"--trainer.limit_val_batches={written}")
    assert type(assembly.resolved["trainer"]["limit_val_batches"]) is float
    assert assembly.trainer([]).limit_val_batches == limit


def test_an_unknown_key_and_a_wrong_type_are_refused():
    for overrides, words in (
        ("--trainer.max_epoch=3", "max_epoch"),
        ("--model.init_args.momentun=3", "momentun"),
        ("--trainer.max_epochs=many", "trainer.max_epochs"),
        ("--data.init_args.ramp=[1,b]", "ramp"),
        ("--checkpoint_every_n_steps=0", "checkpoint_every_n_steps"),
        ("--optimiser.lr=1", "optimiser"),
    ):
        with pytest.raises(UserError, match=words):
            parsed(overrides)


def test_gpus_that_torch_cannot_use_are_not_passed_over(monkeypatch, tmp_path):
    """An old driver would else train on the processor; who hides the GPUs, or asks for the processor, means it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("benchmarks.assembly.DRIVER", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    automatic = parsed("--trainer.accelerator=auto")
    with pytest.raises(
        UserError, match=r"cannot use this machine's NVIDIA GPUs. Its CUDA [\d.]+ needs a driver as new"
    ):
        automatic.require_devices()
    parsed("--trainer.accelerator=cpu").require_devices()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    automatic.require_devices()
