"""Progress bars, as a terminal and as a log file get them."""

import os
import subprocess
import sys
import termios

from datamodules.progress import progress

ROBOTS = """
import numpy
from datamodules.environments.batched import BatchedMujoco
from datamodules.environments.episodes import Episodes, play
play(Episodes(BatchedMujoco("Hopper-v5", 3), [1, 3, 5]), lambda observations: numpy.zeros((3, 3)))
"""


def drawn(code, stderr):
    subprocess.run([sys.executable, "-c", code], stderr=stderr, check=True)


def test_a_terminal_sees_how_many_episodes_have_ended():
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    drawn(ROBOTS, theirs)
    os.close(theirs)
    seen = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "playing: 100%" in seen
    assert "3/3" in seen
    assert "steps=" in seen


def test_a_log_file_is_left_alone(tmp_path):
    with (tmp_path / "log").open("w") as log:
        drawn(ROBOTS, log)
    assert (tmp_path / "log").read_text() == ""


def test_what_is_counted_comes_through():
    assert list(progress(iter("abc"), 3, "letters", "letter")) == ["a", "b", "c"]
