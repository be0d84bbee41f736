"""The compiled update against torch's own modules, losses and optimizer; what is remembered; what is explored."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.checkpointing import AtomicCheckpointIO
from datamodules.experience import Experience, Transition
from lightning_modules import flat
from lightning_modules.decqn import DecQN
from lightning_modules.flat import adam_state
from lightning_modules.replay import COLUMNS, Replay


def made(levels=3):
    return DecQN(
        width=8, levels=levels, critics=2, epsilon=0.5, ladder=3.0, warm_up=0, period=8, batch=4, capacity=50, steps=2,
        discount=0.9, reward_scale=0.1, learning_rate=0.01, polyak=0.05, averaging=0.25,
    )  # fmt: skip


@pytest.fixture
def agent():
    torch.manual_seed(0)
    agent = made()
    agent.build(5, 2, 4)
    agent.on_fit_start()
    return agent


class Critic(nn.Module):
    """One of the agent's critics, of torch's layers."""

    def __init__(self, network, index):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 6)
        )
        stacked = ((0, network.first, network.first_bias), (3, network.second, network.second_bias))
        for place, weight, bias in (*stacked, (6, network.head, network.head_bias)):
            self.layers[place].weight.data = weight[index].T.detach().clone()
            self.layers[place].bias.data = bias[index, 0].detach().clone()

    def forward(self, observations):
        return self.layers(observations).view(-1, 2, 3)


def value(critic, observations, levels):
    """Q(s, a), the joints one by one."""
    values = critic(observations)
    rows = torch.arange(len(levels))
    return (values[rows, 0, levels[:, 0]] + values[rows, 1, levels[:, 1]]) / 2


def reference(critics, targets, batches):
    """The same updates in plain torch; returns the weights of both networks' last layers, and the critics' by step."""
    steps = []
    optimizer = torch.optim.Adam([weight for critic in critics for weight in critic.parameters()], lr=0.01)
    for observations, levels, returns, successors, discounts in batches:
        with torch.no_grad():
            mean = sum(critic(successors) for critic in critics) / 2
            best = mean.argmax(-1)
            least = torch.minimum(*[value(target, successors, best) for target in targets])
            found = 0.1 * returns + discounts * least
        loss = sum(nn.functional.mse_loss(value(critic, observations, levels.long()), found) for critic in critics)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for critic, target in zip(critics, targets, strict=True):
            for new, old in zip(critic.parameters(), target.parameters(), strict=True):
                old.data = 0.95 * old.data + 0.05 * new.data
        steps.append(torch.stack([critic.layers[6].weight.T for critic in critics]).detach().clone())
    return [*[torch.stack([each.layers[6].weight.T for each in group]).detach() for group in (critics, targets)], steps]


@pytest.mark.parametrize("way", [pytest.param("compiled", marks=pytest.mark.slow), "eager"])
def test_updates_are_those_of_plain_torch(way, agent, monkeypatch):
    if way == "compiled" and flat.compiler() is None:
        pytest.skip("no C++ compiler")
    if way == "eager":
        monkeypatch.setattr(flat, "compiler", lambda: None)
        agent.update = flat.compiled(agent._update)
    batches = [
        (torch.randn(4, 5), torch.randint(3, (4, 2), dtype=torch.uint8), torch.randn(4), torch.randn(4, 5),
         torch.tensor([0.81, 0.0, 0.9, 0.81]))
        for _ in range(5)
    ]  # fmt: skip
    critics, targets = ([Critic(agent.network, index) for index in range(2)] for _ in range(2))
    before = agent.network.head.detach().clone()
    expected, expected_target, steps = reference(critics, targets, batches)
    state = adam_state(agent.configure_optimizers(), agent.vector)
    with torch.no_grad():
        for batch in batches:
            agent.update(agent.vector.detach(), agent.target, agent.mean, state, *batch)
    torch.testing.assert_close(agent.network.head.detach(), expected, rtol=1e-3, atol=1e-5)
    assert (agent.network.head - before).abs().max() > 0.02, "five steps of about 0.01 each"
    agent.vector.detach().copy_(agent.target)
    torch.testing.assert_close(agent.network.head.detach(), expected_target, rtol=1e-3, atol=1e-5)
    # The mean of the first four (1 / 4 is the share from there on), and a quarter of the fifth.
    agent.vector.detach().copy_(agent.mean)
    expected_mean = 0.75 * sum(steps[:4]) / 4 + 0.25 * steps[4]
    torch.testing.assert_close(agent.network.head.detach(), expected_mean, rtol=1e-3, atol=1e-5)


def test_the_policy_takes_the_levels_that_the_critics_mean_values_most(agent):
    observations = torch.randn(7, 5, dtype=torch.float64)
    mean = sum(Critic(agent.network, index)(observations.float()) for index in range(2))
    torques = agent.policy(observations)
    assert torch.equal(torques, mean.argmax(-1).float() - 1)
    assert len(torques.unique()) > 1
    agent.vector.detach().neg_()
    assert torch.equal(agent.policy(observations), torques), "judged by the mean of the weights, not by the last ones"
    agent.mean = None
    assert not torch.equal(agent.policy(observations), torques)


def test_each_environment_explores_with_a_chance_of_its_own(agent):
    assert agent.chances.tolist() == pytest.approx([0.5, 0.25, 0.125, 0.0625])
    torch.manual_seed(0)
    observations = torch.randn(4, 5, dtype=torch.float64)
    greedy = agent.greedy(observations)
    other = torch.stack([(agent.explore(observations, random=False) != greedy).any(1) for _ in range(4000)])
    # A random choice of two levels out of three each is the greedy one in a ninth of all cases.
    assert other.float().mean(0).tolist() == pytest.approx([p * 8 / 9 for p in agent.chances.tolist()], abs=0.025)
    assert (agent.explore(observations.expand(4, 5), random=True) != greedy).any()


def lived(replay, count):
    """Steps 0, 1, 2 ... of two robots: robot r sees 10 r + t, does t modulo 3, earns t; robot 1 falls at t = 2."""
    for t in range(count):
        fell = torch.tensor([False, t == 2])
        seen = torch.tensor([[float(t)], [10.0 + t]])
        step = Transition(torch.full((2,), float(t)), seen + 1, fell, fell)
        replay.add(seen, torch.full((2, 1), t % 3), step)


def test_a_transition_is_kept_once_its_steps_are_over():
    replay = Replay(capacity=100, steps=2, discount=0.5)
    lived(replay, 5)
    assert len(replay) == 8
    kept = {name: replay.kept.columns[name][:8].view(4, 2).T.tolist() for name in COLUMNS}
    assert kept["observations"] == [[0, 1, 2, 3], [10, 11, 12, 13]]
    assert kept["levels"] == [[0, 1, 2, 0]] * 2
    assert kept["returns"] == [[0.5, 2, 3.5, 5], [0.5, 2, 2, 5]]
    assert kept["successors"] == [[2, 3, 4, 5], [12, 13, 13, 15]]
    assert kept["discounts"] == [[0.25, 0.25, 0.25, 0.25], [0.25, 0, 0, 0.25]]


def test_levels_are_no_more_than_the_memory_tells_apart():
    last = torch.tensor([[made(256).levels - 1]])
    replay = Replay(capacity=1, steps=1, discount=0.9)
    replay.add(torch.zeros(1, 1), last, Transition(torch.ones(1), torch.zeros(1, 1), *[torch.zeros(1, dtype=bool)] * 2))
    assert replay.kept.columns["levels"].tolist() == [[255]]
    with pytest.raises(ValueError, match=r"^levels is 257; it is at most 256, as the memory keeps a byte of each$"):
        made(257)


def test_the_oldest_give_way():
    replay = Replay(capacity=6, steps=1, discount=0.5)
    lived(replay, 5)
    assert len(replay) == 6
    assert sorted(replay.kept.columns["observations"].ravel().tolist()) == [2, 3, 4, 12, 13, 14]
    torch.manual_seed(0)
    observations, levels, returns, successors, discounts = replay.sample(500)
    assert set(observations.ravel().tolist()) == {2, 3, 4, 12, 13, 14}
    assert torch.equal(successors, observations + 1)
    assert torch.equal(levels.ravel().float(), returns % 3)
    assert torch.equal(discounts == 0, observations.ravel() == 12)


@pytest.mark.parametrize(("capacity", "rows"), [(300, 300), (5000, 800)])
def test_a_memory_says_early_how_large_its_checkpoint_will_be(capacity, rows, tmp_path):
    def saved():
        AtomicCheckpointIO().save_checkpoint(replay.state(), tmp_path / "memory")
        return (tmp_path / "memory").stat().st_size

    replay = Replay(capacity, steps=1, discount=0.5)
    lived(replay, 20)
    early = saved() + replay.kept.to_come(20 / 400)
    lived(replay, 380)
    assert (len(replay), replay.kept.to_come(1.0)) == (rows, 0)
    assert saved() == pytest.approx(early, abs=64 * len(COLUMNS)), "where torch makes columns begin"


def test_saving_a_memory_takes_no_other_memory_and_of_its_own_only_what_is_filled():
    replay = Replay(capacity=100, steps=1, discount=0.5)
    lived(replay, 3)
    for name, saved in replay.state()["columns"].items():
        assert saved.data_ptr() == replay.kept.columns[name].data_ptr(), name
        assert saved.untyped_storage().nbytes() == saved.nbytes == 6 * replay.kept.columns[name][0].nbytes, name


def test_a_memory_goes_on_from_its_state():
    one, other = (Replay(capacity=7, steps=3, discount=0.5) for _ in range(2))
    lived(one, 6)
    other.restore(one.state())
    for replay in (one, other):
        lived(replay, 2)
    assert one.kept.added == other.kept.added
    for name in COLUMNS:
        assert torch.equal(one.kept.columns[name], other.kept.columns[name]), name


def test_a_checkpoint_holds_the_weights_that_are_judged_and_learning_goes_on_with_the_last(agent):
    agent.mean.copy_(torch.randn_like(agent.mean))
    observations = torch.randn(7, 5, dtype=torch.float64)
    mean, last, torques = agent.mean.clone(), agent.vector.detach().clone(), agent.policy(observations)
    checkpoint = {"state_dict": agent.state_dict()}
    agent.on_save_checkpoint(checkpoint)
    saved = dict(checkpoint["state_dict"])
    agent.vector.detach().zero_()
    agent.on_load_checkpoint({"state_dict": saved})  # of weights alone, as they are watched too
    agent.load_state_dict(saved)
    assert torch.equal(agent.policy(observations), torques)
    assert torch.equal(agent.vector, mean)
    checkpoint["learning"]["last"] = last
    agent.on_load_checkpoint(checkpoint)
    agent.load_state_dict(checkpoint["state_dict"])
    assert torch.equal(agent.vector, last)
    assert torch.equal(agent.mean, mean)
    assert torch.equal(agent.policy(observations), torques)


class Robots:
    """Four that always see the same and never fall; `told` are their torques."""

    num_envs, sizes, least, most = 4, (5, 2), -1, 1

    def reset(self, seed):
        self.told = []
        return np.zeros((4, 5)), {}

    def step(self, actions):
        self.told.append(actions.tolist())
        never = np.zeros(4, np.bool_)
        return np.zeros((4, 5)), np.ones(4), never, never, {}


def test_it_acts_at_random_until_the_warm_up_is_over_and_learns_from_then_on(agent):
    """Two steps of four robots are the eight; of all 24, 24 // 3 - 8 // 3 updates are due after them."""
    agent.warm_up, agent.period, agent.chances, agent.update = 8, 3, torch.zeros(4), agent._update
    robots, optimizer = Robots(), agent.configure_optimizers()
    with torch.no_grad():
        agent.live(Experience(robots, [0] * 4, horizon=6), optimizer)
    assert adam_state(optimizer, agent.vector)[0] == 6
    assert [all(each == told[0] for each in told) for told in robots.told] == [False] * 2 + [True] * 4
