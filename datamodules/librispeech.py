"""LibriSpeech: int16 samples of any length, transcripts as subwords, one random number a (seed, epoch, id).

No utterance is left out, in training or in testing. The subwords are those of the first training subset, as in
mlcommons/algorithmic-efficiency:datasets/librispeech_tokenizer.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.arrays import Floats
from benchmarks.errors import UserError
from benchmarks.schema import VOCABULARY, Signature
from datamodules.example_data import Loader
from datamodules.layouts import audio
from datamodules.layouts.librispeech import DEVELOPMENT, TEST, open_split, present
from datamodules.recordings import Recordings, learn_once
from datamodules.sampling import Key, example_generator
from datamodules.sequence_data import SequenceData
from datamodules.subwords import Subwords
from datamodules.verified import verify_once


class TrainingUtterances(Dataset[dict[str, Any]]):
    """(epoch, position) -> samples, labels, and a number that decides its augmentation."""

    def __init__(self, recordings: Recordings, subwords: Subwords, seed: int) -> None:
        self.recordings, self.subwords, self.seed = recordings, subwords, seed

    def __getitem__(self, key: Key) -> dict[str, Any]:
        epoch, index = key
        random = int(example_generator(self.seed, epoch, self.recordings.ids[index]).integers(2**63))
        return {
            "samples": audio.read_samples(self.recordings.files[index]),
            "labels": self.subwords.encode(self.recordings.transcripts[index]),
            "random": random,
            "index": index,
        }


class EvaluationUtterances(Dataset[dict[str, Any]]):
    """(0, index) -> samples and transcript."""

    def __init__(self, recordings: Recordings) -> None:
        self.recordings = recordings

    def __getitem__(self, key: Key) -> dict[str, Any]:
        _, index = key
        samples = audio.read_samples(self.recordings.files[index])
        return {"samples": samples, "transcript": self.recordings.transcripts[index], "index": index}


def collate_training(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Padded samples, labels one after the other, and the rest as plain numbers."""
    labels = [example["labels"] for example in examples]
    return collate(examples) | {
        "labels": torch.tensor([label for each in labels for label in each]),
        "label_counts": [len(each) for each in labels],
        "random": [example["random"] for example in examples],
    }


def collate_evaluation(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Padded samples and transcripts; none where a rank has no example in a round."""
    return collate(examples) | {"transcripts": [example["transcript"] for example in examples]}


def collate(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Samples int16 [N, T], zero beyond each recording, and their counts and positions as plain numbers."""
    counts = [len(example["samples"]) for example in examples]
    padded: Tensor = torch.zeros(len(counts), max(counts, default=0), dtype=torch.int16)
    for row, example in zip(padded, examples, strict=True):
        row[: len(example["samples"])] = torch.from_numpy(example["samples"])
    return {"samples": padded, "counts": counts, "index": [example["index"] for example in examples]}


class LibriSpeechData(SequenceData):
    """Training, development and test subsets.

    Args:
        root: the folder with `LibriSpeech/`.
        seed: of the run; decides order and augmentation.
        training: subsets to train on; the first gives the subwords.
        subwords: that are told apart, CTC's blank among them.
        global_batch_size: seconds of audio in one optimizer step, over all devices.
        evaluation_batch_size: seconds of audio that a device recognises at once, padding included.
        workers: processes that read audio, a device.
    """

    unit = "seconds of audio"

    def __init__(
        self,
        root: str,
        seed: int,
        training: list[str],
        subwords: int,
        global_batch_size: int,
        evaluation_batch_size: int,
        workers: int = 4,
    ) -> None:
        super().__init__(seed, global_batch_size, evaluation_batch_size, workers)
        self.root, self.training, self.num_subwords = root, training, subwords
        self.train: Recordings | None = None
        self.development: Recordings | None = None
        self.tests: dict[str, Recordings] = {}

    @property
    def signature(self) -> Signature:
        """The protocol of the evaluation, but for the decoder."""
        return {"normalisation": "upper case"}

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Size and digest of the subsets that are open, and the subwords of the training set."""
        found: dict[str, Any] = {}
        for recordings in (self.train, self.development, *self.tests.values()):
            if recordings is not None:
                found |= recordings.counted
        return found if self.train is None else found | {VOCABULARY: hashlib.sha256(self.subwords.model).hexdigest()}

    @property
    def trained_on(self) -> dict[str, int]:
        """Utterances of the training subsets."""
        assert self.train is not None, "setup has not run"
        return dict(self.train.sizes)

    def setup(self, stage: str) -> None:
        """Opens the subsets that the stage needs; recordings are measured where no run has measured them.

        Raises:
            UserError: a subset, a transcript or a recording is missing, malformed, or of another sampling rate, or an
                utterance is in a training subset and in another; or the disk is full, or may not be written to.
        """
        if not self.tests:
            self.tests = {name: self._opened(name) for name in TEST if present(self.root, name)}
        if stage != "test" and self.development is None:
            self.development = self._opened(DEVELOPMENT)
        if stage == "fit" and self.train is None:
            self.train = self._opened(*self.training)
            for held_out in (self.development, *self.tests.values()):
                assert held_out is not None
                _require_unseen(self.root, self.train, held_out)

    def _opened(self, *names: str) -> Recordings:
        return Recordings([open_split(self.root, name) for name in names])

    @cached_property
    def subwords(self) -> Subwords:
        """The vocabulary of the first training subset, once `setup("fit")` has run; learnt where none is kept."""
        assert self.train is not None, "setup has not run"
        first = self.train.sizes[self.training[0]]
        return learn_once(list(islice(self.train.transcripts, first)), self.num_subwords)

    @property
    def lengths(self) -> Floats:
        """Seconds of each training utterance, once `setup("fit")` has run."""
        assert self.train is not None, "setup has not run"
        return self.train.seconds

    @property
    def step_targets(self) -> float:
        """Utterances of a step, on the average."""
        return len(self.lengths) / self.steps_per_epoch

    def verify(self, training: bool) -> None:
        """Decodes what is evaluated, and the end of each training file, before hours are spent, once until one changes.

        Raises:
            UserError: one is truncated or broken.
        """
        super().verify(training)
        opened = [each for each in (self.train, self.development, *self.tests.values()) if each is not None]
        verify_once({each.name: each.paths for each in opened}, lambda: self._look(opened))

    def _look(self, opened: Sequence[Recordings]) -> None:
        for recordings in opened:
            audio.verify(recordings.name, recordings.paths, whole=recordings is not self.train)

    def train_dataloader(self) -> Loader:
        """Batches of this rank, from the step on where training stands."""
        assert self.train is not None
        return self.training_loader(TrainingUtterances(self.train, self.subwords, self.seed), collate_training)

    def val_dataloader(self) -> Loader:
        """This rank's share of dev-clean."""
        assert self.development is not None
        return self._evaluated(self.development)

    def test_dataloader(self) -> list[Loader]:
        """This rank's share of each test set that is there."""
        return [self._evaluated(recordings) for recordings in self.tests.values()]

    def _evaluated(self, recordings: Recordings) -> Loader:
        return self.evaluation_loader(EvaluationUtterances(recordings), recordings.seconds, collate_evaluation)


def _require_unseen(root: str, train: Recordings, held_out: Recordings) -> None:
    """An id names reader, chapter and utterance of the whole corpus."""
    shared = set(held_out.ids).intersection(train.ids)
    if shared:
        raise UserError(
            f"{root}/LibriSpeech: {len(shared):,} of the {len(held_out):,} utterances of {held_out.name} are in "
            f"{train.name} too, first {min(shared)}. What is tested must not be trained on; unpack the archives again."
        )
