"""Q-learning of one action among a few: DQN (Mnih et al., 2015) and double DQN (van Hasselt et al., 2016)."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import smooth_l1_loss
from torch.nn.utils import clip_grad_norm_

from benchmarks.checkpointing import LEARNING
from datamodules.environments.drives import Drives
from datamodules.experience import Experience
from lightning_modules.agent import Agent, StepAdam
from lightning_modules.networks.action_values import ActionValues
from lightning_modules.positive import require_positive
from lightning_modules.replay import Replay
from lightning_modules.returns import targets
from lightning_modules.schedules import chance


class DQN(Agent):
    """The agent and its recipe.

    Args:
        widths: of the hidden layers.
        double_q: whether the action to learn from is chosen by the learning network.
        epsilon: chance of a random action, once exploration is over.
        exploration: environment steps within which that chance falls from 1.
        warm_up: environment steps of random actions before the first update.
        updates: after each environment step.
        batch: transitions in an update.
        capacity: transitions remembered.
        steps: n of the n-step returns.
        discount: gamma.
        learning_rate: of Adam, at first.
        largest_gradient: norm that gradients are clipped to.
        period: environment steps after which the target network takes over the weights.
        last_learning_rate: which the learning rate comes to in a straight line; it stays as it is where None.
    """

    unlogged = ("crash_above_idm", "return_above_idm")  # of drives that are predictions as they were driven
    network: ActionValues

    def __init__(  # noqa: PLR0913, PLR0917 (a recipe: each value has a name in the YAML)
        self, widths: list[int], double_q: bool, epsilon: float, exploration: int, warm_up: int, updates: int,
        batch: int, capacity: int, steps: int, discount: float, learning_rate: float, largest_gradient: float,
        period: int, last_learning_rate: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        require_positive(exploration=exploration, updates=updates, batch=batch, capacity=capacity, steps=steps)
        require_positive(learning_rate=learning_rate, period=period)
        self.widths, self.double_q = widths, double_q
        self.epsilon, self.exploration, self.warm_up = epsilon, exploration, warm_up
        self.updates, self.batch, self.capacity = updates, batch, capacity
        self.steps, self.discount = steps, discount
        self.learning_rate = learning_rate
        self.last_learning_rate = learning_rate if last_learning_rate is None else last_learning_rate
        self.largest_gradient, self.period = largest_gradient, period

    @property
    def compiled(self) -> None:
        """Updates are not: the simulator takes several times as long."""

    def build(self, observations: int, actions: int, environments: int) -> None:
        """The network, the weights it is held against, and the memory."""
        self.network, self.actions = ActionValues(observations, actions, self.widths), actions
        self.target = deepcopy(self.network.state_dict())
        self.replay = Replay(self.capacity, self.steps, self.discount)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over the network's weights."""
        return StepAdam(self.network.parameters(), lr=self.learning_rate, fused=True)

    def to_come(self, share: float) -> int:
        """Bytes of the transitions that it will remember more than now."""
        return self.replay.kept.to_come(share)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what only learning needs: what was lived through, and the weights of the target network."""
        checkpoint[LEARNING] = {"replay": self.replay.state(), "target": self.target}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes it up again; a file of weights has none."""
        if LEARNING in checkpoint:
            self.replay.restore(checkpoint[LEARNING]["replay"])
            self.target = checkpoint[LEARNING]["target"]

    def policy(self, observations: Tensor) -> Tensor:
        """The actions [n] of greatest value."""
        values: Tensor = self.network(observations)
        return values.argmax(-1)

    def training_step(self, batch: Experience, batch_idx: int) -> None:
        """Acts for one horizon, and learns all along."""
        optimizer: Any = self.optimizers()
        self.anneal(optimizer, self.learning_rate, self.last_learning_rate)
        optimizer.step(closure=lambda: self.live(batch, optimizer.optimizer))
        self.count(batch)

    def live(self, experience: Experience, optimizer: StepAdam) -> None:
        """Steps all environments, horizon times, with the updates that are due for each of their steps."""
        lived = int(self.env_steps)
        for _ in range(experience.horizon):
            self.act(experience, lived)
            for _ in range(experience.environments.num_envs):
                lived += 1
                if lived % self.period == 0:
                    self.target = deepcopy(self.network.state_dict())
                for _ in range(self.updates if lived > self.warm_up else 0):
                    self.learn(optimizer)

    @torch.no_grad()
    def act(self, experience: Experience, lived: int) -> None:
        """One step of all environments, which is remembered."""
        observations = experience.observations
        epsilon = 1.0 if lived < self.warm_up else chance(lived, self.exploration, self.epsilon)
        chosen = self.explore(observations, epsilon)
        self.replay.add(observations, chosen[:, None], experience.step(chosen))

    def explore(self, observations: Tensor, epsilon: float) -> Tensor:
        """Actions [N]: the greedy ones, but where chance has it, random ones."""
        drawn = torch.randint(self.actions, (len(observations),))
        return torch.where(torch.rand(len(observations)) < epsilon, drawn, self.policy(observations))

    def learn(self, optimizer: StepAdam) -> None:
        """One update from what is remembered."""
        observations, actions, returns, successors, discounts = self.replay.sample(self.batch)
        with torch.no_grad():
            behind: Tensor = functional_call(self.network, self.target, successors)
            values = self.network(successors) if self.double_q else behind
            found = targets(returns, discounts, values, behind, self.double_q)
        loss = smooth_l1_loss(self.network(observations).gather(-1, actions.long()).squeeze(-1), found)
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(self.network.parameters(), self.largest_gradient)
        optimizer.update()

    def validation_step(self, batch: Drives, batch_idx: int) -> None:  # type: ignore[override]
        """Logs the mean return and how many of a hundred episodes end in a crash."""
        played, count = self.play(batch), len(batch.seeds)
        self.log("val/return", float(played.returns.mean()), batch_size=count, prog_bar=True)
        self.log("val/crash", 100 * float(played.terminated.mean()), batch_size=count, prog_bar=True)
