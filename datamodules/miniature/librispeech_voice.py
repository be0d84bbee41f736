"""A made-up language's speech: each letter a sound with its own spectral shape, spoken by voices that differ.

Voiced sounds are pulses, voiceless ones noise, shaped in short time frames by bands like formants. Neighbouring sounds
run into each other, so that where one ends must be learnt.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import istft, stft

from benchmarks.arrays import Floats

RATE = 16_000
FRAME, HOP = 512, 128  # samples
BLUR = 5  # frames over which one sound passes into the next
PAUSE = 0.15  # seconds of silence at either end


@dataclass(frozen=True)
class Sound:
    """Bands (hertz, width in hertz, strength), the share of voice in the source, and the length in seconds."""

    bands: tuple[tuple[float, float, float], ...]
    voice: float
    seconds: float


SOUNDS = {
    "A": Sound(((750, 150, 1.0), (1200, 180, 0.7), (2600, 250, 0.2)), 1.0, 0.10),
    "E": Sound(((480, 120, 1.0), (1900, 200, 0.6), (2600, 250, 0.3)), 1.0, 0.10),
    "I": Sound(((300, 100, 1.0), (2300, 220, 0.6), (3100, 250, 0.3)), 1.0, 0.09),
    "O": Sound(((450, 120, 1.0), (850, 150, 0.8), (2500, 250, 0.1)), 1.0, 0.10),
    "M": Sound(((250, 90, 0.8), (1000, 150, 0.12), (2200, 250, 0.08)), 1.0, 0.08),
    "N": Sound(((280, 90, 0.7), (1650, 200, 0.16), (2700, 250, 0.1)), 1.0, 0.08),
    "L": Sound(((360, 100, 0.7), (1300, 180, 0.3), (2900, 300, 0.12)), 1.0, 0.08),
    "R": Sound(((420, 110, 0.7), (1350, 180, 0.35), (1750, 200, 0.3)), 1.0, 0.08),
    "D": Sound(((220, 80, 0.4), (3300, 900, 0.15)), 0.7, 0.06),
    "S": Sound(((5600, 1100, 0.5), (6800, 900, 0.4)), 0.0, 0.10),
    "T": Sound(((3900, 1400, 0.35),), 0.0, 0.06),
    "'": Sound((), 0.0, 0.05),  # a stop of the voice
    " ": Sound((), 0.0, 0.04),
}


@dataclass(frozen=True)
class Voice:
    """Pitch in hertz, how far bands are shifted, how slowly is spoken, and the share of noise in the recording."""

    pitch: float
    scale: float
    slowness: float
    noise: float

    @staticmethod
    def drawn(rng: np.random.Generator, noise: tuple[float, float]) -> "Voice":
        """A speaker, heard with a noise between two shares."""
        return Voice(
            float(np.exp(rng.uniform(np.log(85), np.log(240)))), float(rng.uniform(0.88, 1.16)),
            float(rng.uniform(0.8, 1.3)), float(np.exp(rng.uniform(*np.log(noise)))),
        )  # fmt: skip


def spoken(text: str, voice: Voice, rng: np.random.Generator) -> NDArray[np.int16]:
    """Samples of a text of the sounds' letters; words run together as often as not."""
    letters = ["", *text.replace(" ", " " if rng.random() < 0.5 else ""), ""]
    frames = _frames(letters, voice, rng)
    shape, voiced = _envelope(letters, frames, voice)
    source = _source(len(shape) * HOP, voice, rng)
    _, _, pulses = stft(source[0], RATE, nperseg=FRAME, noverlap=FRAME - HOP)
    _, _, breath = stft(source[1], RATE, nperseg=FRAME, noverlap=FRAME - HOP)
    count = min(pulses.shape[1], len(shape))
    mixed = pulses[:, :count] * voiced[:count] + breath[:, :count] * (1 - voiced[:count])
    _, wave = istft(mixed * shape[:count].T, RATE, nperseg=FRAME, noverlap=FRAME - HOP)
    wave = wave / np.abs(wave).max() * rng.uniform(0.3, 0.8)
    wave += voice.noise * wave.std() * rng.normal(size=len(wave))
    return np.asarray(np.clip(wave, -1, 1) * 32767, np.int16)


def _frames(letters: list[str], voice: Voice, rng: np.random.Generator) -> list[int]:
    """Frames that each letter lasts; silence at both ends."""
    seconds = [SOUNDS[letter].seconds if letter else PAUSE for letter in letters]
    return [max(4, round(each * voice.slowness * rng.uniform(0.8, 1.25) * RATE / HOP)) for each in seconds]


def _envelope(letters: list[str], frames: list[int], voice: Voice) -> tuple[Floats, Floats]:
    """Strength of each frequency in each frame, [frames, FRAME / 2 + 1], and the share of voice, [frames]."""
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)
    shapes, shares = [], []
    for letter in letters:
        sound = SOUNDS.get(letter, SOUNDS[" "])
        shape = np.full(len(hertz), 1e-3)
        for centre, width, strength in sound.bands:
            shape += strength * np.exp(-0.5 * ((hertz / voice.scale - centre) / width) ** 2)
        shapes.append(shape)
        shares.append(sound.voice)
    both = (np.repeat(np.array(values), frames, axis=0) for values in (shapes, shares))
    blurred_shapes, blurred_shares = (uniform_filter1d(values, BLUR, axis=0) for values in both)
    return blurred_shapes, blurred_shares


def _source(samples: int, voice: Voice, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Pulses of a wavering, falling pitch, and noise, [samples] each."""
    time = np.arange(samples) / RATE
    pitch = voice.pitch * (1.08 - 0.16 * time / time[-1] + 0.03 * np.sin(2 * np.pi * rng.uniform(2, 5) * time))
    cycles = np.cumsum(pitch) / RATE
    pulses = np.zeros(samples)
    pulses[np.flatnonzero(np.diff(np.floor(cycles)) > 0)] = np.sqrt(RATE / voice.pitch)
    return pulses, rng.normal(size=samples)
