"""LibriSpeech as its archives unpack: `LibriSpeech/<subset>/<speaker>/<chapter>/`, audio beside its transcripts.

A chapter holds `<speaker>-<chapter>.trans.txt`, a line an utterance, `<id> WORDS`, and `<id>.flac` for each. Only what
a command needs must be there: scoring hypotheses reads the transcripts of one subset and no audio.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import UserError
from datamodules.layouts.faults import PERMIT, read_faults
from results.scoring.rows import read_text, shown
from results.scoring.speech import Truth

TRAIN = ("train-clean-100", "train-clean-360", "train-other-500")
DEVELOPMENT = "dev-clean"
TEST = ("test-clean", "test-other")
OFFICIAL = {
    "train-clean-100": 28_539, "train-clean-360": 104_014, "train-other-500": 148_688, "dev-clean": 2_703,
    "dev-other": 2_864, "test-clean": 2_620, "test-other": 2_939,
}  # fmt: skip
"""Utterances of each subset (README.md of https://huggingface.co/datasets/openslr/librispeech_asr, e8230f9)."""

SHOWN = 3
# Possessive, so that no line takes quadratic time.
LINE = re.compile(r"(\S++) ++([' ]*+[A-Z][A-Z' ]*+)")

TREE = """LibriSpeech is expected as its archives unpack:
  <root>/LibriSpeech/<subset>/<speaker>/<chapter>/<speaker>-<chapter>-<number>.flac
  <root>/LibriSpeech/<subset>/<speaker>/<chapter>/<speaker>-<chapter>.trans.txt
with the subsets dev-clean, test-clean and test-other, and to train train-clean-100, train-clean-360, train-other-500.
`make data-librispeech DATA=<root>` fetches and unpacks them."""


@dataclass(frozen=True)
class Split:
    """One subset: its utterances by ascending id, and the folder of each one's chapter."""

    name: str
    ids: tuple[str, ...]
    transcripts: tuple[str, ...]
    folders: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def path(self, index: int) -> Path:
        """The audio of an utterance."""
        return self.folders[index] / f"{self.ids[index]}.flac"

    @read_faults()
    def require_audio(self) -> None:
        """Looks whether each utterance has its audio, and each audio file its transcript.

        Raises:
            UserError: one is missing.
        """
        due = list(zip(self.folders, self.ids, strict=True))  # no Path a file, which would take twenty times as long
        there = {(folder, stem) for folder in dict.fromkeys(self.folders) for stem in _visible(folder, ".flac")}
        silent = [stem for folder, stem in due if (folder, stem) not in there]
        unknown = sorted(stem for _, stem in there.difference(due))
        for ids, what in ((silent, "transcripts without audio"), (unknown, "audio files without a transcript")):
            if ids:
                raise UserError(
                    f"{self.folders[0].parents[1]}: {len(ids):,} {what}, first {', '.join(ids[:SHOWN])}. Unpack the "
                    "archive of this subset again."
                )


def truth(root: str, split: str) -> Truth:
    """What hypotheses for a subset are held against; reads no audio.

    Raises:
        UserError: as `open_split`.
    """
    found = open_split(root, split)
    return Truth(found.ids, found.transcripts)


def present(root: str, split: str) -> bool:
    """Whether a subset is there."""
    return (Path(root) / "LibriSpeech" / split).is_dir()


@read_faults()
def check(root: str, training: bool, full: bool) -> list[str]:
    """A look at the folders before anything starts; returns what the user should know.

    Raises:
        UserError: a folder is missing.
    """
    tests = [split for split in TEST if present(root, split)]
    for split in (*(TRAIN if full else TRAIN[:1]), DEVELOPMENT) if training else ():
        _require_folder(root, split)
    if not tests:
        _require_folder(root, "test-clean")
    absent = [split for split in TEST if split not in tests]
    notes = [f"{split} is not there, so its readings stay `not run`" for split in absent]
    for split in tests if full else ():
        count = len(open_split(root, split))
        if count != OFFICIAL[split]:
            notes.append(
                f"{split} is not whole ({count:,} utterances, officially {OFFICIAL[split]:,}): unofficial, its verdict "
                "`not comparable`"
            )
    return notes


def sample(root: str) -> str:
    """What is found where one utterance is decoded.

    Raises:
        UserError: as `open_split`, or audio is missing, or this file is broken.
    """
    from datamodules.layouts.audio import SAMPLE_RATE, read_samples

    subset = open_split(root, next(split for split in TEST if present(root, split)))
    subset.require_audio()
    seconds = len(read_samples(subset.path(0))) / SAMPLE_RATE
    return f"{len(subset):,} utterances of {subset.name}; {subset.ids[0]} decodes, {seconds:.1f} s"


@read_faults()
def open_split(root: str, split: str) -> Split:
    """Reads the transcripts of a subset.

    Raises:
        UserError: the folder is missing or holds no utterance, a chapter has no transcripts, or a line is malformed,
            stands twice, is of another chapter, or has characters other than A-Z and the apostrophe.
    """
    folder = _require_folder(root, split)
    found = [row for speaker in _folders(folder) for chapter in _folders(speaker) for row in _chapter(chapter)]
    if not found:
        raise UserError(f"{folder} holds no utterance.\n{TREE}")
    ids, transcripts, folders = zip(*sorted(found), strict=True)
    return Split(split, ids, transcripts, folders)


def _require_folder(root: str, split: str) -> Path:
    if root.startswith("hf:"):
        raise UserError(f"DATA={root}: LibriSpeech is read from a folder.\n{TREE}")
    folder = Path(root) / "LibriSpeech" / split
    if folder.is_dir():
        return folder
    if Path(root).name in OFFICIAL:
        raise UserError(f"DATA={root} is one subset of it. Set DATA to the folder above LibriSpeech.\n{TREE}")
    if (Path(root) / split).is_dir():
        raise UserError(f"{Path(root) / split} lies where {folder} should. Set DATA to the folder above LibriSpeech.")
    packed = Path(root) / f"{split}.tar.gz"
    hint = f"Its archive is there: `make data-librispeech DATA={root}` unpacks it.\n" if packed.is_file() else ""
    raise UserError(f"{folder} is missing. {hint}{TREE}")


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _visible(folder: Path, suffix: str) -> Iterator[str]:
    """Names, without the suffix, of files that are no leftovers of other systems, such as `._x.flac`."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return (name.removesuffix(suffix) for name in names if name.endswith(suffix) and not name.startswith("."))


def _chapter(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Id, transcript and folder of each utterance of a chapter."""
    chapter = f"{folder.parent.name}-{folder.name}"
    file = folder / f"{chapter}.trans.txt"
    if not file.is_file():
        raise UserError(f"{file} is missing, so nothing says what is spoken in {folder}. Unpack its archive again.")
    seen: set[str] = set()
    for number, line in enumerate(read_text(file, PERMIT).split("\n"), 1):
        if not line.strip():
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise UserError(
                f"{file}, line {number}: expected `<id> WORDS` in upper case, of A-Z and the apostrophe; got "
                f"{shown(line)}"
            )
        if match[1] in seen or not match[1].startswith(f"{chapter}-"):
            raise UserError(f"{file}, line {number}: {match[1]} stands twice or is no utterance of this chapter.")
        seen.add(match[1])
        yield match[1], " ".join(match[2].split()), folder
    if not seen:
        raise UserError(f"{file} is empty. Unpack its archive again.")
