"""The worst utterances of a recogniser as one self-contained page: what was said and heard, and its spectrogram."""

from html import escape
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from rapidfuzz.distance import Levenshtein

from datamodules.layouts.audio import SAMPLE_RATE, read_samples
from datamodules.layouts.librispeech import Split, open_split
from datamodules.sheets.page import fitting, page, shortened
from datamodules.sheets.thumbnails import small_address
from results.scoring.speech import Predictions, normalised

SHOWN = 24
# Spectrogram in pixels: frequencies from 0 up to half the sampling rate, and at most so many moments.
HEIGHT, WIDTH = 128, 480
WINDOW, HOP = 256, 160  # samples: 16 ms at 16 kHz, which shows formants, and 10 ms
DECIBELS = 50  # from black to white
SILENCE = -30.0  # decibels; what is quieter is never drawn black, though nothing be louder
# Bytes; 24 times both, and the page around them, are under 300 kB.
LARGEST_PICTURE, LARGEST_TEXT = 8_000, 3_400
QUALITIES = range(60, 0, -4)
MARKUP = len("<span><del></del> <ins></ins></span>")
LONGEST_WORD = 40


def sheet(title: str, root: str, split: str, predictions: Predictions) -> str:
    """HTML of the utterances with the most edits, under 300 kB.

    Args:
        title: of the page.
        root: of the data.
        split: that was predicted.
        predictions: in the order of the split.

    Raises:
        UserError: the transcripts or the audio of an utterance that is shown cannot be read.
    """
    utterances = open_split(root, split)
    edits, words = int(predictions.edits.sum()), int(predictions.words.sum())
    order = np.argsort(-predictions.edits, kind="stable")[:SHOWN].tolist()
    return page(
        "librispeech.html", title=title, split=split, edits=edits, words=words, rate=100 * edits / words,
        total=len(utterances), faulty=int((predictions.edits > 0).sum()), decibels=DECIBELS,
        kilohertz=SAMPLE_RATE // 2000,
        examples=[_example(utterances, Path(root), index, predictions) for index in order if predictions.edits[index]],
    )  # fmt: skip


def _example(utterances: Split, root: Path, index: int, predictions: Predictions) -> dict[str, object]:
    path = utterances.path(index)
    samples = read_samples(path)
    pairs = _pairs(utterances.transcripts[index], predictions.hypotheses[index])
    shown = fitting([_size(*pair) for pair in pairs], LARGEST_TEXT)
    return {
        "id": utterances.ids[index],
        "file": path.relative_to(root),
        "edits": int(predictions.edits[index]),
        "words": int(predictions.words[index]),
        "pairs": pairs[:shown],
        "rest": len(pairs) - shown,
        "seconds": len(samples) / SAMPLE_RATE,
        "spectrogram": small_address(Image.fromarray(_spectrogram(samples)), WIDTH, LARGEST_PICTURE, QUALITIES),
    }


def _pairs(said: str, heard: str) -> list[tuple[str, str]]:
    """Aligned words (said, heard), the same twice where they agree; one is empty where the other has no counterpart."""
    here, there = normalised(said), normalised(heard)
    return [
        (shortened(one, LONGEST_WORD), shortened(other, LONGEST_WORD))
        for edit in Levenshtein.opcodes(here, there)
        for one, other in zip_longest(
            here[edit.src_start : edit.src_end], there[edit.dest_start : edit.dest_end], fillvalue=""
        )
    ]


def _size(said: str, heard: str) -> int:
    return 1 + len(escape(said)) + (len(escape(heard)) + MARKUP if said != heard else 0)


def _spectrogram(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Grey values [HEIGHT, at most WIDTH], black where it is loudest; time to the right, frequency upwards."""
    wave = samples / np.float32(2**15)
    emphasised = wave[1:] - np.float32(0.97) * wave[:-1]  # or the high frequencies of speech stay invisible
    frames = sliding_window_view(np.pad(emphasised, WINDOW // 2), WINDOW)[::HOP] * np.hanning(WINDOW)
    power = np.square(np.abs(np.fft.rfft(frames)[:, :HEIGHT]))
    starts = np.linspace(0, len(power), min(WIDTH, len(power)), endpoint=False).astype(np.int64)
    means = np.add.reduceat(power, starts) / np.diff(starts, append=len(power))[:, None]
    level = 10 * np.log10(means + 1e-10)
    quietness = (max(level.max(), SILENCE) - level) / DECIBELS
    return np.asarray(255 * quietness.clip(0, 1), np.uint8).T[::-1]
