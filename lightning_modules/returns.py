"""Advantages and returns of what an agent lived through: pure functions on tensors [T, N], time first.

An episode that a terminal state ends is worth nothing afterwards. One that the time limit cuts off goes on being worth
what the value function says of the state it was cut off in: `ended` without `terminated`.
"""

import torch
from torch import Tensor


def advantages(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    ended: Tensor,
    discount: float,
    trace: float,
) -> Tensor:
    """Generalised advantage estimates [T, N] (Schulman et al., 2016, arXiv 1506.02438, eq. 16).

    Args:
        rewards: r_t [T, N].
        values: V(s_t) [T, N].
        next_values: V of the state that the step led to [T, N]: at an episode's end its last state, not the next first.
        terminated: whether that state is terminal [T, N].
        ended: whether the episode ended, terminated or cut off [T, N].
        discount: gamma.
        trace: lambda.
    """
    errors = rewards + discount * next_values * ~terminated - values
    found, later = torch.empty_like(rewards), torch.zeros_like(rewards[0])
    for step in range(len(rewards) - 1, -1, -1):
        later = errors[step] + discount * trace * (later * ~ended[step])
        found[step] = later
    return found


def successive_values(values: Tensor, last: Tensor, ended: Tensor, final: Tensor) -> Tensor:
    """V of the state that each step led to [T, N].

    Args:
        values: V of the state before each step [T, N].
        last: V of the state after the last step [N].
        ended: whether an episode ended with a step [T, N].
        final: V of the last states of those episodes, in the order of time, then environment [ended.sum()].
    """
    following = torch.cat([values[1:], last[None]])
    following[ended] = final
    return following
