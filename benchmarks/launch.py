"""`reproduce`: one child process per variant and seed, side by side where the machine has room. No torch here."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from benchmarks.config import Settings, resolve_settings
from benchmarks.paths import ROOT
from benchmarks.processes import BUSY, MISTAKE, PARENT, SIGNALS, code_of
from benchmarks.ranks import told
from benchmarks.schema import Profile

POLL_SECONDS = 0.1
PATIENCE = 10.0  # seconds; far longer than a signal usually needs to end a run
INSISTING = 3  # signals, from which on nobody waits for a rank that may hang in a file system or on a GPU

WAITING = "waiting for the run to save what it has; the third Ctrl-C or SIGTERM ends it at once"
ENDED = "ended at once; the same command continues from the last checkpoint (without FRESH=1)"


@dataclass(frozen=True)
class Job:
    """One child: its command line behind `python -m benchmarks`, and the seed that tells it from its like."""

    arguments: tuple[str, ...]
    seed: int

    @property
    def name(self) -> str:
        """Benchmark and variant, by which messages name the job."""
        words = (word.removeprefix("--variant=") for word in self.arguments[1:])
        return " ".join(word for word in words if not word.startswith("--"))


def start(arguments: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
    """Starts a command of ours, which ends with this process; `streams` as `Popen` takes them."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    # Threads that wait without spinning lose nothing on an idle machine, and far less on a busy one.
    environment = {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ | {PARENT: str(os.getpid())}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **streams)


class Children:
    """Runs jobs, a few at a time, and hands signals on to those that run; several kill them."""

    def __init__(self, jobs: Sequence[Job], slots: int) -> None:
        self.waiting = list(jobs)
        self.slots = slots
        self.running: dict[subprocess.Popen[bytes], Job] = {}
        self.codes: list[int] = []
        self.left: list[str] = []  # what was not run, and why
        self.signals: list[int] = []  # that have come
        self.patient_until = math.inf

    def run(self) -> int:
        """The worst exit code of all.

        Raises:
            SystemExit: a signal ended them, and with them the whole command; the code is as for any that it stops.
        """
        handlers = {number: signal.signal(number, self._pass_on) for number in SIGNALS}
        try:
            while self.running or (self.waiting and not self.signals):
                self._start()
                self._collect()
                self._tell_of_waiting()
                time.sleep(POLL_SECONDS)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if self.signals:
            raise SystemExit(code_of(self.signals[-1]))
        for line in self.left:
            print(line, file=sys.stderr)
        return worst(self.codes)

    def _start(self) -> None:
        while self.waiting and len(self.running) < self.slots and not self.signals:
            job = self.waiting.pop(0)
            child = start((*job.arguments, f"--seeds={job.seed}"))
            self.running[child] = job
            if self.signals:  # came before the child could be told
                self._hand_on(child)

    def _collect(self) -> None:
        for child in [child for child in self.running if child.poll() is not None]:
            ended = self.running.pop(child)
            self.codes.append(MISTAKE if child.returncode == BUSY else child.returncode)
            if child.returncode < 0:  # it could not say so itself
                who = f"{ended.name}, seed {ended.seed},"
                print(f"{who} {ENDED}" if self._insisting() else told(-child.returncode, who), file=sys.stderr)
            if child.returncode == BUSY:
                self._leave([ended], "another process is working on it")
            if child.returncode == MISTAKE:  # other seeds would only say it again; another variant may be none
                self._leave([job for job in self.waiting if job.arguments == ended.arguments], "the same mistake")

    def _leave(self, jobs: Sequence[Job], why: str) -> None:
        self.waiting = [job for job in self.waiting if job not in jobs]
        self.left += [f"not run: {job.name}, seed {job.seed} ({why})" for job in jobs]

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if not self.signals:
            self.patient_until = time.monotonic() + PATIENCE
        self.signals.append(number)
        for child in self.running:
            self._hand_on(child)

    def _hand_on(self, child: subprocess.Popen[bytes]) -> None:
        """Sends a child the last signal, or kills it, with which its other ranks die."""
        child.send_signal(signal.SIGKILL if self._insisting() else self.signals[-1])

    def _insisting(self) -> bool:
        return len(self.signals) >= INSISTING

    def _tell_of_waiting(self) -> None:
        if self.running and time.monotonic() > self.patient_until:
            print(WAITING, file=sys.stderr)
            self.patient_until = math.inf


def worst(codes: Sequence[int]) -> int:
    """The exit code of a command whose parts ended with these: a failure is worse than a mistake."""
    severity = {0: 0, 3: 1, MISTAKE: 2}
    normal = [128 - code if code < 0 else code for code in codes]
    return max(normal, key=lambda code: severity.get(code, 3), default=0)


def slots(benchmark: str, profile: Profile, variant: str | None, overrides: Settings) -> int:
    """How many runs fit side by side: one on GPUs, which a run fills; on a CPU, cores over what a run computes with."""
    settings = resolve_settings(benchmark, profile, variant, overrides)
    trainer = settings.get("trainer", {})
    if trainer.get("accelerator") != "cpu":
        return 1
    devices = str(trainer.get("devices", 1))
    cores = int(settings.get("threads", 1)) * (int(devices) if devices.isdigit() else 1)
    cores *= 1 + len(settings.get("controls", []))
    return max(1, len(os.sched_getaffinity(0)) // cores)
