"""Advantages and scaled rewards against numbers worked by hand and sums written out."""

import numpy as np
import pytest
import torch

from benchmarks.errors import UserError
from datamodules.experience import Transition
from lightning_modules.networks.normalisation import ReturnScale, RunningNorm
from lightning_modules.returns import advantages, n_step_return, successive_values


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def flags(*values):
    return torch.tensor(values)[:, None]


def test_advantages_through_a_fall_and_a_time_limit():
    """gamma 0.5, lambda 0.5, four steps: a fall after the second, the time limit after the fourth.

    errors: 1 + 0.5 * 4 - 2 = 1;  2 + 0 - 4 = -2 (a fall: nothing follows);
            3 + 0.5 * 8 - 6 = 1;  4 + 0.5 * 10 - 8 = 1 (cut off: the last state is worth 10)
    advantages, from the end: 1;  1 + 0.25 * 1 = 1.25;  -2;  1 + 0.25 * -2 = 0.5
    """
    values = column(2, 4, 6, 8)
    ended, terminated = flags(False, True, False, True), flags(False, True, False, False)
    following = successive_values(values, torch.tensor([99.0]), ended, torch.tensor([77.0, 10.0], dtype=torch.float64))
    assert following.ravel().tolist() == [4, 77, 8, 10]
    found = advantages(column(1, 2, 3, 4), values, following, terminated, ended, 0.5, 0.5)
    assert found.ravel().tolist() == [0.5, -2.0, 1.25, 1.0]


def test_with_lambda_one_an_advantage_is_the_discounted_rest_less_the_value():
    generator = torch.Generator().manual_seed(0)
    rewards, values = torch.rand(2, 30, 3, generator=generator, dtype=torch.float64)
    last = torch.rand(3, generator=generator, dtype=torch.float64)
    never = torch.zeros(30, 3, dtype=torch.bool)
    following = successive_values(values, last, never, torch.zeros(0, dtype=torch.float64))
    found = advantages(rewards, values, following, never, never, 0.9, 1.0)
    for step in range(30):
        rest = sum(0.9 ** (k - step) * rewards[k] for k in range(step, 30)) + 0.9 ** (30 - step) * last
        torch.testing.assert_close(found[step], rest - values[step])


def test_running_moments_are_those_of_all_that_was_seen():
    seen = torch.from_numpy(np.random.default_rng(0).normal(5, 3, (70, 4)))
    norm = RunningNorm(4)
    for part in seen.split([1, 9, 60]):
        norm.update(part)
    torch.testing.assert_close(norm.mean, seen.mean(0))
    torch.testing.assert_close(norm.variance, seen.var(0, unbiased=False))
    scaled = norm(seen)
    assert scaled.dtype == torch.float32
    torch.testing.assert_close(scaled, ((seen - seen.mean(0)) / seen.std(0, unbiased=False)).float())
    assert norm(seen + 1e6).max() == 10


def test_of_an_observation_only_the_first_numbers_are_used():
    seen = torch.from_numpy(np.random.default_rng(0).normal(5, 3, (70, 4)))
    some, whole = RunningNorm(4, observed=3), RunningNorm(3)
    some.update(seen)
    whole.update(seen[:, :3])
    assert torch.equal(some(seen), whole(seen[:, :3]))


@pytest.mark.parametrize("observed", [0, 5])
def test_numbers_that_an_observation_does_not_have(observed):
    with pytest.raises(UserError, match=f"observed: {observed}, where it must be 1 to 4"):
        RunningNorm(4, observed)


def test_rewards_are_scaled_by_the_spread_of_discounted_returns():
    """gamma 0.5: returns 1, then 2 + 0.5 = 2.5 where the episode ends, then 4 anew."""
    scale = ReturnScale(0.5, environments=1)
    found = scale(column(1, 2, 4), flags(False, True, False))
    deviation = np.std([1, 2.5, 4])
    assert found.ravel().tolist() == pytest.approx([1 / deviation, 2 / deviation, 4 / deviation], rel=1e-6)
    assert scale.returns.tolist() == [4.0]
    scale(column(1.0), flags(False))
    assert scale.returns.tolist() == [3.0]


def test_n_step_returns_through_a_fall_a_time_limit_and_neither():
    """gamma 0.5, three steps that pay 1, 2 and 4.

    the first robot falls in its second step: 1 + 0.5 * 2 = 2, and nothing follows;
    the second meets the time limit in its second step: 2, then 0.25 of what its last state is worth, though the next
    episode falls at once;
    the third goes on: 1 + 0.5 * 2 + 0.25 * 4 = 3, then 0.125; the fourth falls in its third step: 3, then nothing.
    """
    steps = [
        Transition(
            rewards=torch.full((4,), float(2**i)), successors=torch.full((4, 1), 10.0 * i),
            terminated=torch.tensor([i == 1, i == 2, False, i == 2]),
            ended=torch.tensor([i == 1, i >= 1, False, i == 2]),
        )
        for i in range(3)
    ]  # fmt: skip
    total, successors, factors = n_step_return(steps, 0.5)
    assert total.tolist() == [2, 2, 3, 3]
    assert successors.ravel().tolist() == [10, 10, 20, 20]
    assert factors.tolist() == [0, 0.25, 0.125, 0]
