"""Reading FLAC and making features on one core, beside torchaudio's transforms in the plain way.

    taskset -c 0 .venv/bin/python -m benchmarks.speed.speech [--data /data/librispeech] [--rounds 5]

The plain way reads float32 by soundfile (torchaudio's own reader needs FFmpeg) and runs pre-emphasis, MelSpectrogram
and a logarithm, a recording at a time; ours reads int16 and runs the network's own `LogMel`. `reading` is ours without
features, which is all that a loader's worker does, as features are made on the device. They take turns, and the median
of the rounds counts. Without DATA the recordings are made by code, 15 seconds each, as most of LibriSpeech's are.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from torchaudio.functional import preemphasis
from torchaudio.transforms import MelSpectrogram

from datamodules.layouts.audio import SAMPLE_RATE, read_samples
from datamodules.layouts.librispeech import TRAIN, open_split
from datamodules.miniature.librispeech import WORDS
from datamodules.miniature.librispeech_voice import Voice, spoken
from lightning_modules.networks.log_mel import DEVIATIONS, MEANS, LogMel

RECORDINGS = 100
SECONDS = 15


def main() -> None:
    """Prints a line a system and the ratios."""
    parser = argparse.ArgumentParser(description="reading and features, seconds of audio a second of one core")
    parser.add_argument("--data", help="the folder with LibriSpeech/; recordings are made by code without it")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        paths = _made(Path(folder)) if options.data is None else _first(options.data)
        seconds = sum(soundfile.info(str(path)).duration for path in paths)
        ours, plain = _ours(), _plain()
        difference = max(float((ours(path) - plain(path)).abs().max()) for path in paths[:10])
        systems: dict[str, Callable[[Path], object]] = {"ours": ours, "plain": plain, "reading": read_samples}
        times = [{name: _timed(work, paths) for name, work in systems.items()} for _ in range(options.rounds)]
    for name in systems:
        ratio = np.median([each["plain"] / each[name] for each in times])
        speed = seconds / np.median([each[name] for each in times])
        print(f"{name:8} {speed:6.0f} seconds of audio a second, {ratio:.2f} times the plain way")
    print(f"features differ by {difference:.1e} at most")


def _ours() -> Callable[[Path], Tensor]:
    features = LogMel()

    def work(path: Path) -> Tensor:
        samples = torch.from_numpy(read_samples(path))
        found: Tensor = features(samples[None], [len(samples)])[0][0]
        return found

    return work


def _plain() -> Callable[[Path], Tensor]:
    transform = MelSpectrogram(SAMPLE_RATE, 512, 400, 160, f_min=125, f_max=7600, n_mels=len(MEANS), center=False)
    means, deviations = torch.tensor(MEANS), torch.tensor(DEVIATIONS)

    def work(path: Path) -> Tensor:
        samples, _ = soundfile.read(path, dtype="float32")
        energies: Tensor = transform(preemphasis(torch.from_numpy(samples), 0.97)).T
        return (energies.clamp(min=1e-5).log() - means) / deviations

    return work


def _timed(work: Callable[[Path], object], paths: list[Path]) -> float:
    started = time.perf_counter()
    for path in paths:
        work(path)
    return time.perf_counter() - started


def _made(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.flac" for number in range(RECORDINGS)]
    for path in paths:
        voice, sentences = Voice.drawn(rng, (0.01, 0.2)), (" ".join(rng.choice(WORDS, 30)) for _ in itertools.count())
        samples = np.empty(0, np.int16)
        while len(samples) < SECONDS * SAMPLE_RATE:
            samples = np.concatenate([samples, spoken(next(sentences), voice, rng)])
        soundfile.write(path, samples[: SECONDS * SAMPLE_RATE], SAMPLE_RATE, subtype="PCM_16")
    return paths


def _first(root: str) -> list[Path]:
    split = open_split(root, TRAIN[0])
    return [split.path(index) for index in range(min(RECORDINGS, len(split)))]


if __name__ == "__main__":
    main()
