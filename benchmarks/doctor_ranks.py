"""Processes that sum a number: the minimum that training on several devices needs."""

import tempfile
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed, multiprocessing

PATIENCE = timedelta(seconds=60)


def add_up(backend: str, count: int) -> None:
    """Starts so many and waits for them; by NCCL each has a GPU of its own.

    Raises:
        RuntimeError: they did not come together, or to another sum.
    """
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_rank, (backend, count, Path(folder) / "meeting"), nprocs=count)


def _rank(rank: int, backend: str, count: int, meeting: Path) -> None:
    distributed.init_process_group(backend, f"file://{meeting}", PATIENCE, world_size=count, rank=rank)
    device = torch.device("cuda", rank) if backend == "nccl" else torch.device("cpu")
    number = torch.ones(1, device=device)
    distributed.all_reduce(number)
    distributed.destroy_process_group()
    if number.item() != count:
        raise RuntimeError(f"{count} times 1 is {number.item()}")
