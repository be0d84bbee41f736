"""Translation: label-smoothed cross entropy over subwords, beam search, sacreBLEU.

The recipe of a run is in its configuration: network, optimizer, the learning rate of each step, label smoothing, and
which weights are tested. Translations of a test set are searched in float32, whatever training computed in.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional
from torchmetrics.text import Perplexity

from benchmarks.runs import announce
from datamodules.subwords import BEGIN, END, PAD, padded
from lightning_modules.averaging import Averaging, MeanWeights
from lightning_modules.beam_search import BeamSearch, search
from lightning_modules.networks.encoder_decoder import EncoderDecoder
from lightning_modules.steps import StepModule
from lightning_modules.translation_metric import TranslationMetric
from results.scoring.translation import in_a_line

AVERAGE = "average"  # the key of a checkpoint that holds the mean of weights
MORE = 50  # tokens that a translation may have more than its source (Vaswani et al. 2017, section 6.1)
GREEDY = BeamSearch(beam=1)
SHOWN = 0  # the sentence of a test set whose attention is kept


class Translator(StepModule):
    """A network and the recipe that trains it.

    Args:
        network: makes the network for a number of subwords.
        optimizer: makes the optimizer for parameters.
        schedule: the share of the learning rate at a step of so many.
        label_smoothing: share of the target that is spread over all subwords (Szegedy et al. 2016, section 7).
        search: how translations of a test set are searched; in training greedily.
        averaging: the moments whose mean weights are tested; None tests those of the last step.
    """

    network: EncoderDecoder

    def __init__(
        self,
        network: Callable[[int], EncoderDecoder],
        optimizer: OptimizerCallable,
        schedule: Callable[[int, int], float],
        label_smoothing: float,
        search: BeamSearch,
        averaging: Averaging | None = None,
    ) -> None:
        super().__init__(network, optimizer, schedule)
        self.label_smoothing, self.search, self.averaging = label_smoothing, search, averaging
        self.mean = MeanWeights()
        self.scores: dict[str, TranslationMetric] = {}

    def configure_model(self) -> None:
        """Builds the network once the datamodule knows how many subwords there are.

        Raises:
            UserError: its sizes do not fit each other.
        """
        if self.scores:
            return
        self.build_network()
        self.perplexity = Perplexity(ignore_index=PAD)  # reads a file of torch's when made
        for name in ("val", *self._test_names()):
            self.scores[name] = TranslationMetric()
            self.add_module(f"{name}_scores", self.scores[name])  # so that it moves to the device

    def _test_names(self) -> list[str]:
        """The names of test sets without their direction, as metrics go by."""
        return [name.partition(".")[0] for name in self.trainer.datamodule.tests]  # type: ignore[attr-defined]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the vocabulary and the mean weights, as far as there are any."""
        super().on_save_checkpoint(checkpoint)
        if self.mean.count:
            checkpoint[AVERAGE] = self.mean.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the vocabulary, and the mean weights: to go on with them, or to test them in place of the last ones."""
        super().on_load_checkpoint(checkpoint)
        self.mean = MeanWeights()  # or that of a training before would be tested in the place of these weights
        if AVERAGE not in checkpoint or self.averaging is None:
            return
        if self.trainer.state.fn == "fit":
            self.mean.restore(checkpoint[AVERAGE])
        else:
            if (taken := checkpoint[AVERAGE]["count"]) < self.averaging.count:
                announce(
                    f"note: training had not ended; the mean of {taken} of {self.averaging.count} moments is tested"
                )
            means = {f"network.{name}": weight for name, weight in checkpoint[AVERAGE]["weights"].items()}
            checkpoint["state_dict"] = checkpoint["state_dict"] | means

    def on_test_start(self) -> None:
        """Puts the mean weights in the place of the last ones, as where they are tested right after training."""
        if self.mean.count:
            self.last_weights = {name: weight.clone() for name, weight in self.network.state_dict().items()}
            self.network.load_state_dict(self.mean.weights)

    def on_test_end(self) -> None:
        """Puts the last weights back, from which training may go on."""
        if self.mean.count:
            self.network.load_state_dict(self.last_weights)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """The loss of a batch's target tokens, over those that an optimizer step has on the average."""
        target = batch["target"]
        logits = self.network(batch["source"], batch["counts"], target[:, :-1])
        loss = smoothed_loss(logits, target[:, 1:], self.label_smoothing)
        return self.share_of_step(loss, {"source": batch["source"], "target": target})

    def optimizer_step(self, *arguments: Any, **more: Any) -> None:
        """A step; then the weights are taken into the mean where they are to be."""
        super().optimizer_step(*arguments, **more)
        # The trainer counts the step after this, and a checkpoint of it may be written right after that.
        if self.averaging is not None and self.averaging.due(self.trainer.global_step + 1, self.total_steps):
            self.mean.take(self.network)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Perplexity of the references, and BLEU of greedy translations."""
        if not batch["index"]:  # a rank without sentences in this round
            return
        source, counts = self._encoded(batch["sources"])
        targets = [[BEGIN, *self.subwords.encode(text), END] for text in batch["references"]]
        target = padded(targets).to(self.device)
        self.perplexity.update(self.network(source, counts, target[:, :-1]).float(), target[:, 1:])
        self.scores["val"].update(self._decoded(self._searched(source, counts, GREEDY)), batch["references"])

    def test_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Positions in the split, and a translation of each sentence."""
        if not batch["index"]:
            return {"index": [], "predictions": []}
        source, counts = self._encoded(batch["sources"])
        with torch.autocast(self.device.type, enabled=False):  # a sentence's neighbours must not sway its translation
            found = self._searched(source, counts, self.search)
            predictions: list[Any] = self._decoded(found)
            self.scores[self._test_names()[dataloader_idx]].update(predictions, batch["references"])
            if SHOWN in batch["index"]:
                row = batch["index"].index(SHOWN)
                predictions[row] = self._with_attention(predictions[row], source[row, : counts[row]], found[row])
        return {"index": batch["index"], "predictions": predictions}

    def _encoded(self, texts: Sequence[str]) -> tuple[Tensor, list[int]]:
        """Ids of sources, each with its end, [N, S], and how many each has."""
        sources = [[*self.subwords.encode(text), END] for text in texts]
        return padded(sources).to(self.device), [len(source) for source in sources]

    def _searched(self, source: Tensor, counts: Sequence[int], settings: BeamSearch) -> list[list[int]]:
        memory = self.network.encode(source, counts)
        begun = self.network.begin(memory)
        padding = None
        if settings.coverage_penalty:
            ends = torch.tensor(counts, device=self.device)
            padding = torch.arange(source.shape[1], device=self.device) >= ends[:, None]
        longest = [count + MORE for count in counts]
        return search(self.network.step, begun, memory, BEGIN, END, longest, settings, padding)

    def _decoded(self, found: Sequence[Sequence[int]]) -> list[str]:
        return [in_a_line(self.subwords.decode(ids)) for ids in found]

    def _with_attention(self, hypothesis: str, source: Tensor, ids: Sequence[int]) -> dict[str, Any]:
        """A translation with what each of its tokens attended to."""
        target = torch.tensor([[BEGIN, *ids]], device=self.device)
        weights = self.network.attention(source[None], [len(source)], target)[0]
        pieces = self.subwords.pieces
        return {
            "hypothesis": hypothesis,
            "source": [pieces[token] for token in source.tolist()],
            "target": [pieces[token] for token in (*ids, END)],
            "attention": weights.tolist(),
        }

    def on_validation_epoch_end(self) -> None:
        """Logs perplexity and BLEU of the development set."""
        self.log("val/perplexity", self.perplexity.compute())
        self.perplexity.reset()
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Logs every metric of each test set."""
        for name in self._test_names():
            self._log_scores(name)

    def _log_scores(self, name: str) -> None:
        # Computed here, as `log_percentage` does: ranks that never updated it must still take part in its sums.
        for metric, value in self.scores[name].compute().items():
            self.log(f"{name}/{metric}", value, prog_bar=metric == "bleu")
        self.scores[name].reset()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer and its schedule at every step."""
        return self.scheduled(self.make_optimizer(self.parameters()))


def smoothed_loss(logits: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """The sum over target tokens of (1 - e) times their negative log probability and e times all subwords' mean.

    Args:
        logits: [N, T, subwords].
        target: int64 [N, T], PAD where there is none.
        smoothing: e.
    """
    return functional.cross_entropy(
        logits.flatten(0, 1).float(), target.flatten(), ignore_index=PAD, label_smoothing=smoothing, reduction="sum"
    )
