"""`make data-coco DATA=<root>`: downloads COCO 2017's archives and unpacks them into the tree to train from.

Nobody has to accept anything for them (annotations: CC BY 4.0; images: Flickr's terms), so what is missing is fetched,
and archives that lie in the folder already are used. Downloads and unpacked files get their proper names once they are
whole: an interrupted run is continued by the next one.
"""

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from benchmarks.errors import UserError
from benchmarks.files import replacing
from datamodules.layouts.coco import OFFICIAL
from datamodules.preparation.archives import PLAIN, bar, check_md5, check_room, disk_faults, fresh, unsafe

SITE = "http://images.cocodataset.org"  # as COCO publishes it; the MD5s vouch for what comes over plain HTTP
BLOCK = 1 << 20
TIMEOUT = 60.0  # seconds without a byte
ANNOTATIONS = "annotations"
KEPT = tuple(f"instances_{split}.json" for split in OFFICIAL)


@dataclass(frozen=True)
class Archive:
    """One file to download: its name, URL, MD5 (hexadecimal), and size as people say it."""

    name: str
    url: str
    md5: str
    size: str


@dataclass(frozen=True)
class Release:
    """The archives of a release and the images in them (MD5s as in mlcommons/training's maskrcnn)."""

    annotations: Archive = Archive(
        "annotations_trainval2017.zip",
        f"{SITE}/annotations/annotations_trainval2017.zip",
        "f4bbac642086de4f52a3fdda2de5fa2c",
        "252 MB",
    )
    val: Archive = Archive("val2017.zip", f"{SITE}/zips/val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80", "1 GB")
    train: Archive = Archive("train2017.zip", f"{SITE}/zips/train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2", "19 GB")
    num_val: int = OFFICIAL["val2017"]
    num_train: int = OFFICIAL["train2017"]

    def parts(self) -> dict[str, Archive]:
        """The folders of the tree and what each comes from, smallest first."""
        return {ANNOTATIONS: self.annotations, "val2017": self.val, "train2017": self.train}


class _Cut(Exception):
    """The network failed; the message says how."""


def prepare(root: str, release: Release = Release()) -> None:
    """Makes `root` ready to train and to test on, from archives in it or from the network, and says what is there.

    What is ready already is only counted.

    Args:
        root: the folder, DATA, which may hold archives; made where it is missing.
        release: what to expect.

    Raises:
        UserError: `root` is no folder, an archive can't be fetched, is damaged or unsafe, the disk is too small, or a
            count is wrong. What was finished before stays, a partial download too, and the same call goes on from
            there.
    """
    folder = _folder(root)
    todo = {part: archive for part, archive in release.parts().items() if not _ready(folder, part)}
    present = {part: archive for part, archive in todo.items() if (folder / archive.name).is_file()}
    absent = {part: archive for part, archive in todo.items() if part not in present}
    with disk_faults(folder):
        _unpack_all(folder, present)
        _fetch_all(folder, absent)
    _check_counts(folder, release)
    _say_what_may_go(folder, release)


def _folder(root: str) -> Path:
    if root.startswith("hf:"):
        raise UserError(f"{root}: COCO's images are read from folders only. Set DATA to a folder to download them to.")
    if Path(root).exists() and not Path(root).is_dir():
        raise UserError(f"{root} is a file, not a folder. Set DATA to the folder that holds COCO or shall hold it.")
    return Path(root)


def _ready(root: Path, part: str) -> bool:
    if part == ANNOTATIONS:
        return all((root / ANNOTATIONS / name).is_file() for name in KEPT)
    return (root / part).is_dir()


def _unpack_all(root: Path, present: dict[str, Archive]) -> None:
    """Checks the room and every checksum before the first file is written.

    Images unpack to their archive's size; what annotations grow by is less than the room that is left to spare.
    """
    if present:
        check_room(root, sum((root / archive.name).stat().st_size for archive in present.values()), "unpacking into")
    for archive in present.values():
        check_md5(root / archive.name, archive.md5, f"Remove it and run this again to fetch {archive.url} anew.")
    for part, archive in present.items():
        _unpack(root, part, archive)


def _fetch_all(root: Path, absent: dict[str, Archive]) -> None:
    for part, archive in absent.items():
        try:
            _fetch(root, archive)
        except _Cut as cut:
            lacking = [other for name, other in absent.items() if not _ready(root, name)]
            raise UserError(_instructions(root, lacking, cut)) from cut
        _unpack(root, part, archive)


