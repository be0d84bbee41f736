"""A number on its way from a GPU, which gets more work before anything waits for it."""

import torch
from torch import Tensor


class Awaited:
    """What a tensor holds, once it has been computed.

    Args:
        tensor: on any device.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach().to("cpu", non_blocking=True)
        self.there = torch.cuda.Event() if tensor.is_cuda else None
        if self.there is not None:
            self.there.record()

    def get(self) -> Tensor:
        """The tensor on the processor; waits for it, but for nothing that was asked of the GPU later."""
        if self.there is not None:
            self.there.synchronize()
        return self.tensor
