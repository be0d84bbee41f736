"""The updates in C++ and in torch against torch's own modules, losses and optimizer, one by one."""

from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from benchmarks.errors import UserError
from datamodules.environments.batched import BatchedMujoco
from datamodules.experience import Experience
from lightning_modules import ppo
from lightning_modules.flat import Flat, adam_state, compiler
from lightning_modules.networks.actor_critic import ActorCritic, log_probability
from lightning_modules.ppo import PPO, Rollout


def agent_of(observations, actions, width, minibatch, **more):
    torch.manual_seed(0)
    agent = PPO(
        width=width, deviation=0.5, learning_rate=0.01, epochs=2, minibatch=minibatch, discount=0.99, trace=0.95,
        clip=0.2, value_weight=0.5, largest_gradient=0.5, **more,
    )  # fmt: skip
    agent.build(observations, actions, 3)
    return agent


@pytest.fixture
def agent():
    return agent_of(5, 2, 8, 4)


def rows_of(agent, count):
    """Rows of an agent that has moved on since: ratios on both sides of the clip."""
    observations, noise = torch.randn(count, agent.sizes[0]), torch.randn(count, agent.sizes[1])
    mean, log_deviation, _ = agent.network(observations)
    actions = mean + log_deviation.exp() * noise
    old = log_probability(actions, mean, log_deviation) + 0.4 * torch.randn(count)
    return torch.cat([observations, actions, old[:, None], torch.randn(count, 2)], dim=1).detach()


def test_log_probabilities_are_those_of_torch():
    mean, actions, log_deviation = torch.randn(7, 3), torch.randn(7, 3), torch.randn(3)
    theirs = Normal(mean, log_deviation.exp()).log_prob(actions).sum(-1)
    torch.testing.assert_close(log_probability(actions, mean, log_deviation), theirs)


def test_actor_and_critic_are_two_networks():
    network = ActorCritic(5, 2, 8, 0.5)
    observations = torch.randn(6, 5)
    mean, _, value = network(observations)
    for index, head, output in ((0, network.action, mean), (1, network.value, value[:, None])):
        hidden = torch.tanh(observations @ network.first[index] + network.first_bias[index])
        hidden = torch.tanh(hidden @ network.second[index] + network.second_bias[index])
        torch.testing.assert_close(head(hidden), output)
    torch.testing.assert_close(network.first[0] @ network.first[0].T, 2 * torch.eye(5))


def test_the_vector_and_the_network_are_one():
    network = nn.Linear(3, 2)
    flattened = Flat(network)
    vector = flattened.vector
    vector.mul_(0).add_(torch.arange(8.0))
    assert network.weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    network.load_state_dict({"weight": torch.ones(2, 3), "bias": torch.tensor([7.0, 8.0])})
    assert vector.tolist() == [1, 1, 1, 1, 1, 1, 7, 8]
    assert flattened.weights(vector)["bias"].tolist() == [7, 8]
    assert flattened(2 * vector, torch.ones(3)).tolist() == (2 * network(torch.ones(3))).tolist()


def reference_updates(agent, rows):
    """The same updates in plain torch: autograd, `clip_grad_norm_`, `Adam.step`. Returns the weights."""
    network = ActorCritic(*agent.sizes[:2], agent.width, 0.5)
    network.load_state_dict(agent.network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, eps=1e-5)
    for part in rows.split(agent.minibatch):
        observations, actions, old, advantage, target = part.split(agent.sizes, dim=1)
        mean, log_deviation, values = network(observations)
        ratio = (Normal(mean, log_deviation.exp()).log_prob(actions).sum(-1) - old[:, 0]).exp()
        clipped = torch.where(advantage[:, 0] > 0, ratio.clamp(max=1.2), ratio.clamp(min=0.8))
        policy_loss = -(clipped * advantage[:, 0]).mean()
        loss = policy_loss + 0.5 * nn.functional.mse_loss(values, target[:, 0])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimizer.step()
    return torch.cat([weight.detach().ravel() for weight in network.parameters()])


# Sizes of a robot, and others: no whole number of the processor's lanes, rows that no tile of four divides, more than
# a stack holds (there torch's own sums, taken in two orders, lie farther apart).
@pytest.mark.parametrize(
    ("sizes", "apart"),
    [
        ((5, 2, 8, 4), 1e-6),
        ((17, 6, 64, 64), 1e-6),
        ((3, 1, 7, 5), 1e-6),
        ((27, 8, 48, 10), 1e-6),
        ((3, 1, 512, 1024), 1e-5),
    ],
)
@pytest.mark.parametrize("way", ["native_epoch", "torch_epoch"])
def test_updates_are_those_of_plain_torch(way, sizes, apart):
    if way == "native_epoch" and compiler() is None:
        pytest.skip("no C++ compiler")
    agent = agent_of(*sizes)
    epoch = agent.epoch if way == "native_epoch" else agent.torch_epoch
    assert (epoch == agent.torch_epoch) == (way == "torch_epoch")
    rows = rows_of(agent, 5 * agent.minibatch)
    order = torch.randperm(len(rows))
    expected = reference_updates(agent, rows[order])
    before = agent.vector.clone()
    state = adam_state(agent.configure_optimizers(), agent.vector)
    with torch.no_grad():
        epoch(rows, order, 0.01, agent.vector.detach(), state)
    torch.testing.assert_close(agent.vector.detach(), expected, rtol=1e-4, atol=apart)
    assert (agent.vector - before).abs().max() > 0.02, "five steps of about 0.01 each"
    assert state[0] == 5


