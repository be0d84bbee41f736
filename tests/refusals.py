"""Calls that are to be refused."""

import pytest

from benchmarks.errors import UserError


def refusal(call, *arguments):
    """What the user is told."""
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return str(caught.value)
