"""WMT's German and English: pairs of subwords to train on, in batches counted in tokens, and test sets as they are.

Training leaves out pairs by their lengths in subwords; of a test set every line is translated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from benchmarks.arrays import Bools, Floats, Integers
from benchmarks.errors import UserError
from benchmarks.runs import announce
from benchmarks.schema import TRAINING_TEXT, Signature
from datamodules.example_data import Loader
from datamodules.layouts.digest import counted
from datamodules.layouts.wmt import DEVELOPMENT, PAIRS, SOURCE_OF, open_training, present, truth
from datamodules.sampling import Key
from datamodules.sequence_data import SequenceData
from datamodules.subwords import BEGIN, END, Subwords, padded
from datamodules.tokenised import Tokenised, tokenised
from results.scoring.translation import Truth, signatures

MOST_SHARED = 0.1
"""The largest share of a test set's pairs that may be in the training text."""


@dataclass(frozen=True)
class Filter:
    """Which training pairs are used: none with an empty side, and as the recipes have it.

    Args:
        longest: subwords that a side may have.
        ratio: how many times as long as the other a side may be.
    """

    longest: int
    ratio: float

    def kept(self, lengths: Integers) -> Bools:
        """Whether each pair of lengths [n, 2] is."""
        shorter, longer = lengths.min(axis=1), lengths.max(axis=1)
        kept: Bools = (shorter > 0) & (longer <= self.longest) & (longer <= self.ratio * shorter)
        return kept


class TrainingPairs(Dataset[dict[str, Any]]):
    """(epoch, position) -> ids of the source, with the end, and of the target, with beginning and end."""

    def __init__(self, text: Tokenised, places: Integers, source: int) -> None:
        self.text, self.places, self.source = text, places, source

    def __getitem__(self, key: Key) -> dict[str, Any]:
        _, index = key
        sides = self.text.pair(int(self.places[index]))
        source, target = sides[self.source].tolist(), sides[1 - self.source].tolist()
        return {"source": [*source, END], "target": [BEGIN, *target, END]}


class Sentences(Dataset[dict[str, Any]]):
    """(0, position in the test set) -> a sentence and its reference."""

    def __init__(self, name: str, texts: Truth) -> None:
        self.name, self.texts, self.counted = name, texts, counted(name, texts)

    def __len__(self) -> int:
        return len(self.texts.ids)

    def __getitem__(self, key: Key) -> dict[str, Any]:
        _, index = key
        return {"source": self.texts.sources[index], "reference": self.texts.references[index], "index": index}

    @property
    def lengths(self) -> Floats:
        """Characters of each source, and one more for its end, [n]."""
        return np.array([len(source) + 1.0 for source in self.texts.sources])


