"""What every player of Go has that learns from its own games: its network, what it remembers, and how it is scored."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.arrays import Floats32, Integers
from benchmarks.checkpointing import LEARNING
from datamodules.environments.go_positions import PLANES
from datamodules.environments.matches import Matches, play_matches
from datamodules.environments.self_play import Lived, SelfPlay
from lightning_modules.agent import Learner, StepAdam
from lightning_modules.networks.go_net import GoNet
from lightning_modules.positive import require_positive
from lightning_modules.window import Window
from results.scoring.contest import opening_and_colour
from results.scoring.go_game import Game
from results.scoring.replays import replayed


class GoPlayer(Learner):
    """Base of the players; a training step is a number of games and what is learnt from them.

    Args:
        blocks: residual blocks of the network.
        channels: of its trunk.
        hidden: units of its value head.
        learning_rate: of Adam; it falls linearly to nothing.
        weight_decay: of Adam, decoupled.
        batch: positions in an update.
        updates: to a training step.
        window: positions remembered.
    """

    unlogged = ("score",)  # which games are worth by the rules, of their moves
    games: Tensor
    network: GoNet

    def __init__(
        self, blocks: int, channels: int, hidden: int, learning_rate: float, weight_decay: float, batch: int,
        updates: int, window: int,
    ) -> None:  # fmt: skip
        super().__init__()
        require_positive(channels=channels, hidden=hidden, learning_rate=learning_rate, batch=batch, window=window)
        self.blocks, self.channels, self.hidden = blocks, channels, hidden
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.batch, self.updates = batch, updates
        self.window = Window(window)
        self.register_buffer("games", torch.zeros((), dtype=torch.int64))

    @abstractmethod
    def decide(self, games: SelfPlay) -> tuple[Integers, Floats32]:
        """A move [N] in each running game, and the policies [N, n + 1] that they were drawn from."""

    @abstractmethod
    def rows(self, lived: Lived) -> dict[str, Tensor]:
        """What is remembered of games that are over: columns [T, ...]."""

    @abstractmethod
    def loss(self, rows: dict[str, Tensor]) -> Tensor:
        """The loss on rows [B, ...]; its parts are logged."""

    @abstractmethod
    def choose(self, games: list[Game]) -> list[int]:
        """The best move in each game, without chance."""

    def build(self, size: int) -> None:
        """Builds the network for a board."""
        self.network = GoNet(size, PLANES, self.blocks, self.channels, self.hidden)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam with decoupled weight decay."""
        return StepAdam(
            self.network.parameters(),
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            decoupled_weight_decay=True,
        )

    def to_come(self, share: float) -> int:
        """Bytes of the positions that it will remember more than now."""
        return self.window.to_come(share)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what only learning needs: the positions remembered."""
        checkpoint[LEARNING] = self.window.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes it up again; a file of weights has none."""
        if LEARNING in checkpoint:
            self.window.restore(checkpoint[LEARNING])

    def training_step(self, batch: SelfPlay, batch_idx: int) -> None:
        """Plays its share of games and learns from what it remembers."""
        optimizer: Any = self.optimizers()
        self.anneal(optimizer, self.learning_rate)
        optimizer.step(closure=lambda: self.live(batch, optimizer.optimizer))
        self.games += batch.share
        self.log("train/games", self.games.float())

    def live(self, games: SelfPlay, optimizer: StepAdam) -> None:
        """Plays until another share of games is over; then makes all updates."""
        goal = (self.global_step + 1) * games.share
        self.begin_playing()
        plies = 0
        while games.over < goal:
            lived = games.play(*self.decide(games))
            if lived is not None:
                plies += len(lived.moves)
                self.window.add(self.rows(lived))
        self.log("train/positions", float(plies))
        self.learn(optimizer, self.updates)

    def learn(self, optimizer: StepAdam, updates: int) -> None:
        """Updates the weights on positions remembered."""
        for _ in range(updates):
            optimizer.zero_grad()
            self.loss(self.window.sample(self.batch)).backward()
            optimizer.update()
            torch.clear_autocast_cache()  # which holds the weights as they were before this update

    def begin_playing(self) -> None:
        """Makes the copy of the network that plays until the next update."""
        self.playing = [self.network.fused()]  # in a list, or it would be a part of the module

    def validation_step(self, batch: Matches, batch_idx: int) -> None:
        """Logs the percentage of points won against GNU Go."""
        margins = np.array([replayed(batch.contest, each["moves"]) for each in play_matches(batch, self.choose)])
        sides = [1 if opening_and_colour(name)[1] == "black" else -1 for name in batch.ids]
        self.log("val/score", 50 * (1 + np.sign(margins * sides).mean()), batch_size=len(sides), prog_bar=True)

    def test_step(self, batch: Matches, batch_idx: int) -> dict[str, Any]:
        """The positions of games in the test, and the moves of each."""
        places = range(batch.first, batch.first + len(batch.ids))
        return {"index": [*places], "predictions": play_matches(batch, self.choose)}

    @torch.inference_mode()
    def evaluate(self, planes: NDArray[np.uint8]) -> tuple[Floats32, Floats32]:
        """Logits [B, n + 1] and values [B] of what is seen [B, planes, n]."""
        seen = torch.from_numpy(planes).to(self.device).float()
        logits, values, _ = self.playing[0](seen)
        return logits.float().cpu().numpy(), values.float().cpu().numpy()
