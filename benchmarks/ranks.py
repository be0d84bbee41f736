"""The other ranks that a run has started on this machine: one that fails ends all with its exit code. No torch here."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from subprocess import Popen
from threading import Thread

from benchmarks.processes import MISTAKE

POLL_SECONDS = 0.5
GRACE = 5.0  # for rank zero, which may be ending too, with words of its own

started: list["Popen[bytes]"] = []


def watch(child_processes: Sequence["Popen[bytes]"]) -> None:
    """Ends this process, rank zero, once one of these has failed: it may be waiting for that one for ever.

    In place of Lightning's observer (lightning:fabric/strategies/launchers/subprocess_script.py), which kills rank
    zero, so that a mistake which another rank has found would pass for a crash, and the next seed would be begun.
    """
    started[:] = child_processes
    Thread(target=_end_with_them, daemon=True).start()


def _end_with_them() -> None:
    while not any(_failed()):
        if all(rank.poll() == 0 for rank in started):
            return
        time.sleep(POLL_SECONDS)
    time.sleep(GRACE)
    code = code_of_failed(within=0)
    for rank in started:
        rank.kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 1)


def _failed() -> list[int]:
    return [code for code in (rank.poll() for rank in started) if code]


def code_of_failed(within: float) -> int | None:
    """The exit code of a rank that fails within some seconds; of one that was killed it says so.

    A mistake comes before others, which may follow from it.
    """
    end = time.monotonic() + within
    while started and not _failed() and time.monotonic() < end:
        time.sleep(POLL_SECONDS / 10)
    codes = _failed()
    if not codes or MISTAKE in codes:
        return MISTAKE if codes else None
    if codes[0] < 0:
        name = signal.Signals(-codes[0]).name
        print(f"failed: another rank was killed by {name}. If memory ran out, `dmesg` says so.", file=sys.stderr)
    return codes[0] if codes[0] > 0 else 128 - codes[0]
