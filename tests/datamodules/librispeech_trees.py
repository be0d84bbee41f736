"""Writes a few utterances as LibriSpeech, for the tests of what reads it."""

from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000


def chapter_of(root: Path, subset: str, utterance: str) -> Path:
    """The folder of an utterance's chapter."""
    speaker, chapter, _ = utterance.split("-")
    return root / "LibriSpeech" / subset / speaker / chapter


def transcripts_of(root: Path, subset: str, utterance: str) -> Path:
    """The transcripts of its chapter."""
    return chapter_of(root, subset, utterance) / f"{utterance.rpartition('-')[0]}.trans.txt"


def write_tree(root: Path, subsets: dict[str, dict[str, str]], seconds: float = 0.5) -> None:
    """Writes `root/LibriSpeech`: of each subset the utterances, id -> transcript, in the order given.

    The audio is noise, of 16 kHz in 16 bits, the same for the same number of utterances before it.
    """
    generator = np.random.default_rng(0)
    for subset, utterances in subsets.items():
        for utterance, transcript in utterances.items():
            file = transcripts_of(root, subset, utterance)
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as lines:
                lines.write(f"{utterance} {transcript}\n")
            noise = generator.normal(0, 2000, round(RATE * seconds)).astype(np.int16)
            soundfile.write(file.with_name(f"{utterance}.flac"), noise, RATE, subtype="PCM_16")
