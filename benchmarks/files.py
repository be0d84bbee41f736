"""Atomically written files, their names, locks and hashes; also what to do where a file system lacks something."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import partial
from pathlib import Path
from typing import IO

from benchmarks.errors import UserError
from benchmarks.paths import relative

UNABLE = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, 524)
"""By which file systems say that they have no such thing: FAT, Android's, FUSE's, SMB's; 524 is NFS's own.

EPERM and EACCES may mean a lack of permission too, which whatever is done instead then meets."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Names the file or folder where the file system refuses a write; errors of files that are open do not.

    Raises:
        UserError: the disk is full, or may not be written to.
    """
    try:
        yield
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def replacing(path: Path, place: Callable[[Path, Path], object] = Path.replace) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` once it is written and on disk; beside it, never half in it.

    Args:
        path: of the file.
        place: puts what was written, its first argument, where its second says.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    temporary = None
    try:
        make_folder(path.parent)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
        _can(partial(temporary.chmod, 0o644))  # a mount may give all files one owner, who alone could, and one mode
        place(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    with replacing(path) as file:
        file.write(content)


def write_new(path: Path, content: bytes) -> bool:
    """Writes a whole file where there is none, and says whether it did; of several at once, one does.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    written = False

    def place(temporary: Path, target: Path) -> None:
        nonlocal written
        written = _placed(temporary, target)

    with replacing(path, place) as file:
        file.write(content)
    return written


def _placed(temporary: Path, target: Path) -> bool:
    try:
        if _linked(temporary, target):
            return True
    except FileExistsError:
        return False
    if target.exists():
        return False
    temporary.replace(target)  # of two at the very same moment the later one would stay
    return True


def give_name(path: Path, name: str) -> None:
    """Makes a file go by another name in its folder too; what goes by that name is at every moment a whole file.

    A hard link, or a copy, which takes as much room again, where the file system has none.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    target, passing = path.with_name(name), path.with_name(f".{name}")
    with writing(target):
        passing.unlink(missing_ok=True)  # of a process that was killed here
        if _linked(path, passing):
            passing.replace(target)
            return
        copy(path, target)


def copy(path: Path, target: Path) -> None:
    """Copies a file, whole or not at all, without its mode, which some mounts let nobody change.

    Raises:
        UserError: the disk is full, or the folder may not be written to.
    """
    with path.open("rb") as file, replacing(target) as its:
        shutil.copyfileobj(file, its)


def _linked(path: Path, name: Path) -> bool:
    """Gives a file a name that nothing has; False where the file system has no hard links, or no more of this file."""
    return _can(partial(os.link, path, name), errno.EMLINK, errno.EXDEV)


def _can(do: Callable[[], object], *others: int) -> bool:
    """Does something, and says whether the file system can; `others` are more error numbers by which it says no."""
    try:
        do()
    except OSError as error:
        if error.errno not in (*UNABLE, *others):
            raise
        return False
    return True


def make_once(folder: Path, write: Callable[[Path], None]) -> None:
    """Makes a folder if it is not there, whole or not at all, whoever else is making it.

    Args:
        folder: the folder.
        write: fills an empty folder.

    Raises:
        UserError: the disk is full, or the place may not be written to, or has no locks.
    """
    with writing(folder):
        if folder.exists():
            return
        make_folder(folder.parent)
        with (folder.parent / f".{folder.name}.lock").open("w") as file:
            lock(file, folder)
            if folder.exists():
                return
            for stale in folder.parent.glob(f".{folder.name}.*/"):  # of makers that were killed
                shutil.rmtree(stale)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
                draft = Path(temporary) / folder.name
                make_folder(draft)
                write(draft)
                shutil.move(draft, folder)
                sync(folder.parent)


def lock(file: IO[str], folder: Path, wait: bool = True) -> None:
    """Holds a folder for this process, until the file is closed.

    Args:
        file: open for writing, in the folder or beside it.
        folder: what is held by it.
        wait: for another process that holds it.

    Raises:
        BlockingIOError: another process holds it, and is not waited for.
        UserError: the file system has no locks.
    """
    try:
        flock(file, LOCK_EX if wait else LOCK_EX | LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        raise UserError(
            f"cannot lock {relative(folder)}: {error.strerror}. Without locks (flock), two processes could write there "
            "at once: have its file system mounted with them (Lustre: -o flock), or put a folder above it on another "
            "disk and a link in its place."
        ) from error


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it that are missing; all may look into them, as into the files, be umask 077.

    What else a mode allows stays, such as that a group writes there.
    """
    if folder.is_dir():
        return
    if not folder.parent.exists():
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _can(partial(folder.chmod, folder.stat().st_mode | 0o755))


def entries(folder: Path) -> list[Path]:
    """What a folder holds, in order, nothing where there is none; `glob` would pass over one that may not be read.

    Raises:
        UserError: it may not be read.
    """
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except PermissionError as error:
        raise closed(error) from None


def sync(path: Path) -> None:
    """Puts a file on disk, or a folder's entries, without which a renamed file can be lost with the power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        if path.is_dir():
            _can(partial(os.fsync, handle), errno.EINVAL)  # some shares sync files alone
        else:
            os.fsync(handle)
    finally:
        os.close(handle)


def cannot_write(path: Path, error: OSError) -> UserError:
    """The message for a write that the file system refused."""
    remedy = {
        errno.ENOSPC: "the disk is full; free some space and run the same command again, it continues",
        errno.EDQUOT: "the disk quota is used up; free some space and run the same command again, it continues",
        errno.EROFS: "the file system is read-only; work in a copy of the repository that may be written to",
        errno.EACCES: "permission denied; make the folder writable",
    }
    return UserError(f"cannot write {relative(path)}: {remedy.get(error.errno or 0, error.strerror or str(error))}.")


def closed(error: PermissionError) -> UserError:
    """The message for a file or folder that another user keeps to himself."""
    return UserError(
        f"permission denied: {relative(Path(error.filename))}. Have its owner open it, and the folders above it, to "
        "you (chmod a+rX; to write there, a+rwX), or work in a clone of your own."
    )


def refused_write(error: OSError) -> bool:
    """Whether a file system refused a write for want of room or of permission to write at all."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
