"""Gumbel AlphaZero (Danihelka et al., 2022): a network that learns from the searches and results of its own games."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from benchmarks.arrays import Floats32, Integers
from datamodules.environments.go_positions import Positions
from datamodules.environments.self_play import Lived, SelfPlay
from lightning_modules.go_player import GoPlayer
from lightning_modules.positive import require_positive
from lightning_modules.symmetries import symmetries, turn
from lightning_modules.tree_search import TreeSearch
from results.scoring.go_game import Game


class GumbelAlphaZero(GoPlayer):
    """The player and its recipe.

    Args:
        simulations: of a search, while training and when it is tested.
        considered: moves that a search begins with.
        value_scale: how much the search trusts values against the network's policy (c_scale).
        owner_weight: of the loss of the ownership head.
        recipe: what all players of Go have.
    """

    def __init__(
        self, simulations: int, considered: int, value_scale: float, owner_weight: float, blocks: int, channels: int,
        hidden: int, learning_rate: float, weight_decay: float, batch: int, updates: int, window: int,
    ) -> None:  # fmt: skip
        super().__init__(blocks, channels, hidden, learning_rate, weight_decay, batch, updates, window)
        require_positive(simulations=simulations, considered=considered)
        self.simulations, self.considered = simulations, considered
        self.value_scale, self.owner_weight = value_scale, owner_weight

    @property
    def decoding(self) -> dict[str, Any]:
        """What of the player belongs to the protocol of a test."""
        return {"simulations": self.simulations}

    def decide(self, games: SelfPlay) -> tuple[Integers, Floats32]:
        """Searches with noise, which makes the moves various, and gives the improved policies."""
        noise = -torch.empty(games.games, games.size**2 + 1).exponential_().log()
        search = self.search(games.size, games.komi, games.longest)
        found = search(games.positions, self.evaluate, noise.numpy())
        return found.moves, found.policy

    def choose(self, games: list[Game]) -> list[int]:
        """The moves that searches without noise find."""
        first = games[0]
        self.begin_playing()
        search = self.search(first.size, first.komi, first.longest)
        found = search(Positions.of(games), self.evaluate, np.zeros((len(games), first.passing + 1), np.float32))
        return [int(move) for move in found.moves]

    def search(self, size: int, komi: float, longest: int) -> TreeSearch:
        """The search on such a board."""
        return TreeSearch(size, komi, longest, self.simulations, self.considered, self.value_scale)

    def rows(self, lived: Lived) -> dict[str, Tensor]:
        """What was seen, the improved policy, who won and who owned what."""
        kept = {"planes": lived.planes, "policies": lived.policies, "outcomes": lived.outcomes, "owners": lived.owners}
        return {name: torch.from_numpy(values) for name, values in kept.items()}

    def loss(self, rows: dict[str, Tensor]) -> Tensor:
        """The loss of policy, value and ownership, on boards turned at random."""
        maps = symmetries(self.network.size)[torch.randint(8, (len(rows["planes"]),))]
        points = maps[:, :-1]
        planes = turn(rows["planes"], points).to(self.device).float()
        policies, owners = turn(rows["policies"], maps).to(self.device), turn(rows["owners"], points).to(self.device)
        logits, values, owned = self.network(planes)
        parts = {
            "policy": cross_entropy(logits.float(), policies),
            "value": mse_loss(values, rows["outcomes"].to(self.device)),
            "owner": binary_cross_entropy_with_logits(owned.float(), (owners.float() + 1) / 2),
        }
        for name, part in parts.items():
            self.log(f"train/{name}", part.detach())
        return parts["policy"] + parts["value"] + self.owner_weight * parts["owner"]
