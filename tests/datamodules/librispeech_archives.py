"""Three of LibriSpeech's archives, small, with what must be unpacked of them."""

import hashlib
import random
from pathlib import Path

from datamodules.layouts.librispeech import open_split
from datamodules.preparation.downloads import Archive
from datamodules.preparation.librispeech import TEXTS, Release
from tests.datamodules.archives import directory, tar_of

CHAPTERS = {"dev-clean": ["84/121123"], "test-other": ["367/130732", "367/293981"], "train-clean-100": ["19/198"]}
UTTERANCES = {"dev-clean": 2, "test-other": 4, "train-clean-100": 2}
TRAIN, FOLDER = "train-clean-100.tar.gz", "LibriSpeech/train-clean-100"


def chapter(subset, folder):
    """Two utterances and their transcripts, as paths and bytes."""
    name = folder.replace("/", "-")
    size = 100_000 if subset == "train-clean-100" else 5_000
    path = f"LibriSpeech/{subset}/{folder}/{name}"
    sounds = {f"{path}-{number:04}.flac": random.Random(f"{name}{number}").randbytes(size) for number in (0, 1)}
    return {**sounds, f"{path}.trans.txt": f"{name}-0000 GO\n{name}-0001 DON'T GO\n".encode()}


PARTS = {subset: {k: v for each in CHAPTERS[subset] for k, v in chapter(subset, each).items()} for subset in CHAPTERS}
LETTERS = {f"LibriSpeech/{text}": text.lower().encode() for text in TEXTS}
TREE = {**LETTERS, **PARTS["dev-clean"], **PARTS["test-other"], **PARTS["train-clean-100"]}


def packed(subset, *more):
    """The archive of a subset, with further members at its end."""
    folders = dict.fromkeys(str(parent) for name in PARTS[subset] for parent in reversed(Path(name).parents[:-1]))
    members = [*LETTERS.items(), *((directory(name), b"") for name in folders), *PARTS[subset].items()]
    return tar_of([*members, *more], "w:gz")


TARS = {subset: packed(subset) for subset in PARTS}
FILES = {f"{subset}.tar.gz": data for subset, data in TARS.items()}
FAULT = TRAIN


def release_at(port, tars=TARS):
    """What the server has, or would have."""
    archives = {
        subset: Archive(
            f"{subset}.tar.gz",
            f"http://127.0.0.1:{port}/12/{subset}.tar.gz",
            "sha256",
            hashlib.sha256(data).hexdigest(),
            f"{len(data)} B",
            1.05,
        )
        for subset, data in tars.items()
    }
    return Release(archives, UTTERANCES)


def place(root, tars=TARS):
    """Puts the archives into `root`, as a user does."""
    root.mkdir(parents=True, exist_ok=True)
    for subset, data in tars.items():
        (root / f"{subset}.tar.gz").write_bytes(data)


def tree(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob("LibriSpeech/**/*") if path.is_file()
    }


def assert_complete(root):
    assert tree(root) == TREE
    assert [path for path in root.glob("**/*") if path.name.startswith(".")] == []
    assert open_split(str(root), "dev-clean").transcripts == ("GO", "DON'T GO")
