"""How a run can end badly: a user's mistake (exit code 2), or a failure of the run itself (1). No traceback either way.

Each has one message that says what is wrong, where, and what to do.
"""

import difflib
from collections.abc import Iterable
from typing import Any

INTERRUPTED = "interrupted; the same command continues"
OUT_OF_MEMORY = (
    "The same command continues with more GPUs (DEVICES), or with smaller parts of a step: "
    'ARGS="--trainer.accumulate_grad_batches 2", or 4, or 8. Where the test ran out of it, lower '
    "data.init_args.evaluation_batch_size."
)


class UserError(Exception):
    """Bad input from a user.

    A data loader re-raises its worker's exception with the whole traceback as the message; what follows the last
    mention of this class is the message that was written for the user.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition("UserError: ")[2].rstrip())


class Busy(UserError):
    """Another process is at work on what was asked for, which says nothing against what else was."""


class Failure(RuntimeError):
    """A run cannot go on, and no user did anything wrong.

    Attributes:
        state: tensors and plain values for whoever looks into it; kept beside the run's checkpoints.
    """

    def __init__(self, message: str, state: dict[str, Any]) -> None:
        super().__init__(message)
        self.state = state


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that offers what a misspelt name may mean; empty where nothing is like it."""
    near = difflib.get_close_matches(name, sorted({*known} - {name}), 1)
    return f"Did you mean {near[0]}? " if near else ""
