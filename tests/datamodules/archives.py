"""Small archives, what is unpacked of them, and a server on this machine that gives them out, well or badly."""

import hashlib
import io
import os
import re
import shutil
import socket
import struct
import tarfile
import threading
from collections import namedtuple
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from datamodules.preparation.downloads import Archive


def tar_of(members, mode="w"):
    """A tar of (name or TarInfo, bytes)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def directory(name):
    """A folder's entry in a tar."""
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info


def typed(name, kind, target=""):
    """The entry in a tar of a link, a pipe or a device."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def archive_at(port, name, data, algorithm="md5", growth=1.0):
    """What a release says of an archive that a server on this machine has, or would have."""
    digest = hashlib.new(algorithm, data).hexdigest()
    return Archive(name, f"http://127.0.0.1:{port}/a/{name}", algorithm, digest, f"{len(data)} B", growth)


def put(root, files):
    """Writes files below a folder, by their paths from there, as a user places archives; returns the folder's name."""
    root.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return str(root)


def unpacked(root):
    """All that lies there but archives, hidden files too."""
    files = [path for path in root.rglob("*") if path.is_file() and path.suffix not in {".gz", ".tgz", ".zip"}]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def digests(root):
    """Of all that, by name."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in unpacked(root).items()}


def proper(root):
    """What has its name there already."""
    return {name: data for name, data in unpacked(root).items() if "/." not in f"/{name}"}


def assert_complete(root, tree):
    assert unpacked(root) == tree
    assert not list(root.rglob(".*"))


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`; `server.mode` says how well, `server.log` holds (file, Range, bytes sent)."""

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        data, asked = self.server.files.get(name), self.headers.get("Range")
        if data is None:
            self.send_error(404)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.mode != "whole" else 0
        if start and start >= len(data):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "text/html" if self.server.mode == "login" else "application/zip")
        shift = 1 if self.server.mode == "shifted" else 0
        if start:
            self.send_header("Content-Range", f"bytes {start - shift}-{len(data) - 1}/{len(data)}")
        if self.server.mode != "unsized":
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.send(name, asked, data[start:])

    def send(self, name, asked, body):
        faulty = self.server.mode in {"cut", "reset", "stall", "unsized"} and name == self.server.fault
        body = body[: len(body) // 2] if faulty else body
        self.server.log.append((name, asked, len(body)))
        self.wfile.write(body)
        if faulty and self.server.mode == "stall":
            self.server.ended.wait()
        if faulty and self.server.mode == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())  # at once: the server's own way out says an orderly end first

    def log_message(self, *_):
        pass


@contextmanager
def serving(files, fault):
    """A server of `files`, name to bytes; a mode that fails, fails for the file `fault`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files = files
        running.mode, running.fault, running.log, running.ended = "range", fault, [], threading.Event()
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.ended.set()
        running.shutdown()
        thread.join()


@contextmanager
def dead_port():
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def served(server, name):
    """(Range, bytes sent) of each request for a file."""
    return [(asked, count) for file, asked, count in server.log if file == name]


def names(root):
    return sorted(path.name for path in root.iterdir())


def full_disk(monkeypatch, free=lambda: 10**6):
    """Lets every disk have so many bytes free."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, free()))
