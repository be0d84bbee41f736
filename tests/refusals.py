"""Calls that are to be refused."""

import pytest

from benchmarks.errors import UserError


def refusal(call, *arguments, **more):
    """What the user is told."""
    with pytest.raises(UserError) as caught:
        call(*arguments, **more)
    return str(caught.value)


def assert_told(parts, call, *arguments):
    """What the user is told holds all of the parts, on one line that is not long."""
    message = refusal(call, *arguments)
    assert "\n" not in message
    assert len(message) < 500
    for part in parts:
        assert part in message