def _instructions(root: Path, absent: list[Archive], cut: _Cut) -> str:
    files = "\n".join(f"  {a.name:30}{a.size:>7}  md5 {a.md5}  {a.url}" for a in absent)
    return f"""{root} lacks {", ".join(archive.name for archive in absent)}; {absent[0].url} cannot be fetched: {cut}.
What has arrived is kept: with a network, `make data-coco DATA={root}` goes on from there. Or download elsewhere, put
{"it" if len(absent) == 1 else "them"}, still packed, into {root} and run the same command:
{files}"""


def _fetch(root: Path, archive: Archive) -> None:
    """Downloads an archive, or the rest of it; it gets its name once its MD5 is right."""
    root.mkdir(parents=True, exist_ok=True)
    partial = _partial(root, archive)
    print(f"{root}: downloading {archive.url}, {archive.size}", flush=True)
    _download(archive.url, partial)
    try:
        check_md5(partial, archive.md5, f"It was removed; run this again to fetch {archive.url} anew.")
    except UserError:
        partial.unlink()
        raise
    partial.rename(root / archive.name)


def _partial(root: Path, archive: Archive) -> Path:
    return root / f".{archive.name}.part"


def _download(url: str, partial: Path) -> None:
    """Appends to `partial` what it lacks, or starts over where the server sends whole files only."""
    done = partial.stat().st_size if partial.exists() else 0
    response = _request(url, done)
    if response is None:
        return
    with response:
        done = done if response.status == HTTPStatus.PARTIAL_CONTENT else 0
        total = done + (response.length or 0)
        check_room(partial.parent, total - done + total, "downloading and unpacking into")
        with partial.open("ab" if done else "wb") as file, bar(total, url, "B", done) as progress:
            while block := _read(response):
                file.write(block)
                progress.update(len(block))
    if partial.stat().st_size < total:
        raise _Cut(f"the connection ended after {partial.stat().st_size:,} of {total:,} bytes")


def _request(url: str, start: int) -> HTTPResponse | None:
    """The answer, from byte `start` on where the server can; None where no byte is left."""
    request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310 (a URL of a release)
    with _network():
        try:
            response: HTTPResponse = urlopen(request, timeout=TIMEOUT)  # noqa: S310 (a URL of a release)
        except HTTPError as error:
            if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            return None
    if response.headers.get_content_type() == "text/html":
        raise _Cut("a web page came in its place, perhaps the login of this network")
    return response


def _read(response: HTTPResponse) -> bytes:
    """What has arrived, without waiting for a whole block: that would be lost with the connection."""
    with _network():
        return response.read1(BLOCK)


@contextmanager
def _network() -> Iterator[None]:
    """Tells failures of the network from those of the disk: both are OSErrors."""
    try:
        yield
    except (OSError, HTTPException) as error:
        raise _Cut(str(error) or type(error).__name__) from error


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
    """Only the objects' boxes; captions and key points belong to other tasks."""
    for member in files:
        target = root / part / Path(member.filename).name
        if target.name in KEPT and not target.is_file():
            with packed.open(member) as source, replacing(target) as file:
                shutil.copyfileobj(source, file)


def _unpack_images(root: Path, part: str, packed: zipfile.ZipFile, files: list[zipfile.ZipInfo]) -> None:
    hidden = fresh(root / f".{part}.unpacking")
    with bar(len(files), f"unpacking {part}", "file") as progress:
        for member in files:
            packed.extract(member, hidden)
            progress.update()
    (hidden / part).rename(root / part)
    hidden.rmdir()


def _check_counts(root: Path, release: Release) -> None:
    for part, expected in (("train2017", release.num_train), ("val2017", release.num_val)):
        count = sum(1 for _ in (root / part).glob("*.jpg"))
        if count != expected:
            raise UserError(
                f"{root / part} has {count:,} images (*.jpg); the release has {expected:,}. Remove that folder and run "
                f"`make data-coco DATA={root}` again: its archive is unpacked, or fetched, anew."
            )
        print(f"{root}: {part} is complete, {count:,} images")


def _say_what_may_go(root: Path, release: Release) -> None:
    files = [path for archive in release.parts().values() for path in (root / archive.name, _partial(root, archive))]
    left = [path.name for path in files if path.is_file()]
    if left:
        print(f"{root}: all is unpacked, so {', '.join(left)} may be deleted")
