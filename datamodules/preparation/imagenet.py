"""`make data-imagenet DATA=<root>`: checks ILSVRC2012's official archives and unpacks them into the tree to train from.

The licence is accepted in person, so the archives are not fetched: what is missing is said exactly. Everything is
unpacked into hidden folders and renamed when complete, the training images class by class, so that an interrupted run
is continued by the next one and a folder with its proper name is whole.
"""

import shutil
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from benchmarks.errors import UserError
from datamodules.layouts import imagenet
from datamodules.preparation.archives import (
    PLAIN,
    alone_in,
    check_digest,
    check_room,
    disk_faults,
    fresh,
    require_folders,
    unsafe,
)
from datamodules.preparation.downloads import Archive, Release
from datamodules.progress import bar

WEBSITE = "https://image-net.org/challenges/LSVRC/2012/2012-downloads.php"
CLASSES = "classes"  # which a release counts beside the images of its splits
FACTS = {
    "devkit": (f"{imagenet.DEVKIT}.tar.gz", "fa75699e90414af021442c21a62c3abf", "2.5 MB"),
    "val": (imagenet.PACKED["val"], "29b22e2961454d5413ddabcf34fc5622", "6.3 GB"),
    "train": (imagenet.PACKED["train"], "1d675b47d978889d74fa0da5fadfb00e", "138 GB"),
}
"""The name, MD5 and size of each archive, small ones first (MD5s as in torchvision)."""

TITLES = {
    "devkit": "Development kit (Task 1 & 2)",
    "val": "Validation images (all tasks)",
    "train": "Training images (Task 1 & 2)",
}
"""The titles of the archives on the website."""

RELEASE = Release(
    {part: Archive(name, WEBSITE, "md5", digest, size) for part, (name, digest, size) in FACTS.items()},
    {**imagenet.OFFICIAL, CLASSES: imagenet.NUM_CLASSES},
)


def prepare(root: str, release: Release = RELEASE) -> None:
    """Makes `root` ready to train and to test on, from the archives in it, and says what is there.

    What is ready already, in any form that `open_split` knows, is only counted.

    Args:
        root: the folder, DATA, that holds the archives; `hf:<name>` is fetched from the hub and counted.
        release: what to expect.

    Raises:
        UserError: `root` is no folder or holds something in a part's place, an archive is missing, damaged or unsafe,
            the disk is too small, or a count is wrong. What was finished before stays, and the same call goes on from
            there.
    """
    todo = _unready(root, release)
    present = {part: path for part in todo if (path := Path(root) / release.archives[part].name).is_file()}
    absent = {part: release.archives[part] for part in todo if part not in present}
    if absent and not present:
        raise UserError(_instructions(root, absent))
    if absent:
        print(f"missing, going on without: {', '.join(archive.name for archive in absent.values())}")
    if present:
        _unpack_all(Path(root), present, release)
    if absent:
        raise UserError(_instructions(root, absent))
    _check_counts(root, release)


def _unready(root: str, release: Release) -> list[str]:
    """The parts that still must come from an archive, smallest first."""
    folder = Path(root)
    if root.startswith("hf:"):
        return []
    with disk_faults(folder):
        require_folders(folder, *(folder / part for part in ("val", "train", imagenet.DEVKIT)))
    todo = [part for part in ("val", "train") if not imagenet.present(folder, part)]
    flat = "val" in todo or any((folder / "val").glob("*.JPEG"))
    return ["devkit", *todo] if flat and not (folder / imagenet.DEVKIT).is_dir() else todo


def _instructions(root: str, absent: Mapping[str, Archive]) -> str:
    files = "\n".join(f"     {a.name:29}{a.size:>7}  md5 {a.digest}  ({TITLES[part]})" for part, a in absent.items())
    return f"""{root} lacks {", ".join(archive.name for archive in absent.values())}.
ImageNet's licence (non-commercial research and education) is accepted in person, so nobody can fetch it for you:
  1. Make an account at https://image-net.org/signup.php and ask for access on https://image-net.org/download.php
  2. From {WEBSITE} download
{files}
  3. Put {"it" if len(absent) == 1 else "them"}, still packed, into {root}
  4. Run `make data-imagenet DATA={root}` again; unpacking takes as much room again as the archives."""


