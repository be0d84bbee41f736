"""The compiled update against torch's own modules, losses and optimizer, one by one."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from lightning_modules import flat
from lightning_modules.flat import Flat, adam_state
from lightning_modules.networks.actor_critic import ActorCritic, log_probability
from lightning_modules.ppo import PPO


@pytest.fixture
def agent():
    torch.manual_seed(0)
    agent = PPO(
        width=8, deviation=0.5, learning_rate=0.01, epochs=2, minibatch=4, discount=0.99, trace=0.95, clip=0.2,
        value_weight=0.5, largest_gradient=0.5,
    )  # fmt: skip
    agent.build(5, 2, 3)
    return agent


def rows_of(agent, count):
    """Rows of an agent that has moved on since: ratios on both sides of the clip."""
    observations, noise = torch.randn(count, 5), torch.randn(count, 2)
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
    network = ActorCritic(5, 2, 8, 0.5)
    network.load_state_dict(agent.network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, eps=1e-5)
    for part in rows.split(4):
        observations, actions, old, advantage, target = part.split([5, 2, 1, 1, 1], dim=1)
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


@pytest.mark.parametrize("way", ["compiled", "eager"])
def test_updates_are_those_of_plain_torch(way, agent, monkeypatch):
    if way == "compiled" and flat.compiler() is None:
        pytest.skip("no C++ compiler")
    if way == "eager":
        monkeypatch.setattr(flat, "compiler", lambda: None)
        agent.update = flat.compiled(agent._update)
        assert agent.update == agent._update
    rows = rows_of(agent, 20)
    expected = reference_updates(agent, rows)
    before = agent.vector.clone()
    optimizer = agent.configure_optimizers()
    state = adam_state(optimizer, agent.vector)
    with torch.no_grad():
        for part in rows.split(4):
            agent.update(agent.vector.detach(), state, torch.tensor(0.01), part)
    torch.testing.assert_close(agent.vector.detach(), expected, rtol=1e-4, atol=1e-6)
    assert (agent.vector - before).abs().max() > 0.02, "five steps of about 0.01 each"
    assert state[0] == 5
