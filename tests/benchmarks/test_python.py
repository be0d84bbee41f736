"""The suite from Python, without its commands: README's example."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

EXAMPLE = re.compile(r"### In Python\n.*?\n\n((?:    [^\n]*\n|\n)+)", re.DOTALL)


def example():
    return re.sub(r"^    ", "", EXAMPLE.search((ROOT / "README.md").read_text())[1], flags=re.MULTILINE)


@pytest.mark.slow
def test_the_example_of_the_readme_runs_as_it_stands(workshop):
    """But for the number of epochs: one."""
    code, count = re.subn(r"max_epochs=\d+", "max_epochs=1", example())
    assert count == 1
    done = subprocess.run([sys.executable, "-c", code], cwd=workshop.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"test/top5\D+([\d.]+)", done.stdout)[1]) > 0, done.stdout
