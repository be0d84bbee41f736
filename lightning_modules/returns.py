"""Advantages and returns of what an agent lived through: pure functions on tensors [T, N], time first.

An episode that a terminal state ends is worth nothing afterwards. One that the time limit cuts off goes on being worth
what the value function says of the state it was cut off in: `ended` without `terminated`.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from datamodules.experience import Transition


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
    found, passing = torch.empty_like(errors), discount * trace * (~ended).to(errors.dtype)
    later = np.zeros_like(errors[0].numpy())
    for error, share, place in zip(errors.numpy()[::-1], passing.numpy()[::-1], found.numpy()[::-1], strict=True):
        later = error + share * later  # NumPy's calls cost a quarter of torch's on so few numbers
        place[:] = later
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


def n_step_return(steps: Sequence[Transition], discount: float) -> tuple[Tensor, Tensor, Tensor]:
    """What n successive steps of N environments returned, and where they led (Sutton & Barto, 2018, section 7.1).

    Args:
        steps: n of them; an episode that ends in one ends the sum there.
        discount: gamma.

    Returns:
        The discounted sum of rewards [N], the last state of the same episode [N, o], and the factor [N] by which the
        value of that state counts: gamma to the number of steps it took; 0 if it is terminal.
    """
    total, factor = torch.zeros_like(steps[0].rewards), torch.ones_like(steps[0].rewards)
    successors = steps[0].successors
    going = torch.ones_like(steps[0].ended)
    terminated = torch.zeros_like(steps[0].ended)
    for step in steps:
        total = torch.where(going, total + factor * step.rewards, total)
        factor = torch.where(going, factor * discount, factor)
        successors = torch.where(going[:, None], step.successors, successors)
        terminated |= going & step.terminated
        going = going & ~step.ended
    return total, successors, factor * ~terminated


def targets(returns: Tensor, discounts: Tensor, values: Tensor, target_values: Tensor, double: bool) -> Tensor:
    """What the values of actions should be, [n].

    Args:
        returns: n-step returns [n].
        discounts: what the value of the state after them counts, [n]; 0 where it is terminal.
        values: of that state's actions by the learning network [n, a].
        target_values: of the same by the target network [n, a].
        double: whether the learning network chooses the action that the target network values (van Hasselt et al.,
            2016, arXiv 1509.06461, eq. 4); else the target network does both.
    """
    chosen = (values if double else target_values).argmax(-1, keepdim=True)
    return returns + discounts * target_values.gather(-1, chosen).squeeze(-1)
