"""`make data-imdb DATA=<root>`: downloads IMDB's archive and unpacks it into the tree to train from.

Nobody has to accept anything for it, so it is fetched where it is missing, and used where it lies in the folder
already. It is unpacked into a hidden folder and renamed when complete: an interrupted run is started again by the next
one, and a folder `aclImdb` is whole. Parquet shards stay the only form where they are.
"""

import shutil
import tarfile
from pathlib import Path, PurePosixPath

from benchmarks.errors import UserError
from datamodules.layouts.imdb import ARCHIVE, OFFICIAL, count
from datamodules.layouts.imdb_parquet import SHARDS
from datamodules.layouts.imdb_tree import TOP, find_tree
from datamodules.preparation.archives import alone_in, extract, passing
from datamodules.preparation.downloads import Archive, Release, obtain, say_what_may_go

COMMAND = "data-imdb"
SITE = "http://ai.stanford.edu/~amaas/data/sentiment"  # as its authors publish it; the MD5 vouches for what comes

RELEASE = Release(
    {TOP: Archive(ARCHIVE, f"{SITE}/{ARCHIVE}", "md5", "7c2ac02c03563afcf9b574c7e56c153a", "84 MB", growth=6.0)},
    OFFICIAL,
)
"""MD5 as in pytorch/text:torchtext/datasets/imdb.py; 84,125,825 bytes, as Keras's tutorials fetch it. It grows so much
since each of 100,000 reviews takes whole blocks of the disk."""


def prepare(root: str, release: Release = RELEASE) -> None:
    """Makes `root` ready to train and to test on, from the archive in it or from the network, and says what is there.

    What is there already, as a tree or as Parquet, is only counted.

    Args:
        root: the folder, DATA, which may hold the archive; made where it is missing.
        release: what to expect.

    Raises:
        UserError: `root` is no folder or holds something in the tree's place, the archive can't be fetched, is damaged
            or unsafe, the disk is too small, or a split is missing or not whole. A partial download stays, and the
            same call goes on from there.
    """
    if root.startswith("hf:"):
        raise UserError(f"{root} is read from the hub, unprepared. Set DATA to a folder to download IMDB to.")
    folder = Path(root)
    with alone_in(folder, folder / TOP):
        shutil.rmtree(_hidden(folder), ignore_errors=True)  # it would take the room that is looked for
        todo = {} if _there(folder) else release.archives
        obtain(folder, todo, COMMAND, _unpack)
        for split, expected in release.counts.items():
            _check_count(folder, split, expected)
    say_what_may_go(folder, release.archives.values())


def _there(root: Path) -> bool:
    """Whether there is a tree, or Parquet, beside which a tree would be a second form of the same reviews."""
    return find_tree(root) is not None or any(SHARDS.find(root, split) for split in OFFICIAL)


def _hidden(root: Path) -> Path:
    return root / f".{TOP}.unpacking"


def _unpack(root: Path, part: str, archive: Archive) -> None:
    with passing(_hidden(root)) as hidden:
        extract(root / archive.name, archive.url, hidden, _belongs, [part])
        (hidden / part).rename(root / part)


def _belongs(member: tarfile.TarInfo) -> bool:
    """Whether it is a plain file below `aclImdb`, or a folder there or on the way."""
    parts = PurePosixPath(member.name).parts
    if ".." in parts or parts[:1] not in {(), (TOP,)}:
        return False
    return member.isdir() or (member.isfile() and len(parts) > 1)


def _check_count(root: Path, split: str, expected: int) -> None:
    try:
        found = count(str(root), split)
    except UserError as error:
        raise UserError(f"{error}\n{_remedy(root)}") from error
    if found != expected:
        raise UserError(f"{root}: {split} has {found:,} reviews; the release has {expected:,}. {_remedy(root)}")
    print(f"{root}: {split} is complete, {found:,} reviews")


def _remedy(root: Path) -> str:
    what = find_tree(root) or "the Parquet shards"
    return f"Remove {what} and run `make {COMMAND} DATA={root}` again: its archive is unpacked, or fetched, anew."
