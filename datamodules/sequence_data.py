"""What data sets of sequences share: training batches of like length, and each example of a test set once."""

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

from torch.utils.data import DataLoader, Dataset, Sampler

from benchmarks.processes import serve
from datamodules.bucketing import JITTER, Floats, LengthBatches, evaluation_batches, num_batches, require_shares
from datamodules.interface import BenchmarkData
from datamodules.sampling import EvaluationBatches, Key

Sequences = Dataset[dict[str, Any]]
Collate = Callable[[list[dict[str, Any]]], dict[str, Any]]


class SequenceData(BenchmarkData):
    """Sequences to train on and to be tested on; `unit` is in which their lengths are counted.

    Args:
        seed: of the run; decides order and augmentation.
        global_batch_size: what one optimizer step holds, over all devices.
        evaluation_batch_size: what a device sees at once in evaluation, padding included.
        workers: processes that read examples, a device.
    """

    whole_examples = False
    jitter = JITTER
    """How far training shakes the logarithms of lengths of one side: the less, the less padding."""

    def __init__(self, seed: int, global_batch_size: int, evaluation_batch_size: int, workers: int) -> None:
        super().__init__()
        self.seed, self.workers = seed, workers
        self.global_batch_size, self.evaluation_batch_size = global_batch_size, evaluation_batch_size

    @property
    @abstractmethod
    def lengths(self) -> Floats:
        """Of each training example, [n], or of its two sides, [n, 2]."""

    @cached_property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        return num_batches(self.lengths, self.global_batch_size)

    @cached_property
    def step_size(self) -> float:
        """What a step holds on the average."""
        return float(self.lengths.sum()) / self.steps_per_epoch

    def require_shares(self, world_size: int, accumulate: int) -> None:
        """Refuses steps that may have no example for some rank or accumulated batch.

        Raises:
            UserError: one may.
        """
        require_shares(self.lengths, self.unit, self.global_batch_size, world_size, accumulate)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint remembers of its data."""
        return self.fingerprint

    def training_loader(self, examples: Sequences, collate: Collate) -> DataLoader[dict[str, Any]]:
        """Batches of this rank, from the step on where training stands."""
        trainer = self.trainer
        assert trainer is not None
        batches = LengthBatches(
            self.lengths, self.unit, self.global_batch_size, trainer.global_rank, trainer.world_size,
            trainer.accumulate_grad_batches, self.seed, lambda: trainer.global_step, self.jitter,
        )  # fmt: skip
        return self._loader(examples, batches, collate)

    def evaluation_loader(self, examples: Sequences, lengths: Floats, collate: Collate) -> DataLoader[dict[str, Any]]:
        """This rank's share of all examples, by their lengths [n]."""
        assert self.trainer is not None
        batches = evaluation_batches(lengths, self.evaluation_batch_size)
        share = EvaluationBatches(batches, self.trainer.global_rank, self.trainer.world_size)
        return self._loader(examples, share, collate)

    def _loader(self, examples: Sequences, batches: Sampler[list[Key]], collate: Collate) -> DataLoader[dict[str, Any]]:
        return DataLoader(
            examples,
            batch_sampler=batches,
            num_workers=self.workers,
            collate_fn=collate,
            worker_init_fn=serve,
            pin_memory=self.on_gpu,
            persistent_workers=self.workers > 0,
        )
