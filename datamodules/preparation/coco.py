"""`make data-coco DATA=<root>`: downloads COCO 2017's archives and unpacks them into the tree to train from.

Nobody has to accept anything for them (annotations: CC BY 4.0; images: Flickr's terms), so what is missing is fetched,
and archives that lie in the folder already are used. Downloads and unpacked files get their proper names once they are
whole: an interrupted run is continued by the next one.
"""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.files import replacing
from datamodules.layouts.coco import OFFICIAL, TRAIN, VAL
from datamodules.preparation.archives import PLAIN, alone_in, fresh, unsafe
from datamodules.preparation.downloads import Archive, Release, obtain, say_what_may_go
from datamodules.progress import bar

SITE = "http://images.cocodataset.org"  # as COCO publishes it; the MD5s vouch for what comes over plain HTTP
ANNOTATIONS = "annotations"
KEPT = tuple(f"instances_{split}.json" for split in OFFICIAL)

# Images unpack to their archive's size; what annotations grow by is less than the room that is left to spare.
FACTS = (
    (ANNOTATIONS, "annotations/annotations_trainval2017.zip", "f4bbac642086de4f52a3fdda2de5fa2c", "252 MB"),
    (VAL, "zips/val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80", "1 GB"),
    (TRAIN, "zips/train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2", "19 GB"),
)
"""The folders of the tree and what each comes from, smallest first (MD5s as in mlcommons/training's maskrcnn)."""

RELEASE = Release(
    {part: Archive(Path(url).name, f"{SITE}/{url}", "md5", digest, size) for part, url, digest, size in FACTS}, OFFICIAL
)


def prepare(root: str, release: Release = RELEASE) -> None:
    """Makes `root` ready to train and to test on, from archives in it or from the network, and says what is there.

    What is ready already is only counted.

    Args:
        root: the folder, DATA, which may hold archives; made where it is missing.
        release: what to expect.

    Raises:
        UserError: `root` is no folder or holds something in a part's place, an archive can't be fetched, is damaged or
            unsafe, the disk is too small, or a count is wrong. What was finished before stays, a partial download too,
            and the same call goes on from there.
    """
    if root.startswith("hf:"):
        raise UserError(f"{root}: COCO's images are read from folders only. Set DATA to a folder to download them to.")
    folder, parts = Path(root), release.archives
    with alone_in(folder, *(folder / part for part in parts)):
        for part in parts:  # what a killed run left would take the room that is looked for
            shutil.rmtree(_hidden(folder, part), ignore_errors=True)
        todo = {part: archive for part, archive in parts.items() if not _ready(folder, part)}
        obtain(folder, todo, "data-coco", _unpack)
        _check_counts(folder, release)
    say_what_may_go(folder, parts.values())


def _hidden(root: Path, part: str) -> Path:
    return root / f".{part}.unpacking"


def _ready(root: Path, part: str) -> bool:
    if part == ANNOTATIONS:
        return all((root / ANNOTATIONS / name).is_file() for name in KEPT)
    return (root / part).is_dir()


def _unpack(root: Path, part: str, archive: Archive) -> None:
    path = root / archive.name
    try:
        with zipfile.ZipFile(path) as packed:
            files = _plain_files(packed, part, path, archive.url)
            (_unpack_annotations if part == ANNOTATIONS else _unpack_images)(root, part, packed, files)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be unpacked: {error}. Download it again from {archive.url}") from error


def _plain_files(packed: zipfile.ZipFile, part: str, path: Path, url: str) -> list[zipfile.ZipInfo]:
    """The members to unpack; anything but plain files in the folder `part` is refused before one is written."""
    files = [member for member in packed.infolist() if member.filename != f"{part}/"]
    for member in files:
        folder, _, name = member.filename.partition("/")
        kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where the packing system had no modes
        if folder != part or not PLAIN.fullmatch(name) or kind not in {0, stat.S_IFREG}:
            raise unsafe(path, member.filename, url)
    return files


def _unpack_annotations(root: Path, part: str, packed: zipfile.ZipFile, files: list[zipfile.ZipInfo]) -> None:
    """Unpacks the objects' boxes alone; captions and key points belong to other tasks."""
    for member in files:
        target = root / part / Path(member.filename).name
        if target.name in KEPT and not target.is_file():
            with packed.open(member) as source, replacing(target) as file:
                shutil.copyfileobj(source, file)


def _unpack_images(root: Path, part: str, packed: zipfile.ZipFile, files: list[zipfile.ZipInfo]) -> None:
    hidden = fresh(_hidden(root, part))
    with bar(len(files), f"unpacking {part}", "file") as progress:
        for member in files:
            packed.extract(member, hidden)
            progress.update()
    (hidden / part).rename(root / part)
    hidden.rmdir()


def _check_counts(root: Path, release: Release) -> None:
    for part, expected in release.counts.items():
        count = sum(1 for _ in (root / part).glob("*.jpg"))
        if count != expected:
            raise UserError(
                f"{root / part} has {count:,} images (*.jpg); the release has {expected:,}. Remove that folder and run "
                f"`make data-coco DATA={root}` again: its archive is unpacked, or fetched, anew."
            )
        print(f"{root}: {part} is complete, {count:,} images")
