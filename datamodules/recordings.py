"""Recordings of some subsets of LibriSpeech and what is said in them; lengths and subwords are found out once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.arrays import Floats, Integers
from benchmarks.files import make_once, replacing, write_atomically
from benchmarks.paths import ROOT
from benchmarks.runs import announce
from datamodules.columns import MODEL, tokenised_folder
from datamodules.file_states import state
from datamodules.layouts import audio
from datamodules.layouts.digest import counted, digest
from datamodules.layouts.librispeech import Split
from datamodules.packed_texts import PackedTexts
from datamodules.subwords import RECOGNITION, Subwords
from results.scoring.speech import Truth

COUNTS = "samples.npy"


class Recordings:
    """The utterances of some subsets with their audio, and how long each is; nothing in it grows by being read."""

    def __init__(self, splits: Sequence[Split]) -> None:
        for split in splits:
            split.require_audio()
        self.name = " and ".join(split.name for split in splits)
        self.sizes = {split.name: len(split) for split in splits}
        ids = tuple(each for split in splits for each in split.ids)
        transcripts = tuple(each for split in splits for each in split.transcripts)
        paths = [split.path(index) for split in splits for index in range(len(split))]
        self.samples = count_once(self.name, ids, paths)
        self.counted = counted(self.name, Truth(ids, transcripts))
        self.ids, self.transcripts = PackedTexts(ids), PackedTexts(transcripts)
        self.files = PackedTexts(map(str, paths))  # a Path keeps the names of its folders and itself, in each process

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def paths(self) -> list[Path]:
        """The audio files of the recordings."""
        return [Path(file) for file in self.files]

    @property
    def seconds(self) -> Floats:
        """The seconds of each recording, [n]."""
        return self.samples / audio.SAMPLE_RATE


def count_once(name: str, ids: Sequence[str], paths: Sequence[Path]) -> Integers:
    """Samples of each file, [n], as `audio.count_samples` finds them.

    They are kept in `data/recordings/<hash of the ids and of the files' sizes and times>/`, so that all seeds, ranks
    and resumes open the 281,241 files once between them, until one has changed.

    Raises:
        UserError: as `audio.count_samples`; or the disk is full, or may not be written to.
    """
    known = digest(ids, state(name, paths), soundfile.__libsndfile_version__)
    folder = ROOT / "data" / "recordings" / known
    make_once(folder, lambda draft: _write(draft / COUNTS, audio.count_samples(name, paths)))
    found: Integers = np.load(folder / COUNTS)
    return found


def _write(path: Path, counts: Integers) -> None:
    with replacing(path) as file:
        np.save(file, counts)


def learn_once(transcripts: Sequence[str], size: int) -> Subwords:
    """The vocabulary of `size` subwords that makes transcripts most likely.

    It is kept in `data/tokenised/<hash of the transcripts and the size>/`, where all seeds, ranks and resumes read it.

    Raises:
        UserError: the transcripts are too few for so many subwords, the disk is full, or may not be written to.
    """
    folder = tokenised_folder([digest(transcripts), size, RECOGNITION], lambda draft: _learn(draft, transcripts, size))
    return Subwords((folder / MODEL).read_bytes())


def _learn(folder: Path, transcripts: Sequence[str], size: int) -> None:
    announce(f"learning {size:,} subwords from {len(transcripts):,} transcripts (once)")
    write_atomically(folder / MODEL, Subwords.for_recognition(transcripts, size).model)
