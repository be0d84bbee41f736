"""GNU Go as a process that speaks GTP: one process a game, so that nothing of one game is in the next.

www.gnu.org/software/gnugo; the protocol: www.lysator.liu.se/~gunnar/gtp. It says the same to the same game and seed,
whatever runs beside it, as its level limits what it reads and no clock does.
"""

from __future__ import annotations

import contextlib
import re
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from types import TracebackType

from benchmarks.errors import UserError

VERSION = "3.8"  # of which the claims speak
PLACES = ("/usr/games", "/usr/local/games")  # where Debian puts games; often not on PATH
INSTALL = (
    "Install it: `apt install gnugo` on Debian and Ubuntu, `brew install gnu-go` on macOS, or from "
    "ftp.gnu.org/gnu/gnugo/gnugo-3.8.tar.gz"
)
LIMIT = 300.0  # seconds for a reply; the slowest that was seen on 19x19 took less than a tenth
PROCESSOR = 7200  # seconds of computing for a game

_RULES = ("--chinese-rules", "--positional-superko", "--capture-all-dead", "--never-resign")


class EngineError(RuntimeError):
    """GNU Go ended, hung or said what it should not; the message says which."""


def find() -> str:
    """The path of GNU Go, on PATH or in a folder of games.

    Raises:
        UserError: nowhere.
    """
    found = shutil.which("gnugo") or shutil.which("gnugo", path=":".join(PLACES))
    if found is None:
        raise UserError(f"there is no GNU Go (gnugo) on PATH nor in {' or '.join(PLACES)}. {INSTALL}.")
    return found


@cache
def version(path: str) -> str:
    """The version of GNU Go, such as 3.8.

    Raises:
        UserError: the program is not GNU Go.
    """
    try:
        ended = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{path} does not tell its version ({error}). {INSTALL}.") from None
    found = re.match(r"GNU Go (\S+)", ended.stdout)
    if found is None:
        raise UserError(f"{path} is not GNU Go: it says {ended.stdout[:60]!r} of its version. {INSTALL}.")
    return found[1]


def known() -> str:
    """GNU Go's name and version as files of games and protocols have them, such as `GNU Go 3.8`.

    Raises:
        UserError: it is not installed.
    """
    return f"GNU Go {version(find())}"


class GnuGo:
    """One game of GNU Go's; a context, at whose end its process ends.

    The process also ends with this one, however that ends: the kernel closes its input, at whose end GNU Go leaves.
    Linux's signal at a parent's death follows the thread that started a process, and games are played by many; the
    limit on its computing is for a process that no longer reads.

    Args:
        size: of the board.
        komi: points that White is given.
        level: 1 to 10, how hard it thinks.
        seed: of its random numbers.

    Raises:
        UserError: GNU Go is not installed.
        EngineError: it does not start.
    """

    def __init__(self, size: int, komi: float, level: int, seed: int) -> None:
        self._rest = b""
        command = [find(), "--mode", "gtp", "--level", str(level), *_RULES, "--seed", str(seed)]
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (`close` closes it)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, bufsize=0,
                process_group=0,  # Ctrl-C is for this process, which then ends the game
            )  # fmt: skip
        except OSError as error:
            self._complaints.close()
            raise EngineError(f"GNU Go does not start ({error})") from None
        assert self._process.stdout is not None
        self._poll = select.poll()  # select() knows no file beyond the 1024th
        self._poll.register(self._process.stdout)
        try:
            self._limit_computing()
            for line in (f"boardsize {size}", "clear_board", f"komi {komi:g}"):
                self.ask(line)
        except BaseException:
            self.close()
            raise

    def play(self, colour: str, vertex: str) -> None:
        """Tells it a move, `black` or `white` and GTP's name of the point.

        Raises:
            EngineError: it refuses the move, or it ended or hung; as of the methods below.
        """
        self.ask(f"play {colour} {vertex}")

    def genmove(self, colour: str) -> str:
        """Has GNU Go make its own move, and returns it: GTP's name of a point, or PASS."""
        return self.ask(f"genmove {colour}")

    def ask(self, line: str) -> str:
        """GNU Go's reply to a line of GTP, without the mark that begins it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
        except OSError:
            raise EngineError(f"{self._ended()}, before `{line}`") from None
        reply = self._reply(line)
        if not reply.startswith("="):
            raise EngineError(f"GNU Go refused `{line}`: {reply.removeprefix('?').strip()}")
        return reply[1:].strip()

    def _reply(self, line: str) -> str:
        """The reply up to an empty line."""
        stream, end = self._process.stdout, time.monotonic() + LIMIT
        assert stream is not None
        while b"\n\n" not in self._rest:
            if not self._poll.poll(max(0.0, end - time.monotonic()) * 1000):
                raise EngineError(f"GNU Go did not answer `{line}` within {LIMIT:g} s")
            read = stream.read(4096)
            if not read:
                raise EngineError(f"{self._ended()}, after `{line}`")
            self._rest += read.replace(b"\r", b"")
        reply, _, self._rest = self._rest.partition(b"\n\n")
        return reply.decode(errors="replace").strip()

    def _ended(self) -> str:
        """How the process ended, and its last words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        code = self._process.returncode
        how = "closed its output" if code is None else f"ended with {code}" if code >= 0 else f"was killed by {-code}"
        self._complaints.seek(0)
        words = self._complaints.read().decode(errors="replace").strip().splitlines()
        return f"GNU Go {how}" + (f" ({words[-1][:200]})" if words else "")

    def _limit_computing(self) -> None:
        if sys.platform == "linux":
            with contextlib.suppress(ProcessLookupError):  # it has ended, which the first question tells
                resource.prlimit(self._process.pid, resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))

    def kill(self) -> None:
        """Ends the process at once, whatever it does and whoever waits for its reply."""
        self._process.kill()

    def close(self) -> None:
        """Ends the process and lets go of it; nobody may be waiting for a reply."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            assert stream is not None
            stream.close()

    def __enter__(self) -> GnuGo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
