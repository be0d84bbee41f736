"""Speech recognition: CTC over subwords, decoded greedily, scored by torchmetrics' word error rate.

Recordings are recognised in float32, whatever training computed in.

The recipe of a run is in its configuration: an optimizer, and a schedule of its learning rate.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.text import WordErrorRate

from benchmarks.errors import UserError
from benchmarks.schema import Signature
from datamodules.subwords import BLANK
from lightning_modules.ctc_beam_search import CTCBeamSearch
from lightning_modules.decay import by_decay
from lightning_modules.networks.deep_speech import num_outputs
from lightning_modules.spec_augment import SpecAugment
from lightning_modules.steps import StepModule
from results.scoring.speech import normalised

SHOWN = 3


class SpeechRecognizer(StepModule):
    """A network and the recipe that trains it.

    Args:
        network: makes the network for a number of subwords.
        optimizer: makes the optimizer for parameters.
        schedule: the share of the learning rate at a step of so many.
        augmentation: what is hidden of a training spectrogram.
        beam: how hypotheses are searched with a language model; None takes the best subword of each frame.
    """

    unlogged = ("word_accuracy",)  # 100 less the word error rate, which is logged

    def __init__(
        self,
        network: Callable[[int], nn.Module],
        optimizer: OptimizerCallable,
        schedule: Callable[[int, int], float],
        augmentation: SpecAugment,
        beam: CTCBeamSearch | None = None,
    ) -> None:
        super().__init__(network, optimizer, schedule)
        self.augmentation, self.beam = augmentation, beam
        self.errors: dict[str, WordErrorRate] = {}

    @property
    def decoding(self) -> Signature:
        """The decoder's part of the protocol."""
        return {"decoder": "greedy", "language_model": "none"} if self.beam is None else self.beam.signature

    @property
    def suffix(self) -> str:
        """What the names of test sets end with, so that no metric mixes decoders."""
        return "" if self.beam is None else "_beam"

    def setup(self, stage: str) -> None:
        """Looks at the language model before anything else.

        Raises:
            UserError: it can't be read.
        """
        super().setup(stage)
        if self.beam is not None:
            self.beam.check()

    def verify(self, datamodule: Any) -> None:
        """Looks whether CTC can learn every training transcript, before a run begins.

        Raises:
            UserError: one is longer than what the network can write of its recording.
        """
        _require_room(datamodule)

    def configure_model(self) -> None:
        """Builds the network once the datamodule knows how many subwords there are."""
        if self.errors:
            return
        self.build_network()
        for name in ("val", *self._test_names()):
            self.errors[name] = WordErrorRate()
            self.add_module(f"{name}_errors", self.errors[name])  # so that it moves to the device

    def _test_names(self) -> list[str]:
        tests = self.trainer.datamodule.tests  # type: ignore[attr-defined]
        return [name.replace("-", "_") + self.suffix for name in tests]

    def on_test_start(self) -> None:
        """Loads the language model, once the subwords are known that spell its words."""
        if self.beam is not None:
            self.beam.load(self.subwords)

    def on_train_start(self) -> None:
        """Keeps NAdam's products of momenta off the GPU, where a checkpoint's loading puts them.

        Each of its steps reads them as numbers, and would wait for the GPU twice a parameter.
        """
        for state in self.trainer.optimizers[0].state.values():
            if "mu_product" in state:
                state["mu_product"] = state["mu_product"].cpu()

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """CTC's losses of a batch, over the utterances that an optimizer step has on the average."""
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        masks = self.augmentation.drawn(batch["counts"], batch["random"], self.device)
        logits, lengths = self.network(batch["samples"], batch["counts"], masks)
        losses = ctc_losses(logits, lengths, batch["labels"], batch["label_counts"])
        return self.share_of_step(losses, {"losses": losses}, lambda place: datamodule.train.ids[batch["index"][place]])

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Counts errors of greedy decoding."""
        self._recognise(batch, "val", None)

    def test_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Positions in the split, and a hypothesis of each recording."""
        found = self._recognise(batch, self._test_names()[dataloader_idx], self.beam)
        return {"index": batch["index"], "predictions": found}

    def _recognise(self, batch: dict[str, Any], name: str, beam: CTCBeamSearch | None) -> list[str]:
        if not batch["counts"]:  # a rank without recordings in this round
            return []
        with torch.autocast(self.device.type, enabled=False):
            logits, lengths = self.network(batch["samples"], batch["counts"])
        found = (
            [self.subwords.decode(ids) for ids in greedy(logits, lengths)]
            if beam is None
            else beam.decoded(logits.log_softmax(dim=2), lengths)
        )
        self.errors[name].update(_compared(found), _compared(batch["transcripts"]))
        return found

    def on_validation_epoch_end(self) -> None:
        """Logs the word error rate, in percent."""
        self._log_errors(["val"])

    def on_test_epoch_end(self) -> None:
        """Logs the word error rate of each test set, in percent."""
        self._log_errors(self._test_names())

    def _log_errors(self, names: Sequence[str]) -> None:
        for name in names:
            self.log_percentage(f"{name}/wer", self.errors[name])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer, weight decay on what is no norm and no bias, and its schedule at every step."""
        return self.scheduled(self.make_optimizer(by_decay(self.parameters())))


def ctc_losses(logits: Tensor, lengths: Sequence[int], labels: Tensor, label_counts: Sequence[int]) -> Tensor:
    """The negative log probability of each transcript, [N], in float32.

    Args:
        logits: [N, T, subwords].
        lengths: frames of each.
        labels: ids of all transcripts, one after the other.
        label_counts: ids of each.
    """
    log_probabilities = logits.float().log_softmax(dim=2).transpose(0, 1)
    ends = (torch.tensor(lengths), torch.tensor(label_counts))
    return functional.ctc_loss(log_probabilities, labels, *ends, blank=BLANK, reduction="none")


def greedy(logits: Tensor, lengths: Sequence[int]) -> list[list[int]]:
    """The likeliest id of each frame, repetitions merged and blanks left out (Graves et al. 2006, section 3.2)."""
    best = logits.argmax(dim=2).cpu()
    paths = [torch.unique_consecutive(path[:length]) for path, length in zip(best, lengths, strict=True)]
    return [path[path != BLANK].tolist() for path in paths]


def _compared(texts: Sequence[str]) -> list[str]:
    """Texts as the record's score compares them."""
    return [" ".join(normalised(text)) for text in texts]


def _require_room(datamodule: Any) -> None:
    """CTC writes a subword a frame at most, and a blank between two that are alike."""
    recordings, subwords = datamodule.train, datamodule.subwords
    outputs = np.array([num_outputs(count) for count in recordings.samples.tolist()])
    letters = np.array([len(transcript) for transcript in recordings.transcripts])
    # No more pieces than letters and one mark, each with a blank at worst; only the others need a closer look.
    tight = np.flatnonzero(outputs < 2 * (letters + 1))
    short = [
        place for place in tight.tolist() if outputs[place] < _needed(subwords.encode(recordings.transcripts[place]))
    ]
    if short:
        names = ", ".join(recordings.ids[place] for place in short[:SHOWN])
        raise UserError(
            f"{recordings.name}: {len(short):,} recordings are too short for their transcripts, which CTC could never "
            f"learn, first {names}. Mend or remove them, audio and line."
        )


def _needed(labels: Sequence[int]) -> int:
    return len(labels) + sum(a == b for a, b in pairwise(labels))
