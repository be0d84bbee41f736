"""What data sets of sequences share: training batches of like length, and each example of a test set once."""

from abc import abstractmethod
from functools import cached_property

from benchmarks.arrays import Floats
from datamodules.bucketing import JITTER, LengthBatches, evaluation_batches, num_batches, require_shares
from datamodules.example_data import Collate, ExampleData, Examples, Loader


class SequenceData(ExampleData):
    """Sequences to train on and to be tested on; `unit` is in which their lengths are counted.

    What a device sees at once in evaluation is counted with its padding.
    """

    whole_examples = False
    jitter = JITTER
    """How far training shakes the logarithms of lengths of one side: the less, the less padding."""

    @property
    @abstractmethod
    def lengths(self) -> Floats:
        """The length of each training example, [n], or of its two sides, [n, 2]."""

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

    def training_loader(self, examples: Examples, collate: Collate) -> Loader:
        """Batches of this rank, from the step on where training stands."""
        trainer = self.trainer
        assert trainer is not None
        batches = LengthBatches(
            self.lengths, self.unit, self.global_batch_size, trainer.global_rank, trainer.world_size,
            trainer.accumulate_grad_batches, self.seed, lambda: trainer.global_step, self.jitter,
        )  # fmt: skip
        return self.loader(examples, batches, collate)

    def evaluation_loader(self, examples: Examples, lengths: Floats, collate: Collate) -> Loader:
        """Batches of this rank's share of all examples, by their lengths [n]."""
        batches = evaluation_batches(lengths, self.evaluation_batch_size)
        return self.loader(examples, self.dealt(batches), collate)