def _unpack_all(root: Path, present: dict[str, Path], release: Release) -> None:
    """Checks the room and every checksum before the first file is written."""
    with alone_in(root):
        for part in ("devkit", "val"):  # what a killed run left would take the room that is looked for
            shutil.rmtree(_hidden(root, part), ignore_errors=True)
        _check_room(root, present)
        for part, path in present.items():
            remedy = f"Remove it and download it again from {WEBSITE}"
            check_digest(path, "md5", release.archives[part].digest, remedy)
        for part, path in present.items():
            _unpack(root, part, path)


def _unpack(root: Path, part: str, archive: Path) -> None:
    try:
        {"devkit": _unpack_devkit, "val": _unpack_val, "train": _unpack_train}[part](root, archive)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(f"{archive} cannot be unpacked: {error}. Download it again from {WEBSITE}") from error


def _check_room(root: Path, present: dict[str, Path]) -> None:
    """The images are stored in the archives as they are, so they need the archives' own size again."""
    done = sum(file.stat().st_size for file in _hidden(root, "train").glob("[!.]*/*"))
    needed = sum(path.stat().st_size for path in present.values()) - done
    check_room(root, needed, "unpacking into")


def _hidden(root: Path, part: str) -> Path:
    """The folder that a part is unpacked in; finished classes of train stay there."""
    return root / f".{part}.unpacking"


def _unpack_devkit(root: Path, archive: Path) -> None:
    partial = fresh(_hidden(root, "devkit"))
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if not (member.isfile() or member.isdir()) or parts[:1] != (imagenet.DEVKIT,) or ".." in parts:
                raise unsafe(archive, member.name, WEBSITE)
            tar.extract(member, partial, filter="data")
    (partial / imagenet.DEVKIT).rename(root / imagenet.DEVKIT)
    shutil.rmtree(partial)


def _unpack_val(root: Path, archive: Path) -> None:
    partial = fresh(_hidden(root, "val"))
    with archive.open("rb") as stream:
        _unpack_flat(stream, archive, partial)
    partial.rename(root / "val")


def _unpack_train(root: Path, archive: Path) -> None:
    """A tar of one tar a class. Classes that an earlier run finished are skipped."""
    partial = _hidden(root, "train")
    partial.mkdir(exist_ok=True)
    with tarfile.open(archive) as outer, bar(archive.stat().st_size, "unpacking train", "B") as progress:
        for member in outer:
            _refuse_unsafe(archive, member)
            wnid = Path(member.name).stem
            if not (partial / wnid).is_dir():
                _unpack_class(outer, member, archive, partial / wnid)
            progress.update(member.size)
    partial.rename(root / "train")


def _unpack_class(outer: tarfile.TarFile, member: tarfile.TarInfo, archive: Path, folder: Path) -> None:
    hidden = fresh(folder.with_name(f".{folder.name}"))
    stream = outer.extractfile(member)
    assert stream is not None  # _refuse_unsafe lets plain files through only
    _unpack_flat(stream, archive, hidden)
    hidden.rename(folder)


def _unpack_flat(stream: IO[bytes], archive: Path, folder: Path) -> None:
    """The images of a tar without folders."""
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        for member in tar:
            _refuse_unsafe(archive, member)
            tar.extract(member, folder, filter="data")


def _refuse_unsafe(archive: Path, member: tarfile.TarInfo) -> None:
    if not (member.isfile() and PLAIN.fullmatch(member.name)):
        raise unsafe(archive, member.name, WEBSITE)


def _check_counts(root: str, release: Release) -> None:
    for name in ("train", "val"):
        split, expected = imagenet.open_split(root, name), release.counts[name]
        if (len(split), len(split.classes)) != (expected, release.counts[CLASSES]):
            raise UserError(
                f"{root}: {name} has {len(split):,} images of {len(split.classes):,} classes; the release has "
                f"{expected:,} of {release.counts[CLASSES]:,}. For the release, move that split away and "
                "unpack its archive; other data need no preparation."
            )
        print(f"{root}: {name} is complete, {len(split):,} images of {len(split.classes):,} classes")
