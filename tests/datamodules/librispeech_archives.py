"""Three of LibriSpeech's archives, small, with what must be unpacked of them."""

import random
import tarfile
from pathlib import Path

from datamodules.preparation import librispeech
from datamodules.preparation.downloads import Release
from datamodules.preparation.librispeech import TEXTS
from tests.datamodules.archives import archive_at, directory, tar_of, typed

prepare, COMMAND = librispeech.prepare, "data-librispeech"
CHAPTERS = {"dev-clean": ["84/121123"], "test-other": ["367/130732", "367/293981"], "train-clean-100": ["19/198"]}
COUNTS = {"dev-clean": 2, "test-other": 4, "train-clean-100": 2}
LINES = [f"{subset} is complete, {count} utterances" for subset, count in COUNTS.items()]
HUB = "hf:openslr/librispeech_asr: LibriSpeech is read from folders only. Set DATA"
FOLDER = "LibriSpeech/train-clean-100"
STRAYS = ("LibriSpeech", "LibriSpeech/test-other", FOLDER)
LEFT = f"LibriSpeech/.train-clean-100.unpacking/{FOLDER}"


def chapter(subset, folder):
    """Two utterances and their transcripts, as paths and bytes."""
    name = folder.replace("/", "-")
    size = 100_000 if subset == "train-clean-100" else 5_000
    path = f"LibriSpeech/{subset}/{folder}/{name}"
    sounds = {f"{path}-{number:04}.flac": random.Random(f"{name}{number}").randbytes(size) for number in (0, 1)}
    return {**sounds, f"{path}.trans.txt": f"{name}-0000 GO\n{name}-0001 DON'T GO\n".encode()}


PARTS = {subset: {k: v for each in CHAPTERS[subset] for k, v in chapter(subset, each).items()} for subset in CHAPTERS}
LETTERS = {f"LibriSpeech/{text}": text.lower().encode() for text in TEXTS}
BEFORE = LETTERS | PARTS["dev-clean"] | PARTS["test-other"]
TREE = BEFORE | PARTS["train-clean-100"]


def packed(subset, *more):
    """The archive of a subset, with further members at its end."""
    folders = dict.fromkeys(str(parent) for name in PARTS[subset] for parent in reversed(Path(name).parents[:-1]))
    members = [*LETTERS.items(), *((directory(name), b"") for name in folders), *PARTS[subset].items()]
    return tar_of([*members, *more], "w:gz")


FILES = {f"{subset}.tar.gz": packed(subset) for subset in PARTS}
FAULT = "train-clean-100.tar.gz"


def release_at(port, files=FILES):
    """What the server has, or would have."""
    archives = {name.removesuffix(".tar.gz"): archive_at(port, name, files[name], "sha256", 1.05) for name in files}
    return Release(archives, COUNTS)


HOSTILE = {
    "parent": "../escaped.flac",
    "absolute": "/tmp/escaped.flac",
    "absolute here": f"/{FOLDER}/escaped.flac",
    "through": f"{FOLDER}/../../escaped.flac",
    "through, inside": f"{FOLDER}/19/../escaped.flac",
    "elsewhere": "escaped/escaped.flac",
    "beside": "escaped.flac",
    "top": "LibriSpeech/escaped.flac",
    "other subset": "LibriSpeech/dev-clean/escaped/1/escaped.flac",
    "in its place": FOLDER,
    "folder elsewhere": directory("escaped"),
    "folder through": directory(f"{FOLDER}/../../../escaped"),
    "symbolic": typed(f"{FOLDER}/escaped.flac", tarfile.SYMTYPE, "19"),
    "symbolic text": typed("LibriSpeech/README.TXT", tarfile.SYMTYPE, "/etc/passwd"),
    "hard": typed(f"{FOLDER}/escaped.flac", tarfile.LNKTYPE, f"{FOLDER}/19/198/19-198-0000.flac"),
    "pipe": typed(f"{FOLDER}/escaped.flac", tarfile.FIFOTYPE),
    "device": typed(f"{FOLDER}/escaped.flac", tarfile.CHRTYPE),
}


def hostile(way):
    """The archive `FAULT` with a member that leads elsewhere, or is no file."""
    return packed("train-clean-100", (HOSTILE[way], b"../../escaped" if isinstance(HOSTILE[way], str) else b""))
