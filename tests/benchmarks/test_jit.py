import os
import shutil
import subprocess
import sys

import pytest

from benchmarks.paths import ROOT

INNER = "from benchmarks.jit import jit\n\n@jit\ndef inner():\n    return {}\n"
OUTER = """
from benchmarks.jit import jit
from results.inner import inner

@jit
def outer():
    return inner()

print(outer(), sum(outer.stats.cache_hits.values()))
"""


@pytest.fixture
def checkout(tmp_path):
    """A repository with two files of functions to be compiled."""
    (tmp_path / "benchmarks").mkdir()
    for name in ("jit.py", "paths.py"):
        shutil.copy(ROOT / "benchmarks" / name, tmp_path / "benchmarks")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/outer.py").write_text(OUTER)
    return tmp_path


def outer(checkout, returned, **environment):
    (checkout / "results/inner.py").write_text(INNER.format(returned))
    command = [sys.executable, "-m", "results.outer"]
    around = os.environ | environment
    return subprocess.run(command, cwd=checkout, env=around, capture_output=True, text=True, check=True).stdout.split()


def test_a_compiled_function_is_cached_until_one_that_it_calls_changes_in_another_file(checkout):
    assert outer(checkout, 1) == ["1", "0"]
    assert outer(checkout, 1) == ["1", "1"]
    assert outer(checkout, 2) == ["2", "0"]
    assert outer(checkout, 1) == ["1", "1"]


def test_where_no_cache_can_be_kept_none_is(checkout):
    """As of a checkout that is read-only: neither beside the sources nor at home."""
    (checkout / "file").write_text("")
    for returned in ("1", "2", "2"):
        found = outer(checkout, returned, NUMBA_CACHE_DIR=str(checkout / "file/cache"), HOME=str(checkout))
        assert found == [returned, "0"]
    assert list(checkout.rglob("*.nbi")) == []
