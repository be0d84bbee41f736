"""What tests with GNU Go share: whether it is there, programs that take its place, and how it scores a board."""

import os
import sys

import pytest

from benchmarks.errors import UserError
from datamodules.environments import gnugo

# Speaks enough GTP to begin a game; what it does then is given.
FAKE = """#!{python}
import sys, time
if "--version" in sys.argv:
    print("GNU Go {version}")
    sys.exit()
count = 0
for line in sys.stdin:
    if line.startswith("genmove"):
        count += 1
        {genmove}
    print("=\\n")
    sys.stdout.flush()
"""


def _there():
    try:
        return bool(gnugo.find())
    except UserError:
        return False


needs_gnugo = pytest.mark.skipif(not _there(), reason="GNU Go is not installed (apt install gnugo)")


def fake(folder, monkeypatch, genmove="pass", version="3.8"):
    """Puts a program called gnugo first on PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / "gnugo"
    path.write_text(FAKE.format(python=sys.executable, version=version, genmove=genmove))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return path


def remove(monkeypatch, folder):
    """Takes every gnugo out of sight."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(gnugo, "PLACES", (str(folder),))


def final_score(engine):
    """Black's margin over White with komi, as GNU Go sees the board: by life and death."""
    reply = engine.ask("final_score")
    if reply == "0":
        return 0.0
    winner, margin = reply.split("+")
    return {"B": 1, "W": -1}[winner] * float(margin)
