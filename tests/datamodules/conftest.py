"""Releases to prepare data from, each as the `release_at(port)` of its test module has it."""

import pytest

from tests.datamodules.archives import dead_port


@pytest.fixture
def release(request, server):
    """What the module's own server has."""
    return request.module.release_at(server.server_port)


@pytest.fixture
def offline(request, monkeypatch):
    """A release on a port where nobody listens."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with dead_port() as port:
        yield request.module.release_at(port)
