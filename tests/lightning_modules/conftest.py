"""What tests of the translator share: a place of their own."""

import warnings

import pytest

from benchmarks.evaluation import quiet
from datamodules import columns


@pytest.fixture(scope="module")
def own_place(tmp_path_factory):
    """For what is tokenised, and quiet."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(columns, "ROOT", tmp_path_factory.mktemp("root"))
        quiet()
        yield
