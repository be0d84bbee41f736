"""Proximal policy optimisation (Schulman et al., 2017, arXiv 1707.06347) of a Gaussian policy of torques."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.func import grad

from benchmarks.errors import UserError
from datamodules.experience import Experience, Transition
from lightning_modules.agent import Agent, StepAdam
from lightning_modules.flat import Flat, adam_state, adam_step, clipped, compiler
from lightning_modules.networks.actor_critic import ActorCritic, log_probability
from lightning_modules.networks.normalisation import ReturnScale, RunningNorm
from lightning_modules.positive import require_positive
from lightning_modules.ppo_epoch import Epoch, native_epoch
from lightning_modules.returns import advantages, successive_values


@dataclass(frozen=True)
class Rollout:
    """T steps of N environments, observations normalised as they were when the policy saw them.

    `observations` [T, N, o], `actions` [T, N, a] with their `log_probabilities` [T, N] then, scaled `rewards` [T, N],
    `terminated` and `ended` [T, N], `final` [E, o]: the last observations of the E episodes that ended, in the order of
    time, then environment; `last` [N, o]: what to act on next.
    """

    observations: Tensor
    actions: Tensor
    log_probabilities: Tensor
    rewards: Tensor
    terminated: Tensor
    ended: Tensor
    final: Tensor
    last: Tensor


class PPO(Agent):
    """The agent and its recipe.

    Args:
        width: of the hidden layers.
        deviation: of the torques that the policy begins with; they range from -1 to 1.
        learning_rate: of the first rollout; it falls linearly to zero.
        epochs: times a rollout is gone through.
        minibatch: steps in an update.
        discount: gamma of the first rollout.
        last_discount: that it rises to linearly (Francois-Lavet et al. 2015, arXiv 1512.02011: a horizon that grows);
            it stays where None.
        trace: lambda of the advantage estimates.
        clip: epsilon of the clipped objective.
        value_weight: of the value function's squared error.
        largest_gradient: norm that gradients are clipped to.
        observed: how many numbers of an observation the networks are given, the first ones; all where None.
    """

    norm: RunningNorm
    network: ActorCritic

    def __init__(
        self, width: int, deviation: float, learning_rate: float, epochs: int, minibatch: int, discount: float,
        trace: float, clip: float, value_weight: float, largest_gradient: float, last_discount: float | None = None,
        observed: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        require_positive(width=width, learning_rate=learning_rate, epochs=epochs, minibatch=minibatch)
        self.width, self.deviation = width, deviation
        self.learning_rate, self.epochs, self.minibatch = learning_rate, epochs, minibatch
        self.discount, self.last_discount = discount, discount if last_discount is None else last_discount
        self.trace, self.clip = trace, clip
        self.value_weight, self.largest_gradient = value_weight, largest_gradient
        self.observed = observed

    def build(self, observations: int, actions: int, environments: int) -> None:
        """The normalisation and the networks."""
        self.norm = RunningNorm(observations, self.observed)
        self.reward_scale = ReturnScale(self.discount, environments)
        self.network = ActorCritic(self.norm.observed, actions, self.width, self.deviation)
        self.flat = Flat(self.network)
        self.vector = self.flat.vector
        self.sizes = [self.norm.observed, actions, 1, 1, 1]

    @cached_property
    def epoch(self) -> Epoch:
        """The updates of one epoch: in C++ where there is a compiler, else in torch, each some thirty times as slow.

        Raises:
            UserError: the compiler fails.
        """
        found = compiler()
        if found is None:
            return self.torch_epoch
        return native_epoch(
            found, OBSERVATIONS=self.sizes[0], ACTIONS=self.sizes[1], WIDTH=self.width, BATCH=self.minibatch,
            CLIP=self.clip, VALUE_WEIGHT=self.value_weight, LARGEST_GRADIENT=self.largest_gradient,
        )  # fmt: skip

    def on_fit_start(self) -> None:
        """Refuses minibatches of several sizes, and compiles.

        Raises:
            UserError: a rollout is no whole number of minibatches; the compiler fails.
        """
        datamodule: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        steps = datamodule.global_batch_size
        if steps % self.minibatch:
            raise UserError(
                f"model.init_args.minibatch: {self.minibatch} does not divide the {steps} steps of a rollout "
                "(num_envs x horizon). Choose one that does."
            )
        _ = self.epoch  # now, so that a compiler that fails does so before anything is trained

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with PPO's usual epsilon."""
        return StepAdam([self.vector], lr=self.learning_rate, eps=1e-5)

    def policy(self, observations: Tensor) -> Tensor:
        """The mean of the policy's distribution."""
        return self.network.mean(self.norm(observations))

    @torch.no_grad()
    def training_step(self, batch: Experience, batch_idx: int) -> None:
        """Acts for one rollout and learns from it."""
        rollout = self.explore(batch)
        optimizer: Any = self.optimizers()
        rate = self.anneal(optimizer, self.learning_rate)
        optimizer.step(closure=lambda: self.improve(rollout, optimizer.optimizer, rate))
        self.count(batch)

    def explore(self, experience: Experience) -> Rollout:
        """Acts at random, as the policy says, for one horizon; then takes what it saw into the normalisation."""
        seen, means, actions, steps = [], [], [], []
        log_deviation = self.network.log_deviation
        noises = log_deviation.exp() * torch.randn(experience.horizon, experience.environments.num_envs, self.sizes[1])
        for noise in noises:
            seen.append(experience.observations)
            means.append(self.policy(experience.observations))
            actions.append(means[-1] + noise)
            steps.append(experience.step(actions[-1]))
        acted = torch.stack(actions)
        log_probabilities = log_probability(acted, torch.stack(means), log_deviation)
        rollout = self.rollout(torch.stack(seen), acted, log_probabilities, steps, experience.observations)
        self.norm.update(torch.cat(seen))
        return rollout

    def rollout(
        self, seen: Tensor, actions: Tensor, log_probabilities: Tensor, steps: list[Transition], last: Tensor
    ) -> Rollout:
        """What was lived through, normalised and scaled; `seen` [T, N, o] and `last` [N, o] are raw observations."""
        terminated = torch.stack([step.terminated for step in steps])
        ended = torch.stack([step.ended for step in steps])
        rewards = self.reward_scale(torch.stack([step.rewards for step in steps]), ended)
        final = self.norm(torch.stack([step.successors for step in steps])[ended])
        return Rollout(self.norm(seen), actions, log_probabilities, rewards, terminated, ended, final, self.norm(last))

    def rows(self, rollout: Rollout) -> Tensor:
        """Observation, action, log probability, advantage and return of each step [T * N, o + a + 3].

        Advantages and returns are those of the present value function, so each epoch finds them anew
        (tianshou:examples/mujoco/README.md: what its PPO owes much of its returns to).
        """
        values = self.network.values(rollout.observations.flatten(0, 1)).view_as(rollout.rewards)
        last, final = (self.network.values(states) for states in (rollout.last, rollout.final))
        following = successive_values(values, last, rollout.ended, final)
        discount = self.between(self.discount, self.last_discount)
        found = advantages(rollout.rewards, values, following, rollout.terminated, rollout.ended, discount, self.trace)
        standard = (found - found.mean()) / (found.std() + 1e-8)
        columns = [column[..., None] for column in (rollout.log_probabilities, standard, found + values)]
        return torch.cat([rollout.observations, rollout.actions, *columns], dim=2).flatten(0, 1)

    def improve(self, rollout: Rollout, optimizer: torch.optim.Adam, rate: float) -> None:
        """All the updates of one rollout."""
        state = adam_state(optimizer, self.vector)
        for _ in range(self.epochs):
            rows = self.rows(rollout)
            self.epoch(rows, torch.randperm(len(rows)), rate, self.vector.detach(), state)

    def torch_epoch(
        self, rows: Tensor, order: Tensor, rate: float, vector: Tensor, state: tuple[Tensor, Tensor, Tensor]
    ) -> None:
        """The updates of one epoch, as torch does them."""
        for minibatch in rows[order].split(self.minibatch):
            gradient = clipped(grad(self.loss)(vector, minibatch), self.largest_gradient)
            adam_step(vector, gradient, state, torch.tensor(rate), epsilon=1e-5)

    def loss(self, vector: Tensor, rows: Tensor) -> Tensor:
        """The clipped objective (eq. 7 of the paper) and the value function's error, to be minimised."""
        observations, actions, old, advantage, target = rows.split(self.sizes, dim=1)
        mean, log_deviation, values = self.flat(vector, observations)
        ratio = (log_probability(actions, mean, log_deviation) - old[:, 0]).exp()
        gain = torch.min(ratio * advantage[:, 0], ratio.clamp(1 - self.clip, 1 + self.clip) * advantage[:, 0]).mean()
        return self.value_weight * (values - target[:, 0]).square().mean() - gain
