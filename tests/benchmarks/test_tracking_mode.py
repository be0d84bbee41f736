"""Weights & Biases: whether a run is sent, written to be sent later, or neither."""

import sys

import pytest
import wandb

from benchmarks import tracking
from benchmarks.schema import Tracking
from tests.benchmarks import wandb_runs

home = wandb_runs.home


@pytest.mark.parametrize(
    ("asked", "mode"),
    [("online", "online"), ("offline", "offline"), ("disabled", "disabled"), ("dryrun", "offline"), ("x", "offline")],
)
def test_the_mode_that_the_user_asks_for(home, monkeypatch, asked, mode):
    monkeypatch.setenv("WANDB_MODE", asked)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert tracking.mode() == mode
    assert tracking.tracking("r") == Tracking(None if mode == "disabled" else "r", mode)


def test_nobody_is_asked_for_a_key(offline_machine, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "online")
    assert [tracking.mode(), tracking.mode()] == ["offline", "offline"]
    assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == [
        "Weights & Biases could not take the run: WANDB_MODE is online, but nobody is logged in "
        "(`.venv/bin/wandb login`). It is written offline"
    ]


@pytest.fixture
def offline_machine(home, monkeypatch):
    """No network, and nobody to answer a prompt."""

    def refuse(*arguments, **_):
        raise AssertionError(f"the network or the user was asked: {arguments}")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("builtins.input", refuse)
    monkeypatch.setattr("getpass.getpass", refuse)
    return home


def test_a_user_who_is_not_logged_in(offline_machine, capfd):
    assert tracking.mode() == "offline"
    assert capfd.readouterr() == ("", "")


def test_a_user_with_a_key(offline_machine, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert tracking.mode() == "online"
    assert capfd.readouterr() == ("", "")


def test_a_user_who_has_logged_in(offline_machine, capfd):
    """As `wandb login` leaves it: a line for the server's host."""
    host = wandb.setup().settings.base_url.removeprefix("https://")
    (offline_machine / ".netrc").write_text(f"machine {host}\n  login user\n  password {'0' * 40}\n")
    (offline_machine / ".netrc").chmod(0o600)
    assert tracking.mode() == "online"
    assert capfd.readouterr() == ("", "")


def _without_module(patch):
    patch.setitem(sys.modules, "wandb.sdk.lib.wbauth", None)
    patch.delattr("wandb.sdk.lib.wbauth")


@pytest.mark.parametrize(
    "lose", [_without_module, lambda patch: patch.delattr("wandb.sdk.lib.wbauth.authenticate_session")]
)
def test_a_wandb_that_cannot_say_who_is_logged_in(offline_machine, monkeypatch, caplog, lose):
    """As other versions than ours, whose private parts have other names."""
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    wandb.setup()
    with monkeypatch.context() as patch:
        lose(patch)
        assert tracking.mode() == "offline"
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_a_key_that_is_none(offline_machine, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_API_KEY", "short")
    assert tracking.mode() == "offline"
    assert "WANDB_API_KEY invalid" in caplog.text
