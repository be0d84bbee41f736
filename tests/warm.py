"""Processes that begin with torch and Lightning already imported, which else is most of a short command's time.

    python tests/warm.py SOCKET

A server that has imported other people's packages, and none of ours, forks a process for each command: a session of
its own, with the folder, the environment, the output and the arguments that it is told; it runs, is killed and ends
like any other. A keeper between the two waits for it and sends its exit code.
"""

import atexit
import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import torch._inductor.config


def serve(address):
    """Forks until the one who started it is gone."""
    for package in ("torchvision", "torchaudio.transforms", "torchmetrics", "lightning.pytorch.cli"):
        importlib.import_module(package)
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{address}.new")
        server.listen()
        Path(f"{address}.new").rename(address)  # whoever waits for the file may connect at once
        server.settimeout(1)
        while os.getppid() == parent:
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                server.close()
                keep(connection)
            connection.close()
            reap()


def reap():
    """Forgets the keepers that have ended."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def keep(connection):
    """Starts one command, says its number, waits for its end and says how it was."""
    connection.setblocking(True)
    message, files, _, _ = socket.recv_fds(connection, 1 << 20, 2)
    child = os.fork()
    if child == 0:
        connection.close()
        become(json.loads(message), files)
    for file in files:
        os.close(file)
    connection.sendall(child.to_bytes(8, "little"))
    _, status = os.waitpid(child, 0)
    connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(8, "little", signed=True))
    os._exit(0)


def become(command, files):
    """Turns this process into the command; never returns."""
    os.setsid()
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
        os.close(file)
    # Torch reads CXX at its import, which is over.
    torch._inductor.config.cpp.cxx = (None, command["environment"].get("CXX", "g++"))
    sys.path[0] = command["environment"]["PYTHONPATH"]
    program, *sys.argv[1:] = command["arguments"]
    code = 1
    try:
        if program.endswith(".py"):
            sys.argv[0] = program
            runpy.run_path(program, run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 (the end of a process, whatever it was)
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Server:
    """The server, started at the first command."""

    def __init__(self, folder):
        self.address = str(folder / "warm")
        self.process = None

    def start(self, program, arguments, folder, environment):
        """A command, as subprocess.Popen would start it with pipes for its output."""
        if self.process is None:
            self.process = subprocess.Popen([sys.executable, __file__, self.address], stdin=subprocess.DEVNULL)
        while not Path(self.address).exists():
            assert self.process.poll() is None, "the server could not start"
            time.sleep(0.02)
        command = {"folder": str(folder), "environment": environment, "arguments": [program, *arguments]}
        return Warm(self.address, command)


class Warm:
    """A started command, with what tests use of subprocess.Popen."""

    def __init__(self, address, command):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(address)
        pipes = [os.pipe(), os.pipe()]
        socket.send_fds(self.connection, [json.dumps(command).encode()], [write for _, write in pipes])
        for _, write in pipes:
            os.close(write)
        self.returncode = None
        self.texts = ["", ""]
        self.readers = [threading.Thread(target=self._read, args=(n, read)) for n, (read, _) in enumerate(pipes)]
        for reader in self.readers:
            reader.start()
        self.pid = int.from_bytes(self.connection.recv(8), "little")

    def _read(self, number, file):
        with os.fdopen(file, encoding="utf-8", errors="replace") as stream:
            self.texts[number] = stream.read()

    def poll(self):
        """Its exit code, None while it runs."""
        return self._wait(0.0)

    def wait(self, timeout=None):
        """Its exit code, once it has ended."""
        if self._wait(timeout) is None:
            raise subprocess.TimeoutExpired("a warm command", timeout)
        return self.returncode

    def communicate(self, timeout=None):
        """What it and its children wrote, once all of them have closed their output."""
        self.wait(timeout)
        for reader in self.readers:
            reader.join()
        return tuple(self.texts)

    def _wait(self, timeout):
        if self.returncode is None:
            self.connection.settimeout(timeout)
            try:
                self.returncode = int.from_bytes(self.connection.recv(8), "little", signed=True)
            except (BlockingIOError, TimeoutError):
                return None
        return self.returncode


if __name__ == "__main__":
    serve(sys.argv[1])