def collate_training(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Source int64 [N, S] and target [N, T], padded, and the tokens of each source."""
    sources = [example["source"] for example in examples]
    return {
        "source": padded(sources),
        "counts": [len(source) for source in sources],
        "target": padded([example["target"] for example in examples]),
    }


def collate_evaluation(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """Texts as lists; none where a rank has no example in a round."""
    return {
        "sources": [example["source"] for example in examples],
        "references": [example["reference"] for example in examples],
        "index": [example["index"] for example in examples],
    }


class WmtData(SequenceData):
    """Training text, a development set and the test sets that are there, in one direction.

    Args:
        root: the folder with the text, or hf:<name>.
        seed: of the run; decides the order.
        direction: source and target, such as `en-de`.
        tests: test sets, the claim's headline first.
        subwords: of both languages together.
        pairs: which training pairs are used.
        global_batch_size: tokens of both sides in one optimizer step, over all devices.
        evaluation_batch_size: characters of the source that a device translates at once, padding included.
        workers: processes that read pairs, a device.
    """

    unit = "tokens"

    def __init__(
        self,
        root: str,
        seed: int,
        direction: str,
        tests: list[str],
        subwords: int,
        pairs: Filter,
        global_batch_size: int,
        evaluation_batch_size: int,
        workers: int = 2,
    ) -> None:
        super().__init__(seed, global_batch_size, evaluation_batch_size, workers)
        if direction not in SOURCE_OF:
            raise ValueError(f"direction is {direction!r}; it is one of {', '.join(SOURCE_OF)}")
        self.root, self.direction, self.test_names = root, direction, tests
        self.num_subwords, self.filter = subwords, pairs
        self.text: Tokenised | None = None
        self.places: Integers = np.empty(0, np.int64)
        self.development: Sentences | None = None
        self.tests: dict[str, Sentences] = {}

    @property
    def signature(self) -> Signature:
        """The protocol of the evaluation: direction, and which BLEU and chrF."""
        return {"direction": self.direction, **signatures()}

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Size and digest of the test sets that are open, and of the vocabulary and the training text in it."""
        found: dict[str, Any] = {}
        for sentences in self.tests.values():
            found |= sentences.counted
        if self.text is None:
            return found
        return found | {PAIRS: len(self.text), "used": len(self.places), TRAINING_TEXT: self.text.digest}

    @property
    def trained_on(self) -> dict[str, int]:
        """Pairs of the training text, before any rule of the recipe; which text it is, the fingerprint says."""
        assert self.text is not None, "setup has not run"
        return {PAIRS: len(self.text)}

    def setup(self, stage: str) -> None:
        """Opens what the stage needs; the training text's subwords are made where no run has made them.

        Raises:
            UserError: a file is missing or malformed, no training pair is left, or a test set is among them.
        """
        if not self.tests:
            names = [f"{name}.{self.direction}" for name in self.test_names]
            self.tests = {name: self._opened(name) for name in names if present(self.root, name)}
        development = f"{DEVELOPMENT}.{self.direction}"
        if stage != "test" and self.development is None and present(self.root, development):
            self.development = self._opened(development)
        if stage == "fit" and self.text is None:
            self.text = tokenised(open_training(self.root), self.num_subwords)
            self.places = np.flatnonzero(self.filter.kept(self.text.lengths))
            self._tell_what_is_used()
            for sentences in self.tests.values():
                self._require_unseen(sentences)

    def _opened(self, name: str) -> Sentences:
        return Sentences(name, truth(self.root, name))

    def _tell_what_is_used(self) -> None:
        assert self.text is not None
        if not len(self.places):
            raise UserError(
                f"{self.root}: none of its {len(self.text):,} training pairs has 1 to {self.filter.longest} subwords a "
                f"side and a ratio of at most {self.filter.ratio:g}. Look at the text, or widen data.init_args.pairs "
                "(which makes the run unofficial)."
            )
        announce(
            f"training on {len(self.places):,} of {len(self.text):,} pairs; the others are empty, too long or unlike"
        )

    def _require_unseen(self, sentences: Sentences) -> None:
        """Says how many pairs of a test set are trained on; greetings and headlines recur, many pairs do not."""
        assert self.text is not None
        sides = (sentences.texts.sources, sentences.texts.references)
        count = self.text.count_shared(zip(*(sides if self._source == 0 else sides[::-1]), strict=True))
        told = f"{count:,} of the {len(sentences):,} pairs of {sentences.name} stand in the training text too"
        if count > MOST_SHARED * len(sentences):
            raise UserError(f"{self.root}: {told}. What is tested must not be trained on; leave that text out.")
        if count:
            announce(told)

    @property
    def subwords(self) -> Subwords:
        """The vocabulary, once `setup("fit")` has run."""
        assert self.text is not None, "setup has not run"
        return self.text.subwords

    @cached_property
    def lengths(self) -> Floats:
        """Tokens of source and target of each pair that is used, each with its end, once `setup("fit")` has run."""
        assert self.text is not None, "setup has not run"
        sides = [self._source, 1 - self._source]
        return self.text.lengths[self.places][:, sides].astype(np.float64) + 1

    @property
    def _source(self) -> int:
        return 0 if SOURCE_OF[self.direction] == "de" else 1

    @cached_property
    def step_targets(self) -> float:
        """Target tokens of a step, on the average."""
        return float(self.lengths[:, 1].sum()) / self.steps_per_epoch

    def train_dataloader(self) -> Loader:
        """Batches of this rank, from the step on where training stands."""
        assert self.text is not None
        return self.training_loader(TrainingPairs(self.text, self.places, self._source), collate_training)

    def val_dataloader(self) -> list[Loader]:
        """This rank's share of newstest2013, where it is there."""
        return [] if self.development is None else [self._evaluated(self.development)]

    def test_dataloader(self) -> list[Loader]:
        """This rank's share of each test set that is there."""
        return [self._evaluated(sentences) for sentences in self.tests.values()]

    def _evaluated(self, sentences: Sentences) -> Loader:
        return self.evaluation_loader(sentences, sentences.lengths, collate_evaluation)
