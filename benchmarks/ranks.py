"""The other ranks that a run has started on this machine: if one fails, all end with its exit code. No torch here."""

import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from subprocess import Popen
from threading import Thread

from benchmarks.processes import MISTAKE, SIGNALS, disregard_signals, end_at_once

POLL_SECONDS = 0.5
GRACE = 5.0  # for a process that may be ending for the same reason, with words of its own

started: list["Popen[bytes]"] = []


def end_once_one_fails(child_processes: Sequence["Popen[bytes]"]) -> None:
    """Ends this process, rank zero, once one of these has failed: it may be waiting for that one for ever.

    In place of Lightning's observer (lightning:fabric/strategies/launchers/subprocess_script.py), which kills rank
    zero, so that a mistake which another rank has found would pass for a crash, and the next seed would be begun.
    """
    started[:] = child_processes
    Thread(target=_end_with_them, daemon=True).start()


def terminate() -> None:
    """Sends them all SIGTERM, as where it has reached this process alone."""
    for rank in started:
        rank.terminate()


def _end_with_them() -> None:
    ranks = [*started]
    while not _failed():
        if all(rank.poll() == 0 for rank in ranks):
            return
        time.sleep(POLL_SECONDS)
    time.sleep(GRACE)
    code = code_of_failed(within=0)
    if code is None:  # rank zero has seen it, and ends with that code
        return
    for rank in ranks:
        rank.kill()
    end_at_once(code)


def blamed(error: Exception) -> int | None:
    """The exit code of the rank whose end an error follows from, as those of Gloo and NCCL do, which are RuntimeErrors.

    None where it is this rank's own error; of several ranks, that is known after some seconds only.
    """
    from benchmarks.runs import externally_launched, first_process

    if not isinstance(error, RuntimeError):
        return None
    disregard_signals()  # the process ends already
    if not first_process() and not externally_launched():
        time.sleep(2 * GRACE)  # in which rank zero ends this one, if another has failed
    return code_of_failed(within=GRACE)


def code_of_failed(within: float) -> int | None:
    """The exit code of a rank that fails within some seconds, with which the caller ends; says what killed one.

    A mistake is looked for first, then a rank that was killed: what other ranks end with may follow from it.
    """
    end = time.monotonic() + within
    while not _failed() and any(rank.poll() is None for rank in started) and time.monotonic() < end:
        time.sleep(POLL_SECONDS / 10)
    codes = _failed()
    if not codes:
        return None
    started.clear()
    cause = min(codes, key=_place_as_cause)
    if cause < 0:
        with suppress(OSError, ValueError):  # nobody may be reading
            print(told(-cause), file=sys.stderr)
    return cause if cause > 0 else 128 - cause


def _place_as_cause(code: int) -> int:
    """Which of several ends of ranks is the cause: a mistake, then a kill, then another signal, then any other code."""
    if code == MISTAKE:
        return 0
    if code == -signal.SIGKILL:
        return 1
    return 2 if code < 0 else 3


def _failed() -> list[int]:
    """The exit codes of ranks that failed; one that handled a signal without a word counts as killed by it."""
    codes = [code for code in (rank.poll() for rank in started) if code]
    return [128 - code if code - 128 in SIGNALS else code for code in codes]


def told(number: int, who: str = "another rank") -> str:
    """What is said of a process that was ended by a signal before it could say so."""
    if number in SIGNALS:
        return f"stopped by {signal.Signals(number).name}"
    reason = "; if memory ran out, `dmesg` says so" if number == signal.SIGKILL else ""
    return f"failed: {who} was killed by signal {number} ({signal.strsignal(number)}){reason}."
