"""Audio files, whatever data set they belong to: measured and checked without decoding them whole, and read."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.arrays import Integers
from benchmarks.errors import UserError
from datamodules.progress import by_threads

SAMPLE_RATE = 16_000


def read_samples(path: Path | str) -> NDArray[np.int16]:
    """All samples of a file, [samples].

    Raises:
        UserError: it is no whole audio file, or none of 16 kHz and one channel.
    """
    try:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{path} is no whole audio file ({error}). Replace it by an intact copy.") from None
    fault = _unlike(rate, samples.shape[1])
    if fault:
        raise UserError(f"{path} {fault}.")
    return np.asarray(samples[:, 0])


def count_samples(name: str, paths: Sequence[Path]) -> Integers:
    """How many samples each file has, by its header.

    Raises:
        UserError: a file is none of audio, or none of 16 kHz and one channel; the first is named.
    """
    counts, faults = [], []
    for path, found in zip(paths, by_threads(_measured, paths, f"measuring {name}"), strict=True):
        counts.append(found if isinstance(found, int) else 0)
        if isinstance(found, str):
            faults.append(f"{path} {found}")
    _refuse(faults, name, len(paths))
    return np.array(counts, np.int64)


def verify(name: str, paths: Sequence[Path], whole: bool) -> None:
    """Decodes every file, or its last sample alone, which a truncated one does not have.

    Raises:
        UserError: there is a broken file; the first is named.
    """
    found = zip(paths, by_threads(_fault if whole else _tail_fault, paths, f"checking {name}"), strict=True)
    _refuse([f"{path} {fault}" for path, fault in found if fault], name, len(paths))


def _refuse(faults: list[str], name: str, total: int) -> None:
    if faults:
        raise UserError(
            f"{faults[0]}; {len(faults):,} of {total:,} files of {name} are broken like this. Fetch or unpack them "
            "again."
        )


def _measured(path: Path) -> int | str:
    """Samples of a file, or what is wrong with it."""
    try:
        header = soundfile.info(str(path))
    except (soundfile.LibsndfileError, OSError) as error:
        if not path.exists():
            return "is a link to a file that is not there"
        return f"is no audio file ({error})" if os.access(path, os.R_OK) else "may not be read (permission denied)"
    return _unlike(header.samplerate, header.channels) or int(header.frames)


def _unlike(rate: int, channels: int) -> str:
    """What is wrong with a file of that kind; nothing where it is as it should be."""
    if (rate, channels) == (SAMPLE_RATE, 1):
        return ""
    return f"has {rate} Hz and {channels} channel(s), where {SAMPLE_RATE} Hz and one are needed"


def _fault(path: Path) -> str:
    """What is wrong with a file, decoded from its beginning to its end."""
    try:
        samples, _ = soundfile.read(path, dtype="int16")
    except (soundfile.LibsndfileError, OSError) as error:
        return f"is truncated or broken ({error})"
    return "" if len(samples) else "is empty"


def _tail_fault(path: Path) -> str:
    """What is wrong with the end of a file, the only part that is decoded."""
    try:
        with soundfile.SoundFile(path) as file:
            file.seek(max(0, file.frames - 1))
            whole = len(file.read(1, dtype="int16")) == 1
    except (soundfile.LibsndfileError, OSError):
        whole = False
    return "" if whole else "is truncated or empty"
