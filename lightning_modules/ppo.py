"""Proximal policy optimisation (Schulman et al., 2017, arXiv 1707.06347) of a Gaussian policy of torques."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad

from datamodules.locomotion import Experience, Transition
from lightning_modules.agent import Agent
from lightning_modules.flat import adam_state, adam_step, clipped, compiled, flatten, unflatten
from lightning_modules.networks.actor_critic import ActorCritic, log_probability
from lightning_modules.networks.normalisation import ReturnScale, RunningNorm
from lightning_modules.returns import advantages, successive_values


class RolloutAdam(torch.optim.Adam):
    """One `step` is all the updates that a rollout is used for, so that Lightning's `global_step` counts rollouts."""

    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Runs the updates, each of which is a step of Adam."""
        assert closure is not None
        closure()


@dataclass(frozen=True)
class Rollout:
    """T steps of N environments: observations [T, N, o], actions [T, N, a], and `last` [N, o] to act on next."""

    observations: Tensor
    actions: Tensor
    steps: list[Transition]
    last: Tensor


class PPO(Agent):
    """The agent and its recipe.

    Args:
        width: of the hidden layers.
        deviation: of the torques that the policy begins with; they range from -1 to 1.
        learning_rate: of the first rollout; it falls linearly to zero.
        epochs: times a rollout is gone through.
        minibatch: steps in an update.
        discount: gamma.
        trace: lambda of the advantage estimates.
        clip: epsilon of the clipped objective.
        value_weight: of the value function's squared error.
        largest_gradient: norm that gradients are clipped to.
    """

    norm: RunningNorm
    network: ActorCritic

    def __init__(
        self, width: int, deviation: float, learning_rate: float, epochs: int, minibatch: int, discount: float,
        trace: float, clip: float, value_weight: float, largest_gradient: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.width, self.deviation = width, deviation
        self.learning_rate, self.epochs, self.minibatch = learning_rate, epochs, minibatch
        self.discount, self.trace, self.clip = discount, trace, clip
        self.value_weight, self.largest_gradient = value_weight, largest_gradient

    def build(self, observations: int, actions: int, environments: int) -> None:
        """The normalisation and the networks."""
        self.norm = RunningNorm(observations)
        self.reward_scale = ReturnScale(self.discount, environments)
        self.network = ActorCritic(observations, actions, self.width, self.deviation)
        self.vector = flatten(self.network)
        self.sizes = [observations, actions, 1, 1, 1]
        self.update = compiled(self._update)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with PPO's usual epsilon."""
        return RolloutAdam([self.vector], lr=self.learning_rate, eps=1e-5)

    def policy(self, observations: Tensor) -> Tensor:
        """The mean of the policy's distribution."""
        mean: Tensor = self.network(self.norm(observations))[0]
        return mean

    @torch.no_grad()
    def training_step(self, batch: Experience, batch_idx: int) -> None:
        """Acts for one rollout and learns from it."""
        rollout = self.explore(batch)
        rows = self.rows(rollout)
        optimizer: Any = self.optimizers()
        rate = self.learning_rate * (1 - self.global_step / self.trainer.estimated_stepping_batches)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step(closure=lambda: self.improve(rows, optimizer.optimizer, torch.tensor(rate)))
        self.norm.update(rollout.observations.flatten(0, 1))
        self.count(batch)

    def explore(self, experience: Experience) -> Rollout:
        """Acts at random, as the policy says, for one horizon."""
        count, size = experience.environments.num_envs, self.sizes[1]
        noise = torch.randn(experience.horizon, count, size)
        observations, actions, steps = [], [], []
        for drawn in noise:
            observations.append(experience.observations)
            mean, log_deviation, _ = self.network(self.norm(experience.observations))
            actions.append(mean + log_deviation.exp() * drawn)
            steps.append(experience.step(actions[-1]))
        return Rollout(torch.stack(observations), torch.stack(actions), steps, experience.observations)

    def rows(self, rollout: Rollout) -> Tensor:
        """Observation, action, log probability, advantage and return of each step [T * N, o + a + 3]."""
        normal = self.norm(rollout.observations)
        mean, log_deviation, values = self.network(normal.flatten(0, 1))
        shape = normal.shape[:2]
        values = values.view(shape)
        steps = rollout.steps
        terminated, ended = (torch.stack([getattr(s, key) for s in steps]) for key in ("terminated", "ended"))
        successors = torch.stack([step.successors for step in steps])
        final = self.network(self.norm(successors[ended]))[2]
        following = successive_values(values, self.network(self.norm(rollout.last))[2], ended, final)
        rewards = self.reward_scale(torch.stack([step.rewards for step in steps]), ended)
        found = advantages(rewards, values, following, terminated, ended, self.discount, self.trace)
        standard = (found - found.mean()) / (found.std() + 1e-8)
        log_probabilities = log_probability(rollout.actions.flatten(0, 1), mean, log_deviation)
        columns = [rollout.actions.flatten(0, 1), log_probabilities[:, None], standard.view(-1, 1)]
        return torch.cat([normal.flatten(0, 1), *columns, (found + values).view(-1, 1)], dim=1)

    def improve(self, rows: Tensor, optimizer: torch.optim.Adam, rate: Tensor) -> None:
        """All the updates of one rollout."""
        state = adam_state(optimizer, self.vector)
        vector = self.vector.detach()
        for _ in range(self.epochs):
            for minibatch in rows[torch.randperm(len(rows))].split(self.minibatch):
                self.update(vector, state, rate, minibatch)

    def _update(self, vector: Tensor, state: tuple[Tensor, Tensor, Tensor], rate: Tensor, rows: Tensor) -> None:
        gradient = clipped(grad(self.loss)(vector, rows), self.largest_gradient)
        adam_step(vector, gradient, state, rate, epsilon=1e-5)

    def loss(self, vector: Tensor, rows: Tensor) -> Tensor:
        """The clipped objective (eq. 7 of the paper) and the value function's error, to be minimised."""
        observations, actions, old, advantage, target = rows.split(self.sizes, dim=1)
        mean, log_deviation, values = functional_call(self.network, unflatten(self.network, vector), (observations,))
        ratio = (log_probability(actions, mean, log_deviation) - old[:, 0]).exp()
        gain = torch.min(ratio * advantage[:, 0], ratio.clamp(1 - self.clip, 1 + self.clip) * advantage[:, 0]).mean()
        return self.value_weight * (values - target[:, 0]).square().mean() - gain
