"""Two processes that add a number up: the least of what training on two devices does."""

import tempfile
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed, multiprocessing

PATIENCE = timedelta(seconds=60)


def add_up(backend: str) -> None:
    """Starts both and waits for them.

    Raises:
        RuntimeError: they did not come together, or to another sum.
    """
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_rank, (backend, Path(folder) / "meeting"), nprocs=2)


def _rank(rank: int, backend: str, meeting: Path) -> None:
    distributed.init_process_group(backend, f"file://{meeting}", PATIENCE, world_size=2, rank=rank)
    device = torch.device("cuda", rank) if backend == "nccl" else torch.device("cpu")
    number = torch.ones(1, device=device)
    distributed.all_reduce(number)
    distributed.destroy_process_group()
    if number.item() != 2:
        raise RuntimeError(f"1 and 1 are {number.item()}")
