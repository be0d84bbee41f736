"""What a run requires of its data; a class that leaves out an abstract part is refused before anything is read."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any

from lightning.pytorch import LightningDataModule

from benchmarks.schema import Signature


class BenchmarkData(LightningDataModule, ABC):
    """Base of every datamodule; `global_batch_size` counts the examples of an optimizer step.

    Its constructor takes what `config.yaml` says and, from the run, its `seed` and, where data lie on disk, their
    `root`; it touches no disk, which `setup` does.

    Its training loader begins at `trainer.global_step`, or a resumed run would see batches again (`sampling.py`). Its
    test loaders give each rank its part of every example once, in as many batches on all ranks; those without an
    example are empty. A batch is a dictionary, with the examples' positions in the split as `index` in testing. Where
    the outputs of a system mean classes, `fingerprint["classes"]` names them in order, and a checkpoint is not scored
    on others. What else its system asks for is between the two: classifiers of images and of text ask for `num_classes`
    when they build their networks (`lightning_modules/classifier_scores.py`, `text_classifier.py`).
    """

    global_batch_size: int
    whole_examples = True
    """Whether a batch is counted in examples, which must be shared out evenly, and not in what examples hold."""
    one_process = False
    """Whether a run is one process, as where an agent makes its own data; its seeds run side by side instead."""
    tests: Collection[str] | None = None
    """Its test sets, once `setup` has run, in the order of their loaders; None if it has no other than the claim's."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """What its examples are, or what is counted in them, such as images or tokens; an attribute will do."""

    @property
    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """What the data are, in plain values, once `setup` has run; a run that began on others is not continued."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint remembers of its data, for whoever validates it."""
        return self.fingerprint

    @property
    @abstractmethod
    def signature(self) -> Signature:
        """The protocol of the evaluation, as the claim's readings state it."""

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch, once `setup("fit")` has run.

        Raises:
            UserError: there is none, as the examples do not fill one global batch.
        """

    @abstractmethod
    def train_dataloader(self) -> Any:
        """Batches to train on, from the step on where training stands."""

    def val_dataloader(self) -> Any:
        """This rank's share of what is held out of training; nothing, where nothing is."""
        return []

    @abstractmethod
    def test_dataloader(self) -> Any:
        """This rank's share of each test set."""

    @property
    def on_gpu(self) -> bool:
        """Whether batches go to a GPU: one that is there is left alone by a run on the processor."""
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"

    @property
    def step_size(self) -> float:
        """What an optimizer step holds on the average, in `unit`, once `setup("fit")` has run."""
        return self.global_batch_size

    def require_shares(self, world_size: int, accumulate: int) -> None:
        """Refuses a step that cannot be shared out, once `setup("fit")` has run and before anything long begins.

        Raises:
            UserError: it cannot.
        """

    @property
    @abstractmethod
    def trained_on(self) -> dict[str, int]:
        """Examples of each training split, once `setup("fit")` has run, before any is held out or left out.

        A run is official only if the claim's `OFFICIAL` has this number, or a range around it, for each; environments
        have no splits.
        """

    @property
    def left_out(self) -> tuple[str, ...]:
        """Training examples that are left out because they stand in the test set, once `setup("fit")` has run."""
        return ()

    @property
    def hardest(self) -> dict[str, object]:
        """Arguments under which a rehearsal meets the most memory and time of a run whose examples grow."""
        return {}

    def stretch(self, outputs: Any) -> float:
        """How many times as long an evaluation batch may take once a model has learnt, by what its step returned."""
        return 1.0

    def verify(self, training: bool) -> None:
        """Finds broken files before hours are spent; of the test split only, unless `training`.

        Raises:
            UserError: there is one; the message names it.
        """
        self.setup("fit" if training else "test")
