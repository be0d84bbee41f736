"""Archives that anybody may download: over HTTP, continued where a connection ended, named once they are whole.

`obtain` brings a data set's folder up to date: archives that lie in it are used, the others are fetched one by one,
each is unpacked by its data set's own function.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from benchmarks.errors import UserError
from datamodules.preparation.archives import check_digest, check_room
from datamodules.progress import bar

BLOCK = 1 << 20
TIMEOUT = 60.0  # seconds without a byte


@dataclass(frozen=True)
class Archive:
    """One file to download: name, URL, checksum's algorithm and hexadecimal value, and size as people say it.

    `growth` is the room its files take, as a multiple of its own size.
    """

    name: str
    url: str
    algorithm: str
    digest: str
    size: str
    growth: float = 1.0


@dataclass(frozen=True)
class Release:
    """What is published of a data set: each part's archive, in the order to fetch them, and how many examples it has.

    Examples may be counted by other names than those of the archives; what has no official count is left out.
    """

    archives: Mapping[str, Archive]
    counts: Mapping[str, int]


class Cut(Exception):
    """The network failed; the message says how."""


def obtain(root: Path, todo: Mapping[str, Archive], command: str, unpack: Callable[[Path, str, Archive], None]) -> None:
    """Unpacks the archives of `todo`, first those in `root`, then, as they arrive, those that must be fetched.

    Args:
        root: the folder, made where something is fetched and it is missing.
        todo: the parts to make, each from its archive, in this order.
        command: what `make` calls it, such as `data-coco`.
        unpack: called with the root, a part and its archive, which then lies in the root and has the right checksum.

    Raises:
        UserError: a checksum is wrong, the disk is too small, or the network fails; the message says what to download.
        OSError: the file system refuses something.
    """
    present = {part: archive for part, archive in todo.items() if (root / archive.name).is_file()}
    absent = {part: archive for part, archive in todo.items() if part not in present}
    _check_present(root, list(present.values()))
    for part, archive in present.items():
        unpack(root, part, archive)
    lacking = list(absent.values())
    for part, archive in absent.items():
        try:
            fetch(root, archive)
        except Cut as cut:
            raise UserError(_instructions(root, lacking, cut, command)) from cut
        unpack(root, part, archive)
        lacking.remove(archive)


def say_what_may_go(root: Path, archives: Iterable[Archive]) -> None:
    """Names the archives, whole or partial, that lie in `root` and are of no more use."""
    files = [path for archive in archives for path in (root / archive.name, _partial(root, archive))]
    left = [path.name for path in files if path.is_file()]
    if left:
        print(f"{root}: all is unpacked, so {', '.join(left)} may be deleted")


def fetch(root: Path, archive: Archive) -> None:
    """Downloads an archive, or the rest of it; it gets its name once its checksum is right.

    Where the server does not say how long it is, a wrong checksum may only mean that the connection ended.

    Raises:
        Cut: the network failed; what has arrived is kept.
        UserError: the checksum is wrong and the file removed, or the disk is too small.
        OSError: the file system refuses something.
    """
    root.mkdir(parents=True, exist_ok=True)
    partial = _partial(root, archive)
    print(f"{root}: downloading {archive.url}, {archive.size}", flush=True)
    known = _download(archive, partial)
    try:
        remedy = f"It was removed; run this again to fetch {archive.url} anew."
        check_digest(partial, archive.algorithm, archive.digest, remedy)
    except UserError:
        if not known:
            raise Cut("the server did not say its length, and what came is a part of it, or damaged") from None
        partial.unlink()
        raise
    partial.rename(root / archive.name)


def _check_present(root: Path, present: Sequence[Archive]) -> None:
    """Checks the room and every checksum before the first file is written."""
    if present:
        needed = sum(int((root / archive.name).stat().st_size * archive.growth) for archive in present)
        check_room(root, needed, "unpacking into")
    for archive in present:
        remedy = f"Remove it and run this again to fetch {archive.url} anew."
        check_digest(root / archive.name, archive.algorithm, archive.digest, remedy)


def _instructions(root: Path, absent: Sequence[Archive], cut: Cut, command: str) -> str:
    files = "\n".join(f"  {a.name:30}{a.size:>7}  {a.algorithm} {a.digest}  {a.url}" for a in absent)
    return f"""{root} lacks {", ".join(archive.name for archive in absent)}; {absent[0].url} cannot be fetched: {cut}.
What has arrived is kept: with a network, `make {command} DATA={root}` goes on from there. Or download elsewhere, put
{"it" if len(absent) == 1 else "them"}, still packed, into {root} and run the same command:
{files}"""


def _partial(root: Path, archive: Archive) -> Path:
    return root / f".{archive.name}.part"


def _download(archive: Archive, partial: Path) -> bool:
    """Appends to `partial` what it lacks, or starts over where the server sends whole files only.

    Returns:
        Whether it has the length that the server told.
    """
    done = partial.stat().st_size if partial.exists() else 0
    response = _request(archive.url, done)
    if response is None:
        return True
    with response:
        known = response.length is not None
        done = done if response.status == HTTPStatus.PARTIAL_CONTENT else 0
        total = done + (response.length or 0)
        check_room(partial.parent, total - done + int(total * archive.growth), "downloading and unpacking into")
        with partial.open("ab" if done else "wb") as file, bar(total, archive.url, "B", done) as progress:
            while block := _read(response):
                file.write(block)
                progress.update(len(block))
    if partial.stat().st_size < total:
        raise Cut(f"the connection ended after {partial.stat().st_size:,} of {total:,} bytes")
    return known


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
        raise Cut("a web page came in its place, perhaps the login of this network")
    part = response.status == HTTPStatus.PARTIAL_CONTENT
    if part and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise Cut(f"the server sent another part than the one from byte {start:,} on")
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
        raise Cut(str(error) or type(error).__name__) from error
