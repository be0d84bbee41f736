"""What every preparation does with archives: checksums, room on the disk, bars, hidden folders, refusals."""

import fcntl
import gzip
import hashlib
import os
import re
import shutil
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.errors import UserError
from datamodules.progress import bar

CHUNK = 1 << 22
SPARE = 1 << 30  # bytes left free on the disk
ALGORITHMS = {"md5": "MD5", "sha256": "SHA-256"}  # as hashlib and as people call them
PLAIN = re.compile(r"(\./)?[A-Za-z0-9_][A-Za-z0-9_.-]*")


def check_digest(path: Path, algorithm: str, expected: str, remedy: str) -> None:
    """Reads a whole file and compares its checksum.

    Args:
        path: the file.
        algorithm: a key of `ALGORITHMS`.
        expected: in hexadecimal.
        remedy: what to do about another checksum, as a sentence.

    Raises:
        UserError: it is another.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    size = path.stat().st_size
    with path.open("rb") as stream, bar(size, f"{algorithm} of {path.name}", "B") as progress:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            progress.update(len(chunk))
    if digest.hexdigest() != expected:
        raise UserError(
            f"{path} ({size} bytes) is damaged or incomplete: its {ALGORITHMS[algorithm]} is {digest.hexdigest()}, "
            f"expected {expected}. {remedy}"
        )


def check_room(
    root: Path, needed: int, work: str, remedy: str = "move the archives to a larger disk and set DATA to it"
) -> None:
    """Looks whether `needed` bytes fit onto the disk of `root`, and some to spare.

    Args:
        root: a folder.
        needed: bytes.
        work: what needs them, such as `unpacking into`.
        remedy: what to do where room can't be made.

    Raises:
        UserError: they don't fit.
    """
    free = shutil.disk_usage(root).free
    if free < needed + SPARE:
        raise UserError(
            f"{work} {root} needs {(needed + SPARE) / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free. Make "
            f"room, or {remedy}."
        )


@contextmanager
def disk_faults(root: Path) -> Iterator[None]:
    """Says what the file system refused, and that it goes on from there.

    Raises:
        UserError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename or root}: {error.strerror or error}"
        raise UserError(f"{where}. What was done before stays; with that mended, run this again to go on.") from error


def fresh(folder: Path) -> Path:
    """An empty hidden folder, in place of what an interrupted run left there."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    return folder


@contextmanager
def passing(folder: Path) -> Iterator[Path]:
    """An empty hidden folder to unpack into, which is gone in the end, whatever came of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield fresh(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_no_folder(path: Path) -> bool:
    """Whether something else lies where a folder should, be it a broken link."""
    return (path.exists() or path.is_symlink()) and not path.is_dir()


def require_folders(*paths: Path) -> None:
    """Says what would be in the way before hours of downloading.

    Raises:
        UserError: something else lies in a folder's place.
    """
    for path in paths:
        if is_no_folder(path):
            raise UserError(f"{path} is a file or a broken link, not a folder. Move it away, or set DATA elsewhere.")


@contextmanager
def alone_in(root: Path, *parts: Path) -> Iterator[None]:
    """Holds a folder, made where it is missing, against another preparation, which would take its hidden files away.

    The folder itself is locked, so that no file is left in it. Where a file system locks files alone (NFS), it is not.

    Args:
        root: the folder.
        parts: folders in it, maybe still to be made.

    Raises:
        UserError: another process holds it, or something else lies in a folder's place; else as `disk_faults`.
    """
    with disk_faults(root):
        require_folders(root, *parts)
        root.mkdir(parents=True, exist_ok=True)
        held = os.open(root, os.O_RDONLY)
        try:
            with suppress(OSError):
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise UserError(f"another process is preparing {root}. Wait for it, or stop it.") from None
            yield
        finally:
            os.close(held)


def unsafe(archive: Path, member: str, source: str) -> UserError:
    """The refusal of an archive for one of its members; `source` is where the official one is."""
    return UserError(
        f"{archive} holds {member!r}, which is no plain file in its folder, so this is not the official archive. "
        f"Download it again from {source}"
    )


Belongs = Callable[[tarfile.TarInfo], bool | None]
"""Whether a member of an archive is taken; None where it is left out, False where no such archive may hold it."""


def extract(path: Path, url: str, target: Path, belongs: Belongs, due: Collection[str]) -> None:
    """Unpacks a `.tar.gz`, or some of it, in one pass.

    Args:
        path: the archive.
        url: where the official one is.
        target: the folder that its members are written below.
        belongs: judges a member; names that lead elsewhere must be refused.
        due: files and folders, as the archive has them, without which it is not the right one.

    Raises:
        UserError: a member is refused, or the archive is broken or lacks what is due.
        OSError: the file system refuses something.
    """
    try:
        _extract(path, url, target, belongs)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _broken(path, error, url) from error
    missing = [name for name in due if not (target / name).exists()]
    if missing:
        raise _broken(path, f"it holds no {missing[0]}", url)


def _broken(archive: Path, reason: object, source: str) -> UserError:
    """The refusal of an archive that cannot be read to its end."""
    return UserError(f"{archive} cannot be unpacked: {reason}. Download it again from {source}")


def _extract(path: Path, url: str, target: Path, belongs: Belongs) -> None:
    """Reads on past the tar's end, where gzip's own checksum is."""
    title = f"unpacking {path.name}"
    with path.open("rb") as packed, gzip.open(packed) as stream, bar(path.stat().st_size, title, "B") as progress:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                taken = belongs(member)
                if taken is False:
                    raise unsafe(path, member.name, url)
                if taken:
                    tar.extract(member, target, filter="data")
                progress.update(packed.tell() - progress.n)
        while stream.read(CHUNK):
            pass
