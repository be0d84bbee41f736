"""A network built from its configuration."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.errors import UserError


def built(make: Callable[..., nn.Module], *sizes: int) -> Any:
    """The network for so many classes, categories or subwords, with the sizes of images where it asks for them.

    Raises:
        UserError: its own sizes are none, or do not fit each other.
    """
    try:
        return make(*sizes)
    except (torch.OutOfMemoryError, torch.AcceleratorError):  # RuntimeErrors too, which sizes are not to blame for
        raise
    except (ValueError, RuntimeError) as error:
        first = str(error).partition("\n")[0].rstrip(".")
        raise UserError(f"model.init_args.network: {first}. Change it in ARGS.") from None
