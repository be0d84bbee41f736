"""Deep Q-learning of Go, the article's word: no search, the value of every move learnt from the next position's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from benchmarks.arrays import Floats32, Integers
from datamodules.environments.go_positions import LEGAL, Positions, look_at_all
from datamodules.environments.self_play import Lived, SelfPlay
from lightning_modules.go_player import GoPlayer
from lightning_modules.positive import require_positive
from lightning_modules.returns import targets
from lightning_modules.schedules import chance
from lightning_modules.symmetries import symmetries, turn
from results.scoring.go_game import Game
from results.scoring.go_rules import keys, neighbours


class GoDQN(GoPlayer):
    """Double DQN (van Hasselt et al., 2016, arXiv 1509.06461) in self-play; the logits of moves are their values.

    The target network is the copy that played the training step's games. What a position is worth to one player is
    what it costs the other, so the next position's value counts with the other sign; only the end of a game pays.

    Args:
        epsilon: chance of a random move in the end.
        decay: share of the training over which it falls there from 1.
        recipe: what all players of Go have.
    """

    def __init__(
        self, epsilon: float, decay: float, blocks: int, channels: int, hidden: int, learning_rate: float,
        weight_decay: float, batch: int, updates: int, window: int,
    ) -> None:  # fmt: skip
        super().__init__(blocks, channels, hidden, learning_rate, weight_decay, batch, updates, window)
        require_positive(decay=decay)
        self.epsilon, self.decay = epsilon, decay

    def decide(self, games: SelfPlay) -> tuple[Integers, Floats32]:
        """The most valuable legal moves, but where chance has it random ones."""
        planes, legal = games.look()
        values, _ = self.evaluate(planes)
        exploration = self.decay * self.trainer.estimated_stepping_batches
        random = torch.rand(games.games) < chance(self.global_step, exploration, self.epsilon)
        policies = torch.where(random[:, None], torch.rand(values.shape), torch.from_numpy(values)).numpy()
        moves = np.where(legal, policies, -np.inf).argmax(axis=1)
        return moves, policies

    def choose(self, games: list[Game]) -> list[int]:
        """The most valuable legal moves."""
        self.begin_playing()
        size = games[0].size
        planes, legal = look_at_all(Positions.of(games), neighbours(size), keys(size))
        values, _ = self.evaluate(planes)
        return [int(move) for move in np.where(legal, values, -np.inf).argmax(axis=1)]

    def rows(self, lived: Lived) -> dict[str, Tensor]:
        """What was seen, the move, what was seen after it, whether the game was over then, and how it ended."""
        kept = {
            "planes": lived.planes, "moves": lived.moves, "successors": np.roll(lived.planes, -1, axis=0),
            "ends": lived.ends, "outcomes": lived.outcomes,
        }  # fmt: skip
        return {name: torch.from_numpy(values) for name, values in kept.items()}

    def loss(self, rows: dict[str, Tensor]) -> Tensor:
        """Huber's, between the value of the move made and what came of it, on boards turned at random."""
        maps = symmetries(self.network.size)[torch.randint(8, (len(rows["planes"]),))]
        planes, successors = (
            turn(rows[name], maps[:, :-1]).to(self.device).float() for name in ("planes", "successors")
        )
        # `maps` says which old point stands at a place; a move needs the place at which its point stands
        moves = maps.argsort(1).gather(1, rows["moves"][:, None]).to(self.device)
        found = self.target(successors, rows["ends"].to(self.device), rows["outcomes"].to(self.device))
        values = self.network(planes)[0].float().gather(1, moves).squeeze(1)
        error = smooth_l1_loss(values, found)
        self.log("train/error", error.detach())
        return error

    @torch.no_grad()
    def target(self, successors: Tensor, ends: Tensor, outcomes: Tensor) -> Tensor:
        """What a move came to [B]: how the game ended, or less the value of the other's best move by double Q."""
        legal = torch.cat([successors[:, LEGAL] > 0, torch.ones_like(successors[:, LEGAL, :1], dtype=torch.bool)], 1)
        values = self.network(successors)[0].float().masked_fill(~legal, -torch.inf)
        theirs = self.playing[0](successors)[0].float()
        return targets(torch.where(ends, outcomes, 0.0), torch.where(ends, 0.0, -1.0), values, theirs, double=True)
