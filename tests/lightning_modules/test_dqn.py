"""Targets, exploration and updates of DQN against numbers worked by hand and against a plain loop."""

from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from datamodules.experience import Experience
from lightning_modules.dqn import DQN
from lightning_modules.returns import targets
from lightning_modules.schedules import chance


def recipe(**changes):
    values = {
        "widths": [8, 6], "double_q": True, "epsilon": 0.05, "exploration": 100, "warm_up": 8, "updates": 1, "batch": 4,
        "capacity": 50, "steps": 1, "discount": 0.9, "learning_rate": 0.01, "last_learning_rate": 0.01,
        "largest_gradient": 0.5, "period": 6,
    }  # fmt: skip
    return DQN(**values | changes)


@pytest.fixture
def agent():
    torch.manual_seed(0)
    agent = recipe()
    agent.build(5, 3, 2)
    return agent


def test_targets_by_hand():
    returns, discounts = torch.tensor([1.0, 2, 3]), torch.tensor([0.5, 0.5, 0])  # the third state is terminal
    learning = torch.tensor([[1.0, 2], [4, 3], [0, 9]])
    behind = torch.tensor([[10.0, 6], [4, 8], [7, 7]])
    # The learning network would take actions 1, 0, 1, which the other values at 6, 4, 7.
    assert targets(returns, discounts, learning, behind, double=True).tolist() == [1 + 3, 2 + 2, 3]
    # The other would itself take 0, 1, worth 10 and 8.
    assert targets(returns, discounts, learning, behind, double=False).tolist() == [1 + 5, 2 + 4, 3]


def test_exploration_by_hand():
    # From 1 to 0.05 within 2000 steps: half-way 0.525.
    assert [chance(lived, 2000, 0.05) for lived in (0, 1000, 2000, 9000)] == pytest.approx([1, 0.525, 0.05, 0.05])


def test_random_actions_come_as_often_as_they_should(agent):
    torch.manual_seed(1)
    observations = torch.randn(2, 5)
    greedy = agent.policy(observations)
    drawn = torch.stack([agent.explore(observations, 0.3) for _ in range(6000)])
    # One random action in three is the greedy one.
    assert (drawn != greedy).float().mean(0).tolist() == pytest.approx([0.2, 0.2], abs=0.02)
    assert set(drawn.ravel().tolist()) == {0, 1, 2}
    assert torch.equal(agent.explore(observations, 0.0), greedy)


class Road:
    """Two environments that make up a story: car 0 crashes at every fifth step, car 1 is stopped at every third."""

    num_envs, sizes, least, most = 2, (5, 3), 0, 2

    def reset(self, seed):
        self.random, self.time, self.told = np.random.default_rng(seed), 0, []
        return self.look(), {}

    def look(self):
        return self.random.standard_normal((2, 5)).astype(np.float32)

    def step(self, actions):
        self.time += 1
        self.told.append(actions.tolist())
        terminated, truncated = np.array([self.time % 5 == 0, False]), np.array([False, self.time % 3 == 0])
        final = np.empty(2, object)
        for car, seen in enumerate(self.look()):
            final[car] = seen
        return self.look(), self.random.random(2), terminated, truncated, {"final_obs": final}


def plain_loop(agent, road, steps):
    """DQN as its authors wrote it down, an environment step at a time; returns the weights of both networks."""
    network = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    for ours, theirs in zip(network.parameters(), agent.network.parameters(), strict=True):
        ours.data = theirs.detach().clone()
    target, optimizer, memory, lived = deepcopy(network), torch.optim.Adam(network.parameters(), lr=0.01), [], 0
    seen, _ = road.reset(seed=7)
    torch.manual_seed(3)
    for _ in range(steps):
        epsilon = 1.0 if lived < 8 else max(0.05, 1 - 0.95 * lived / 100)
        drawn, lot = torch.randint(3, (2,)), torch.rand(2)
        greedy = network(torch.from_numpy(seen)).argmax(-1)
        actions = [int(drawn[car] if lot[car] < epsilon else greedy[car]) for car in range(2)]
        following, rewards, crashed, stopped, infos = road.step(np.array(actions))
        for car in range(2):
            led = infos["final_obs"][car] if crashed[car] or stopped[car] else following[car]
            memory.append((seen[car], actions[car], rewards[car], led, not crashed[car]))
        seen = following
        for _ in range(2):
            lived += 1
            if lived % 6 == 0:
                target = deepcopy(network)
            if lived > 8:
                loss = 0
                for place in torch.randint(len(memory), (4,)).tolist():
                    state, action, reward, led, goes_on = memory[place]
                    with torch.no_grad():
                        best = network(torch.from_numpy(led)).argmax()
                        found = reward + 0.9 * goes_on * target(torch.from_numpy(led))[best]
                    loss += nn.functional.smooth_l1_loss(network(torch.from_numpy(state))[action], found.float()) / 4
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 0.5)
                optimizer.step()
    return network, target


def test_it_learns_as_a_plain_loop_does(agent):
    road = Road()
    network, target = plain_loop(agent, road, 20)
    theirs = road.told
    torch.manual_seed(3)
    experience = Experience(road, 7, horizon=10)
    before, optimizer = deepcopy(agent.network.state_dict()), agent.configure_optimizers()
    for _ in range(2):
        agent.live(experience, optimizer)
        agent.env_steps += 20
    assert road.told == theirs
    for ours, expected in ((agent.network.state_dict(), network), (agent.target, target)):
        for mine, (name, weight) in zip(ours.values(), expected.state_dict().items(), strict=True):
            torch.testing.assert_close(mine, weight, rtol=1e-3, atol=1e-5, msg=name)
    assert (agent.network.state_dict()["layers.4.bias"] - before["layers.4.bias"]).abs().max() > 0.05
    assert len(agent.replay) == 40
    assert agent.replay.kept.columns["discounts"][:40].unique().tolist() == pytest.approx([0, 0.9])


def test_learning_goes_on_from_a_checkpoint_and_its_weights_have_no_more_than_the_policy(agent):
    road, other = Road(), recipe()
    other.build(5, 3, 2)
    experience, optimizer = Experience(road, 7, horizon=6), agent.configure_optimizers()
    agent.live(experience, optimizer)
    checkpoint = {}
    agent.on_save_checkpoint(checkpoint)
    other.on_load_checkpoint(checkpoint)
    assert other.replay.kept.added == 12
    assert other.to_come(0.25) == 36 * (2 * 5 * 4 + 1 + 2 * 4), "a transition has two observations of five numbers"
    assert all(torch.equal(other.target[name], weight) for name, weight in agent.target.items())
    other.on_load_checkpoint({})
    assert not any("target" in name for name in agent.state_dict())


def test_a_test_tells_of_both_drivers(agent):
    batch = SimpleNamespace(seeds=[1, 3], first=50, predictions=lambda played: [played, "beside"])
    agent.play = lambda episodes: f"played {episodes.seeds}"
    assert agent.test_step(batch, 0) == {"index": [50, 51], "predictions": ["played [1, 3]", "beside"]}


@pytest.mark.parametrize(("last", "rates"), [(0.01, [0.01, 0.01, 0.01]), (0.002, [0.01, 0.008, 0.004])])
def test_the_learning_rate_goes_in_a_straight_line(agent, last, rates):
    agent.last_learning_rate, optimizer, seen = last, agent.configure_optimizers(), []
    for step in (0, 25, 75):
        agent._trainer = SimpleNamespace(global_step=step, estimated_stepping_batches=100)
        agent.anneal(optimizer, agent.learning_rate, agent.last_learning_rate)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx(rates)
