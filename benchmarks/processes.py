"""How the processes of a run end: by a signal at any moment, with their parent, and never twice. No torch here."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.util import Finalize
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)  # the last is what SLURM is often asked to warn by
MISTAKE = 2  # the exit code of a user's mistake
BUSY = 4  # that of a `run` on which another process works; what started it tells others 2, as of any mistake
PARENT = "BENCHMARKS_PARENT"  # the id of the process that started this one for its own ends


class Stopped(BaseException):
    """A signal ended the run; what is on disk continues it.

    No `Exception`, which whoever parses, tracks or compiles may catch at any moment and take for one of its own.

    Args:
        number: of the signal.
        everywhere: whether every rank knows of it.
    """

    def __init__(self, number: int, everywhere: bool = False) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = code_of(number)
        self.everywhere = everywhere


def code_of(number: int) -> int:
    """What a command that a signal has stopped ends with, so that a batch script knows it; SIGUSR1 is as SIGTERM."""
    return 128 + (signal.SIGTERM if number == signal.SIGUSR1 else number)


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM, SIGUSR1 and Ctrl-C raise `Stopped` in here, and do as before once this is left, be it by an error.

    Raises:
        Stopped: one came. The process is then to end, and ignores the next: a group's signal arrives twice, once
            handed on by the parent, and Lightning puts the handlers back that it found.
    """
    after = {number: signal.getsignal(number) for number in SIGNALS}
    raise_on_signal()
    try:
        yield
    except Stopped:
        after = dict.fromkeys(SIGNALS, _disregard)
        raise
    finally:
        for number, handler in after.items():
            signal.signal(number, handler)


def raise_on_signal() -> None:
    """Outside training there is nothing to save: SIGTERM, SIGUSR1 and Ctrl-C end the run at once."""
    _handle(_stop)


def disregard_signals() -> None:
    """The process ends already, and says why."""
    _handle(_disregard)


def _stop(number: int, frame: FrameType | None) -> None:
    _handle(_disregard)
    raise Stopped(number)


def _disregard(number: int, frame: FrameType | None) -> None:
    """Handles a signal by doing nothing; with SIG_IGN, Python complains of one that has already arrived."""


def _handle(handler: "signal._HANDLER") -> None:
    for number in SIGNALS:
        signal.signal(number, handler)


def leave(code: int) -> NoReturn:
    """Ends the process; a rank that failed does not wait for the others, which may be waiting for it.

    Lightning destroys NCCL's group at exit (fabric/utilities/distributed.py), for which all ranks must come: the failed
    one would stay, so that nobody would see that it has failed and end the others.
    """
    torch: Any = sys.modules.get("torch")
    if code and torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
        end_at_once(code)
    sys.exit(code)


def end_at_once(code: int) -> NoReturn:
    """Ends the process, whatever its threads wait for, and though nobody reads what it has said."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def die_with_parent() -> None:
    """Asks Linux to kill this process with the one of ours that started it, and its own ranks with it.

    So no orphan holds on to a run's folder. A `run` that the user started lives on without his shell.
    """
    parent, own = os.environ.get(PARENT), str(os.getpid())
    os.environ[PARENT] = own
    if parent not in (None, own) and sys.platform == "linux":
        _die_with(int(parent))


def prepare_worker(worker: int) -> None:
    """Prepares a worker of a data loader: it ends with its parent, and by no other signal.

    Ctrl-C in a terminal and a scheduler's signals reach every process of a run; a worker that died of them would take
    the run down before its checkpoint is written.
    """
    _handle(signal.SIG_IGN)
    if sys.platform == "linux":
        _die_with(os.getppid())


def _end_workers() -> None:
    # At exit, multiprocessing ends them by SIGTERM, which they ignore, and waits.
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()


Finalize(None, _end_workers, exitpriority=0)


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it was gone already
        os.kill(os.getpid(), signal.SIGKILL)
