"""The embedded speech: a small LibriSpeech tree, its audio made by code (`librispeech_voice.py`).

Four subsets of speakers who are in no other; words of shared sounds in random order, so that nothing but listening
tells them. It has what the real trees are known for: chapters of their own numbers, apostrophes, double letters,
utterances of one word, and files beside the subsets.
"""

from pathlib import Path

import numpy as np
import soundfile

from datamodules.miniature.librispeech_voice import RATE, Voice, spoken
from datamodules.progress import progress

# subset: speakers, utterances of each, share of noise in their recordings
SUBSETS = {
    "train-clean-100": (24, 30, (0.01, 0.2)),
    "dev-clean": (4, 15, (0.01, 0.2)),
    "test-clean": (8, 25, (0.01, 0.2)),
    "test-other": (6, 20, (0.1, 0.6)),
}
CHAPTERS = 2  # of a speaker
STREAM = 20260721

WORDS = (
    "A", "I", "ON", "IN", "IT", "IS", "AS", "AT", "ME", "NO", "SO", "TO", "DO", "OR", "ARE", "ONE", "SEA", "TEA",
    "SEAT", "TEAM", "MEAT", "NAME", "MAN", "MEN", "MOON", "ROOM", "ROAD", "LOAD", "LION", "LINE", "NINE", "MINE",
    "RAIN", "TRAIN", "STONE", "NOSE", "ROSE", "LOSE", "LESS", "MISS", "TREE", "SEED", "NEED", "SOON", "SOIL", "OIL",
    "SAIL", "TAIL", "MAIL", "NAIL", "IT'S", "I'M", "DON'T", "LET'S", "SAID", "SAND", "LAND", "LEAD", "DEAL", "IDEA",
    "TIME", "TAME", "SOME", "EAR", "EAST", "LAST", "LIST", "LOST", "MOST", "MIST", "SISTER", "MASTER", "LATER",
    "METAL", "TOTAL", "MODEL",
)  # fmt: skip


def write(root: Path) -> None:
    """Writes `LibriSpeech/` below `root`, the same bytes on every call."""
    base = root / "LibriSpeech"
    base.mkdir(parents=True)
    lines = ["; a made-up corpus in LibriSpeech's form", ";ID  |SEX| SUBSET           |MINUTES| NAME"]
    speaker = 100
    for number, (subset, (speakers, utterances, noise)) in enumerate(SUBSETS.items()):
        for _ in progress(range(speakers), speakers, f"speaking {subset}", "speaker"):
            speaker += 7
            rng = np.random.Generator(np.random.PCG64([STREAM, number, speaker]))
            voice = Voice.drawn(rng, noise)
            lines.append(f"{speaker} | {'F' if voice.pitch > 150 else 'M'} | {subset} | 1.00 | a voice of code")
            for chapter in range(CHAPTERS):
                place = base / subset / str(speaker) / str(1000 * speaker + 13 * chapter)
                _chapter(place, voice, utterances // CHAPTERS + (chapter < utterances % CHAPTERS), rng)
    (base / "SPEAKERS.TXT").write_text("\n".join(lines) + "\n")


def _chapter(folder: Path, voice: Voice, utterances: int, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    name = f"{folder.parent.name}-{folder.name}"
    lines = []
    for number in range(utterances):
        text = _sentence(rng)
        soundfile.write(folder / f"{name}-{number:04d}.flac", spoken(text, voice, rng), RATE, subtype="PCM_16")
        lines.append(f"{name}-{number:04d} {text}\n")
    (folder / f"{name}.trans.txt").write_text("".join(lines))


def _sentence(rng: np.random.Generator) -> str:
    """One to seven words, the first of the list more often than the last, as words are."""
    chances = 1 / (np.arange(len(WORDS)) + 10)
    return " ".join(rng.choice(WORDS, rng.integers(1, 8), p=chances / chances.sum()))
