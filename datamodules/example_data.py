"""What data sets of files share: processes that read examples, each example of a test set once, what a run goes by."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from benchmarks.processes import prepare_worker
from datamodules.batch_memory import BatchMemory
from datamodules.interface import BenchmarkData
from datamodules.sampling import EvaluationBatches, Key

Examples = Dataset[dict[str, Any]]
Collate = Callable[[Any], dict[str, Any]]
Loader = DataLoader[dict[str, Any]]

PREFETCHED = 2
"""Batches that are on their way from each process."""


def prepare_worker_behind(worker: int) -> None:
    """Prepares a worker beside a GPU: where cores are few, the process that feeds the GPU goes before it."""
    prepare_worker(worker)
    os.nice(10)


class ExampleData(BenchmarkData):
    """Examples to train on and to be tested on.

    Args:
        seed: of the run; decides order and augmentation.
        global_batch_size: what one optimizer step holds, over all devices.
        evaluation_batch_size: what a device sees at once in evaluation.
        workers: processes that read examples, a device.
    """

    def __init__(self, seed: int, global_batch_size: int, evaluation_batch_size: int, workers: int) -> None:
        super().__init__()
        self.seed, self.workers = seed, workers
        self.global_batch_size, self.evaluation_batch_size = global_batch_size, evaluation_batch_size
        self.copies: torch.cuda.Stream | None = None

    def dealt(self, batches: Sequence[Sequence[int]]) -> EvaluationBatches:
        """This rank's share of the batches of a test set."""
        assert self.trainer is not None
        return EvaluationBatches(batches, self.trainer.global_rank, self.trainer.world_size)

    def memory(self) -> BatchMemory:
        """Memory for the batches of one loader; it is taken again where batches are pinned for a GPU."""
        return BatchMemory(PREFETCHED if self.on_gpu else 0)

    def loader(self, examples: Examples, batches: Sampler[list[Key]], collate: Collate) -> Loader:
        """Batches of examples, made by the workers."""
        return DataLoader(
            examples,
            batch_sampler=batches,
            num_workers=self.workers,
            collate_fn=collate,
            worker_init_fn=prepare_worker_behind if self.on_gpu else prepare_worker,
            prefetch_factor=PREFETCHED if self.workers else None,
            pin_memory=self.on_gpu,
            persistent_workers=self.workers > 0,
        )

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Copies a batch to a GPU while that still computes the step before."""
        if device.type != "cuda":
            return super().transfer_batch_to_device(batch, device, dataloader_idx)
        self.copies = self.copies or torch.cuda.Stream(device)
        with torch.cuda.stream(self.copies):
            moved = super().transfer_batch_to_device(batch, device, dataloader_idx)
        computing = torch.cuda.current_stream(device)
        computing.wait_stream(self.copies)
        # Or their memory would be free for the next copies as soon as the step has been asked for.
        apply_to_collection(moved, Tensor, lambda tensor: tensor.record_stream(computing))
        return moved
