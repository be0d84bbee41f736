"""What every data set of image files shares: two splits, batches that depend on the step alone, each image once."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from benchmarks.arrays import Integers
from datamodules.example_data import Collate, ExampleData, Examples, Loader
from datamodules.layouts.images import Split, verify
from datamodules.sampling import TrainingBatches, consecutive_batches, steps_per_epoch
from datamodules.verified import verify_once


class ImageData(ExampleData):
    """Training and validation images; `setup` opens `train` and `val`.

    Args:
        seed: of the run; decides order and augmentation.
        global_batch_size: images in one optimizer step, over all devices.
        evaluation_batch_size: images a device scores at once.
        workers: processes that decode images, a device.
        collate: makes a batch of what the images give for its keys, which may be none.
    """

    unit = "images"
    train: Split | None
    val: Split | None

    def __init__(
        self,
        seed: int,
        global_batch_size: int,
        evaluation_batch_size: int,
        workers: int,
        collate: Collate,
    ) -> None:
        super().__init__(seed, global_batch_size, evaluation_batch_size, workers)
        self.collate = collate

    @property
    @abstractmethod
    def training_groups(self) -> Integers:
        """The group of each image to train on, [n]; a batch never mixes groups."""

    @abstractmethod
    def training_images(self) -> Examples:
        """(epoch, position among those to train on) -> an example."""

    @abstractmethod
    def evaluation_images(self) -> Examples:
        """(0, position in the split) -> an example."""

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch.

        Raises:
            UserError: there is none, as the images do not fill one global batch.
        """
        return steps_per_epoch(np.bincount(self.training_groups).tolist(), self.global_batch_size)

    def require_shares(self, world_size: int, accumulate: int) -> None:
        """Refuses a global batch of more images than there are to train on.

        Raises:
            UserError: it is one.
        """
        _ = self.steps_per_epoch  # which refuses it

    def verify(self, training: bool) -> None:
        """Looks at the head and the tail of every file before hours are spent, once until one changes.

        Raises:
            UserError: a file is empty, truncated or no image.
        """
        super().verify(training)
        splits: list[Split] = []
        for split in (self.train, self.val) if training else (self.val,):
            assert split is not None
            splits.append(split)
        verify_once({split.name: split.paths for split in splits}, lambda: self._look(splits))

    def _look(self, splits: Sequence[Split]) -> None:
        for split in splits:
            verify(split, max(1, self.workers))

    def train_dataloader(self) -> Loader:
        """Batches of this rank, from the step on where training stands."""
        trainer = self.trainer
        assert trainer is not None
        batches = TrainingBatches(
            self.training_groups, self.global_batch_size, trainer.global_rank, trainer.world_size,
            trainer.accumulate_grad_batches, self.seed, lambda: trainer.global_step,
        )  # fmt: skip
        return self.loader(self.training_images(), batches, self.collate)

    def val_dataloader(self) -> Loader:
        """The official validation set, this rank's share of it."""
        assert self.val is not None
        batches = consecutive_batches(len(self.val), self.evaluation_batch_size)
        return self.loader(self.evaluation_images(), self.dealt(batches), self.collate)

    def test_dataloader(self) -> Loader:
        """The same set: labels of the test images are not public, and every quoted number is on this one."""
        return self.val_dataloader()
