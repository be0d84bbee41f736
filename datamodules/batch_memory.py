"""Where a loader's process writes its batches: memory that the training process sees too, so that none is copied."""

from math import prod

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from benchmarks.errors import UserError


class BatchMemory:
    """Memory for batches of bytes.

    Shared memory is slow to come by, page by page. It can be taken again once its batch was copied, as it is where
    batches are pinned for a GPU: torch's loader asks a process for one more only after it has handed out one of it, so
    that from each no more than `prefetch_factor` are on their way.

    Args:
        kept: how many batches keep their memory until it is taken for another; 0 where somebody may hold a batch.
    """

    def __init__(self, kept: int) -> None:
        self.kept: list[torch.UntypedStorage | None] = [None] * kept
        self.taken = 0

    def take(self, *shape: int) -> Tensor:
        """Bytes of any value, uint8 [*shape]."""
        if get_worker_info() is None:
            return torch.empty(*shape, dtype=torch.uint8)
        size = prod(shape)
        return torch.empty(0, dtype=torch.uint8).set_(self._storage(size))[:size].view(shape)

    def _storage(self, size: int) -> torch.UntypedStorage:
        if not self.kept:
            return _shared(size)
        place, self.taken = self.taken % len(self.kept), self.taken + 1
        storage = self.kept[place]
        if storage is None or storage.nbytes() < size:
            storage = self.kept[place] = _shared(size)
        return storage


def _shared(size: int) -> torch.UntypedStorage:
    """Raises a UserError where there is no room for it."""
    try:
        made: torch.UntypedStorage = torch.UntypedStorage._new_shared(max(1, size))
    except RuntimeError as error:
        raise UserError(
            f"no shared memory is left for a batch of {size:,} bytes ({error}). Give /dev/shm more room (in a "
            "container --shm-size=20g), or start fewer processes: data.init_args.workers in ARGS, 0 for none."
        ) from None
    return made