def two_steps():
    """Of one environment, that pay 1 and 2; the second ends the episode by a fall."""
    ended, rewards = torch.tensor([[False], [True]]), torch.tensor([[1.0], [2.0]])
    return Rollout(
        torch.randn(2, 1, 5), torch.zeros(2, 1, 2), torch.zeros(2, 1), rewards, ended, ended, torch.randn(1, 5),
        torch.randn(1, 5),
    )  # fmt: skip


@pytest.mark.parametrize(("last", "discount"), [(None, 0.99), (0.995, 0.9925)])
def test_the_discount_rises_in_a_straight_line(last, discount):
    """Halfway. Of rewards 1 and 2, by a value function that says 0, the first step is worth 1 + 2 gamma lambda."""
    agent = agent_of(5, 2, 8, 4, last_discount=last)
    agent._trainer = SimpleNamespace(global_step=50, estimated_stepping_batches=100)
    with torch.no_grad():
        agent.vector.zero_()
        rows = agent.rows(two_steps())
    assert rows[:, -1].tolist() == pytest.approx([1 + 2 * discount * 0.95, 2])


def test_advantages_are_standardised_and_returns_are_not():
    """As above 1 + 2 gamma lambda and 2: of two numbers, either is half their distance from the mean, and their
    standard deviation is that distance by the root of two."""
    agent = agent_of(5, 2, 8, 4)
    agent._trainer = SimpleNamespace(global_step=50, estimated_stepping_batches=100)
    with torch.no_grad():
        agent.vector.zero_()
        rows = agent.rows(two_steps())
    assert rows[:, -2].tolist() == pytest.approx([0.5**0.5, -(0.5**0.5)])


def test_a_rollout_is_what_robots_live_through_that_are_told_the_same():
    """Normalised by what was known before it; what it saw is known after it."""
    agent, count = agent_of(11, 3, 8, 4), 3
    agent.norm.update(torch.randn(50, 11, dtype=torch.float64))
    known = deepcopy(agent.norm)
    with torch.no_grad():
        rollout = agent.explore(Experience(BatchedMujoco("Hopper-v5", count), [1, 2, 3], horizon=60))
        means = torch.stack([agent.network.mean(each) for each in rollout.observations])
        torch.testing.assert_close(rollout.log_probabilities, Normal(means, 0.5).log_prob(rollout.actions).sum(-1))
        assert (rollout.actions - means).std() == pytest.approx(0.5, rel=0.1)
    again, seen, steps = Experience(BatchedMujoco("Hopper-v5", count), [1, 2, 3], horizon=60), [], []
    for actions in rollout.actions:
        seen.append(again.observations)
        steps.append(again.step(actions))
    ended = torch.stack([step.ended for step in steps])
    assert ended.any()
    assert torch.equal(rollout.ended, ended)
    assert torch.equal(rollout.terminated, torch.stack([step.terminated for step in steps]))
    assert torch.equal(rollout.observations, known(torch.stack(seen)))
    assert torch.equal(rollout.last, known(again.observations))
    assert torch.equal(rollout.final, known(torch.stack([step.successors for step in steps])[ended]))
    rewards = torch.stack([step.rewards for step in steps])
    torch.testing.assert_close(rollout.rewards / rollout.rewards[0, 0], rewards / rewards[0, 0])
    known.update(torch.cat(seen))
    assert torch.equal(agent.norm.mean, known.mean)


def test_each_epoch_goes_through_the_rollout_anew():
    """Two of two updates each; the returns that the second learns are those of the value function by then."""
    agent, told = agent_of(5, 2, 8, 1), []
    agent._trainer = SimpleNamespace(global_step=0, estimated_stepping_batches=1)
    agent.epoch = lambda rows, *more: (told.append(rows), agent.torch_epoch(rows, *more))
    optimizer = agent.configure_optimizers()
    with torch.no_grad():
        agent.improve(two_steps(), optimizer, 0.01)
    first, second = told
    assert adam_state(optimizer, agent.vector)[0] == 4
    assert torch.equal(first[:, :-2], second[:, :-2])
    assert first[0, -1] != second[0, -1]


@pytest.mark.parametrize("ratio", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_lost(ratio, agent):
    """Such a ratio would pass for one beyond the clip, and the agent would act on as if nothing were wrong."""
    rows = rows_of(agent, 4)
    rows[2, -3], rows[2, -2] = -ratio, 1
    with torch.no_grad():
        agent.epoch(
            rows, torch.arange(4), 0.01, agent.vector.detach(), adam_state(agent.configure_optimizers(), agent.vector)
        )
    assert not agent.vector.isfinite().any()


def test_without_a_compiler_torch_learns(monkeypatch):
    monkeypatch.setattr(ppo, "compiler", lambda: None)
    agent = agent_of(5, 2, 8, 4)
    assert agent.epoch == agent.torch_epoch


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo error: no header >&2; exit 1", r"c\+\+ does not compile ppo_epoch.cpp: error: no header. .* in CXX"),
        ("exit 3", r"does not compile ppo_epoch.cpp: it ends with 3. "),
        ('for last; do :; done; echo no library > "$last"', r"ppo_epoch.so: .* Name a folder .* in TMPDIR"),
    ],
)
def test_a_compiler_that_fails_is_named(script, message, monkeypatch, tmp_path):
    broken = tmp_path / "c++"
    broken.write_text(f"#!/bin/sh\n{script}\n")
    broken.chmod(0o755)
    monkeypatch.setattr(ppo, "compiler", lambda: str(broken))
    with pytest.raises(UserError, match=message):
        _ = agent_of(5, 2, 8, 4).epoch
