"""`make data-librispeech DATA=<root>`: downloads LibriSpeech's archives and unpacks them into the tree to train from.

Nobody has to accept anything for them (CC BY 4.0), so what is missing is fetched, and archives that lie in the folder
already are used. Each subset is unpacked into a hidden folder beside its place and renamed when complete: an
interrupted run is continued by the next one, and a folder with its proper name is whole.
"""

import shutil
import tarfile
from functools import partial
from pathlib import Path, PurePosixPath

from benchmarks.errors import UserError
from datamodules.layouts.librispeech import OFFICIAL
from datamodules.preparation.archives import alone_in, disk_faults, extract, is_no_folder, passing
from datamodules.preparation.downloads import Archive, Release, obtain, say_what_may_go

SITE = "http://www.openslr.org/resources/12"  # as OpenSLR publishes it; the SHA-256s vouch for what comes over HTTP
TOP = "LibriSpeech"
TEXTS = ("README.TXT", "LICENSE.TXT", "CHAPTERS.TXT", "SPEAKERS.TXT", "BOOKS.TXT")
GROWTH = 1.05  # FLAC hardly packs; the rest is the room that files round up to
SHOWN = 3


FACTS = {
    "dev-clean": ("76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3", "337 MB"),
    "dev-other": ("12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365", "314 MB"),
    "test-clean": ("39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23", "346 MB"),
    "test-other": ("d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29", "328 MB"),
    "train-clean-100": ("d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2", "6.3 GB"),
    "train-clean-360": ("146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf", "23 GB"),
    "train-other-500": ("ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2", "30 GB"),
}
"""SHA-256s, as in pytorch/audio:src/torchaudio/datasets/librispeech.py, and sizes of the archives, small ones first."""

RELEASE = Release(
    {
        subset: Archive(f"{subset}.tar.gz", f"{SITE}/{subset}.tar.gz", "sha256", digest, size, GROWTH)
        for subset, (digest, size) in FACTS.items()
    },
    OFFICIAL,
)


def prepare(root: str, release: Release = RELEASE) -> None:
    """Makes `root` ready to train and to test on, from archives in it or from the network, and says what is there.

    What is ready already is only counted.

    Args:
        root: the folder, DATA, which may hold archives; made where it is missing.
        release: what to expect.

    Raises:
        UserError: `root` is no folder or holds something in a subset's place, an archive can't be fetched, is damaged
            or unsafe, the disk is too small, or a count is wrong. What was finished before stays, a partial download
            too, and the same call goes on from there.
    """
    if root.startswith("hf:"):
        raise UserError(f"{root}: LibriSpeech is read from folders only. Set DATA to a folder to download it to.")
    folder = Path(root)
    with disk_faults(folder):
        _refuse_obstacles(folder, release)
    with alone_in(folder):
        todo = {part: archive for part, archive in release.archives.items() if not (folder / TOP / part).is_dir()}
        for subset in release.archives:  # what a killed run left would take the room that is looked for
            shutil.rmtree(_hidden(folder, subset), ignore_errors=True)
        obtain(folder, todo, "data-librispeech", _unpack)
        for subset in release.archives:
            _check_counts(folder, subset, release.counts[subset])
    say_what_may_go(folder, release.archives.values())


def _refuse_obstacles(root: Path, release: Release) -> None:
    """What would be in the way is said before hours of downloading."""
    if is_no_folder(root):
        raise UserError(f"{root} is a file, not a folder. Set DATA to the folder that holds {TOP} or shall hold it.")
    for path in (root / TOP, *(root / TOP / subset for subset in release.archives)):
        if is_no_folder(path):
            raise UserError(f"{path} is a file or a broken link, not a folder. Move it away and run this again.")
    for subset in release.archives:
        if (root / subset).is_dir() and not (root / TOP / subset).is_dir():
            raise UserError(
                f"{root / subset} lies where {root / TOP / subset} should. Set DATA to the folder above {TOP}."
            )


def _hidden(root: Path, subset: str) -> Path:
    """The folder that a subset is unpacked in: in that of its final place, which may be a link to another disk."""
    return root / TOP / f".{subset}.unpacking"


def _unpack(root: Path, subset: str, archive: Archive) -> None:
    with passing(_hidden(root, subset)) as hidden:
        belongs = partial(_belongs, subset=subset)
        extract(root / archive.name, archive.url, hidden, belongs, [f"{TOP}/{subset}"])
        _put_in_place(root, subset, hidden)


def _belongs(member: tarfile.TarInfo, subset: str) -> bool:
    """Whether it is a plain file in the subset's folder or one of the texts, or a folder on the way."""
    parts = PurePosixPath(member.name).parts
    if ".." in parts:
        return False
    if member.isdir():
        return parts[:2] in {(), (TOP,), (TOP, subset)}
    inside = parts[:2] == (TOP, subset) and len(parts) > len((TOP, subset))
    return member.isfile() and (inside or parts in {(TOP, text) for text in TEXTS})


def _put_in_place(root: Path, subset: str, hidden: Path) -> None:
    """The subset last: where it is, all is."""
    for text in TEXTS:
        source, target = hidden / TOP / text, root / TOP / text
        if source.is_file() and not target.exists():
            source.rename(target)
    (hidden / TOP / subset).rename(root / TOP / subset)


def _check_counts(root: Path, subset: str, expected: int) -> None:
    folder = root / TOP / subset
    chapters = sorted(path for path in folder.glob("[!.]*/[!.]*") if path.is_dir())
    count = sum(1 for chapter in chapters for _ in chapter.glob("[!.]*.flac"))
    texts = [chapter / f"{chapter.parent.name}-{chapter.name}.trans.txt" for chapter in chapters]
    silent = [text.name for text in texts if not text.is_file()]
    again = f"run `make data-librispeech DATA={root}` again: its archive is unpacked, or fetched, anew."
    remedy = f"Remove that folder and {again}"
    if count != expected:
        raise UserError(f"{folder} has {count:,} utterances (*.flac); the release has {expected:,}. {remedy}")
    if silent:
        raise UserError(f"{folder} lacks {len(silent):,} transcripts, first {', '.join(silent[:SHOWN])}. {remedy}")
    print(f"{root}: {subset} is complete, {count:,} utterances")
