"""Q-learning of torques: DecQN (Seyde et al., 2023, arXiv 2210.12566), a few levels a joint, joints valued apart."""

from typing import Any

import torch
from torch import Tensor
from torch.func import grad
from torch.nn.functional import mse_loss

from benchmarks.checkpointing import LEARNING
from datamodules.experience import Experience
from lightning_modules.agent import Agent, StepAdam
from lightning_modules.flat import Flat, adam_state, adam_step, compiled
from lightning_modules.networks.decoupled_q import DecoupledQ
from lightning_modules.networks.normalisation import RunningNorm
from lightning_modules.positive import require_positive
from lightning_modules.replay import PLACES, Replay


class DecQN(Agent):
    """The agent and its recipe.

    Args:
        width: of the hidden layers.
        levels: that each torque is chosen from, evenly between -1 and 1; at most 256.
        critics: whose least value is learnt from.
        epsilon: with which the first environment acts at random.
        ladder: the last environment does so with `epsilon ** (1 + ladder)`, those between in even powers (Horgan et
            al., 2018, arXiv 1803.00933, section 4.1); 0 makes all the same.
        warm_up: environment steps of random actions before the first update.
        period: environment steps to an update.
        batch: transitions in an update.
        capacity: transitions remembered.
        steps: n of the n-step returns.
        discount: gamma.
        reward_scale: what rewards are multiplied by.
        learning_rate: of Adam.
        polyak: share of the weights that the target network takes over in an update.
        averaging: share of them that the policy which is judged takes over in an update: its weights are their running
            mean (Polyak & Juditsky 1992), of all of them at first. Where None, it is judged by the last ones.
    """

    norm: RunningNorm
    network: DecoupledQ
    mean: Tensor | None

    def __init__(  # noqa: PLR0913, PLR0917 (a recipe: each value has a name in the YAML)
        self, width: int, levels: int, critics: int, epsilon: float, ladder: float, warm_up: int, period: int,
        batch: int, capacity: int, steps: int, discount: float, reward_scale: float, learning_rate: float,
        polyak: float, averaging: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        require_positive(width=width, levels=levels, critics=critics, period=period, batch=batch, capacity=capacity)
        require_positive(steps=steps, learning_rate=learning_rate)
        if levels > PLACES:
            raise ValueError(f"levels is {levels}; it is at most {PLACES}, as the memory keeps a byte of each")
        self.width, self.levels, self.critics = width, levels, critics
        self.epsilon, self.ladder, self.warm_up = epsilon, ladder, warm_up
        self.period, self.batch, self.capacity = period, batch, capacity
        self.steps, self.discount, self.reward_scale = steps, discount, reward_scale
        self.learning_rate, self.polyak, self.averaging = learning_rate, polyak, averaging

    def build(self, observations: int, actions: int, environments: int) -> None:
        """The normalisation, the networks and the memory."""
        self.norm = RunningNorm(observations)
        self.network = DecoupledQ(observations, actions, self.levels, self.width, self.critics)
        self.flat = Flat(self.network)
        self.vector = self.flat.vector
        self.target = self.vector.detach().clone()
        self.mean = None
        self.replay = Replay(self.capacity, self.steps, self.discount)
        rungs = torch.linspace(0, 1, environments)
        self.chances = self.epsilon ** (1 + self.ladder * rungs)
        self.torques = torch.linspace(-1, 1, self.levels)
        self.update = compiled(self._update)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam over all weights."""
        return StepAdam([self.vector], lr=self.learning_rate)

    def on_fit_start(self) -> None:
        """Begins the mean of the weights, unless a checkpoint had one."""
        if self.averaging is not None and self.mean is None:
            self.mean = self.vector.detach().clone()

    def to_come(self, share: float) -> int:
        """Bytes of the transitions that it will remember more than now."""
        return self.replay.kept.to_come(share)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the weights that are judged, and what only learning needs: the last ones, the target's, the memory."""
        checkpoint[LEARNING] = {"replay": self.replay.state(), "target": self.target}
        if self.mean is not None:
            checkpoint[LEARNING]["last"] = self.vector.detach()
            checkpoint["state_dict"] |= self.named(self.mean)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes it up again; a file of weights has those that are judged alone."""
        self.mean = None
        if LEARNING in checkpoint:
            self.replay.restore(checkpoint[LEARNING]["replay"])
            self.target.copy_(checkpoint[LEARNING]["target"])
            if "last" in checkpoint[LEARNING]:
                self.mean = checkpoint["state_dict"]["vector"].clone()
                checkpoint["state_dict"] |= self.named(checkpoint[LEARNING]["last"])

    def named(self, vector: Tensor) -> dict[str, Tensor]:
        """A vector of weights as a checkpoint names them."""
        return {"vector": vector} | {f"network.{name}": part for name, part in self.flat.weights(vector).items()}

    def greedy(self, observations: Tensor) -> Tensor:
        """The level [n, j] that the critics' mean values most, for observations [n, o]."""
        values: Tensor = self.network(self.norm(observations))
        return values.mean(0).argmax(-1)

    def policy(self, observations: Tensor) -> Tensor:
        """The torques of greatest value, as the mean of the weights has it where there is one."""
        if self.mean is None:
            return self.torques[self.greedy(observations)]
        return self.torques[self.values(self.mean, self.norm(observations)).mean(0).argmax(-1)]

    @torch.no_grad()
    def training_step(self, batch: Experience, batch_idx: int) -> None:
        """Acts for one horizon, and learns all along."""
        optimizer: Any = self.optimizers()
        optimizer.step(closure=lambda: self.live(batch, optimizer.optimizer))
        self.count(batch)

    def live(self, experience: Experience, optimizer: torch.optim.Adam) -> None:
        """Steps all environments, horizon times, with the updates that are due after each step."""
        state = adam_state(optimizer, self.vector)
        lived = int(self.env_steps)
        for _ in range(experience.horizon):
            self.act(experience, random=lived < self.warm_up)
            before, lived = lived, lived + experience.environments.num_envs
            if before >= self.warm_up:
                for _ in range(lived // self.period - before // self.period):
                    self.update(self.vector.detach(), self.target, self.mean, state, *self.replay.sample(self.batch))

    def act(self, experience: Experience, random: bool) -> None:
        """One step of all environments, which is remembered."""
        observations, chosen = experience.observations, self.explore(experience.observations, random)
        self.replay.add(observations, chosen, experience.step(self.torques[chosen]))
        self.norm.update(observations)

    def explore(self, observations: Tensor, random: bool) -> Tensor:
        """Levels [N, j]: the greedy ones, but where chance has it, random ones for all joints of a robot."""
        drawn = torch.randint(self.levels, (len(observations), self.network.shape[0]))
        at_random = torch.rand(len(observations)) < self.chances
        return drawn if random else torch.where(at_random[:, None], drawn, self.greedy(observations))

    def _update(
        self, vector: Tensor, target: Tensor, mean: Tensor | None, state: tuple[Tensor, Tensor, Tensor],
        observations: Tensor, levels: Tensor, returns: Tensor, successors: Tensor, discounts: Tensor,
    ) -> None:  # fmt: skip
        found = returns * self.reward_scale + discounts * self.bootstrap(vector, target, self.norm(successors))
        gradient = grad(self.loss)(vector, self.norm(observations), levels.long(), found)
        adam_step(vector, gradient, state, torch.tensor(self.learning_rate), epsilon=1e-8)
        target.lerp_(vector, self.polyak)
        if mean is not None:
            mean.lerp_(vector, (1 / state[0]).clamp(min=self.averaging))

    def values(self, vector: Tensor, observations: Tensor) -> Tensor:
        """Values [critics, n, j, levels] that these weights give normalised observations."""
        values: Tensor = self.flat(vector, observations)
        return values

    def bootstrap(self, vector: Tensor, target: Tensor, observations: Tensor) -> Tensor:
        """Value [n] of states: the least of the target critics, for what the learning ones would do (double Q)."""
        chosen = self.values(vector, observations).mean(0).argmax(-1)
        return _chosen(self.values(target, observations), chosen).amin(0)

    def loss(self, vector: Tensor, observations: Tensor, levels: Tensor, found: Tensor) -> Tensor:
        """Mean squared error of all critics, summed over them."""
        values = _chosen(self.values(vector, observations), levels)
        return mse_loss(values, found.expand_as(values)) * len(values)


def _chosen(values: Tensor, levels: Tensor) -> Tensor:
    """The mean over joints [critics, n] of the values [critics, n, j, levels] of the levels [n, j]."""
    return values.gather(-1, levels.expand(len(values), -1, -1)[..., None]).squeeze(-1).mean(-1)
