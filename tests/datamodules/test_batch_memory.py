"""Batches in memory that is taken again, read by torch's own loader: each arrives as it was written."""

import time

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from benchmarks.errors import UserError
from datamodules.batch_memory import BatchMemory, _shared
from tests.datamodules.test_imagenet import data

SHAPE = (400, 500)
WHOLE = [[number] for number in range(60)]


class Counting(Dataset):
    """Batches filled with their number; those of odd number are smaller. Also where they lie, in which process."""

    def __init__(self, kept):
        self.memory = BatchMemory(kept)

    def __len__(self):
        return 60

    def __getitem__(self, number):
        rows = SHAPE[0] - number % 2
        batch = self.memory.take(rows, SHAPE[1])
        worker = get_worker_info()
        return {"bytes": batch.fill_(number), "place": torch.tensor(batch.data_ptr()), "worker": worker and worker.id}


@pytest.fixture
def pinned(monkeypatch):
    """Torch's thread that pins, but for the copy that it makes, which is late, and into plain memory."""

    def copy(tensor):
        time.sleep(0.002)
        return tensor.clone()

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: 0)
    monkeypatch.setattr(torch.accelerator, "set_device_index", lambda index: None)
    monkeypatch.setattr(torch.Tensor, "pin_memory", copy)


def loader(kept, workers, **options):
    return DataLoader(Counting(kept), batch_size=None, num_workers=workers, prefetch_factor=2, **options)


def whole(found):
    return [batch["bytes"].unique().tolist() for batch in found]


@pytest.mark.parametrize("workers", [1, 3])
def test_memory_is_taken_again_after_the_copy(workers, pinned):
    batches = loader(2, workers, pin_memory=True, persistent_workers=True)
    for number, _ in enumerate(batches):  # left early, with batches on their way
        if number == 7:
            break
    found = list(batches)
    assert whole(found) == WHOLE
    places = {(int(batch["worker"]), int(batch["place"])) for batch in found}
    assert len(places) == 2 * workers


def test_memory_that_is_taken_too_early_would_be_seen(pinned):
    assert whole(loader(1, 3, pin_memory=True)) != WHOLE


def test_batches_that_are_held_keep_their_memory():
    found = list(loader(0, 2))
    assert whole(found) == WHOLE
    assert all(batch["bytes"].is_shared() for batch in found)


def test_without_processes_memory_is_plain():
    batch = Counting(2)[3]["bytes"]
    assert not batch.is_shared()
    assert batch.shape == (399, 500)


def test_an_empty_batch_has_memory_too():
    class Empty(Counting):
        def __getitem__(self, number):
            return self.memory.take(0, 8, 8, 3)

    assert next(iter(DataLoader(Empty(2), batch_size=None, num_workers=1))).shape == (0, 8, 8, 3)


@pytest.mark.parametrize("loader_of", ["train_dataloader", "val_dataloader"])
def test_images_arrive_whole_where_their_batches_are_pinned(loader_of, small_tree, monkeypatch, pinned):
    plain = list(getattr(data(small_tree), loader_of)())
    made = data(small_tree, workers=2)
    monkeypatch.setattr(type(made), "on_gpu", True)
    batches = getattr(made, loader_of)()
    assert len(made.memory().kept) == batches.prefetch_factor
    for _ in range(2 if loader_of == "val_dataloader" else 1):
        for expected, found in zip(plain, batches, strict=True):
            assert torch.equal(found["index"], expected["index"])
            assert torch.equal(found["image"], expected["image"])


def test_too_little_shared_memory_is_said():
    with pytest.raises(UserError, match=r"no shared memory is left for a batch of 1,125,899,906,842,624 bytes"):
        _shared(1 << 50)
