"""Gumbel AlphaZero's search (Danihelka et al., 2022, openreview.net/forum?id=bERaNdoegnO), many positions at once.

At the root, Sequential Halving shares the simulations out among the moves whose Gumbel noise plus logit is greatest;
below it, moves are visited in proportion to the improved policy (section 5). Values lie between -1 and 1 and are those
of who is to move. The tree is walked by code that numba compiles; all leaves of a simulation go to the network at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.arrays import Bools, Floats32, Integers
from benchmarks.jit import jit
from datamodules.environments.go_positions import Positions, look, look_at_all
from results.scoring.go_rules import find_owners, keys, neighbours, put, worth

Evaluate = Callable[[NDArray[np.uint8]], tuple[Floats32, Floats32]]
"""Logits [B, n + 1] and values [B] of what a network sees [B, planes, n]."""

VISIT = 50.0  # c_visit of the paper, section 4


class Tree(NamedTuple):
    """B trees of K nodes, with A = n + 1 moves each; node 0 is the root.

    `children` [B, K, A]: the node that a move leads to, -1 for none; `visits` and `sums` [B, K, A]: how often it was
    made, and the sum of what it was worth to who made it. `outcomes` [B, K]: the value of a game that is over there,
    NaN where it goes on. `counts` [B]: nodes so far.
    """

    boards: NDArray[np.int8]
    colours: NDArray[np.int8]
    last: NDArray[np.int16]
    keys: NDArray[np.uint64]
    depths: Integers
    parents: NDArray[np.int16]
    children: NDArray[np.int16]
    legal: Bools
    logits: Floats32
    values: Floats32
    visits: NDArray[np.int32]
    sums: Floats32
    outcomes: Floats32
    counts: Integers


@dataclass(frozen=True)
class Found:
    """What a search of B positions came to: `moves` [B] and the improved `policy` [B, n + 1]."""

    moves: Integers
    policy: Floats32


@dataclass(frozen=True)
class TreeSearch:
    """The search and its constants.

    Args:
        size: of the board.
        komi: that White is given.
        longest: moves after which a game ends as it stands.
        simulations: n, to a move.
        considered: m, moves that the root begins with.
        scale: c_scale of the paper, for values between 0 and 1; 0.1 in mctx.
    """

    size: int
    komi: float
    longest: int
    simulations: int
    considered: int
    scale: float

    def __call__(self, positions: Positions, evaluate: Evaluate, noise: Floats32) -> Found:
        """Searches from positions whose games go on.

        Args:
            positions: B of them.
            evaluate: the network.
            noise: Gumbel's [B, n + 1]; zeros for the best move.
        """
        beside, table = neighbours(self.size), keys(self.size)
        tree, planes = self._planted(positions)
        logits, values = evaluate(planes)
        learn(tree, np.zeros(len(noise), np.int64), logits, values)
        plan = considered_visits(self.considered, self.simulations)
        for simulation in range(self.simulations):
            leaves = descend(
                tree, positions, beside, table, noise, plan[:, simulation], planes, self.komi, self.longest, self.scale
            )
            learn(tree, leaves, *evaluate(planes))
        moves, policy = decide(tree, noise, self.scale)
        return Found(moves, policy)

    def _planted(self, positions: Positions) -> tuple[Tree, NDArray[np.uint8]]:
        """Trees of a root alone, and what a network sees of the roots."""
        count, n = positions.boards.shape
        nodes, moves = self.simulations + 1, n + 1
        shape, wide = (count, nodes), (count, nodes, moves)
        tree = Tree(
            np.empty((*shape, n), np.int8), np.empty(shape, np.int8), np.empty(shape, np.int16),
            np.empty(shape, np.uint64), np.zeros(shape, np.int64), np.full(shape, -1, np.int16),
            np.full(wide, -1, np.int16), np.empty(wide, np.bool_), np.empty(wide, np.float32),
            np.zeros(shape, np.float32), np.zeros(wide, np.int32), np.zeros(wide, np.float32),
            np.full(shape, np.nan, np.float32), np.ones(count, np.int64),
        )  # fmt: skip
        planes, tree.legal[:, 0] = look_at_all(positions, neighbours(self.size), keys(self.size))
        tree.boards[:, 0], tree.colours[:, 0], tree.last[:, 0] = positions.boards, positions.colours, positions.last
        tree.keys[:, 0] = positions.past[np.arange(count), positions.plies]
        return tree, planes


def considered_visits(considered: int, simulations: int) -> NDArray[np.int32]:
    """How often a move that is still considered was visited before each simulation [considered + 1, simulations].

    A row for each number of moves that the root begins with (google-deepmind/mctx:mctx/_src/seq_halving.py).
    """
    return np.array([_halving(number, simulations) for number in range(considered + 1)], np.int32)


def _halving(considered: int, simulations: int) -> list[int]:
    if considered <= 1:
        return list(range(simulations))
    sequence: list[int] = []
    rounds, visits, left = ceil(log2(considered)), 0, considered
    while len(sequence) < simulations:
        for _ in range(max(1, simulations // (rounds * left))):
            sequence += [visits] * left
            visits += 1
        left = max(2, left // 2)
    return sequence[:simulations]


@jit
def learn(tree, leaves, logits, values):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Keeps what the network says of new nodes [B] and tells it to the moves that led there; -1 for no new node."""
    for row in range(len(leaves)):
        node = leaves[row]
        if node < 0:
            continue
        known = tree.logits[row, node]
        for move in range(len(known)):
            known[move] = logits[row, move] if tree.legal[row, node, move] else -np.inf
        known -= known.max()
        known -= np.log(np.exp(known).sum())
        tree.values[row, node] = values[row]
        tell(tree, row, node, values[row])


@jit
def tell(tree, row, node, value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Adds a node's value, with the sign of each who is to move, to all moves that led to it."""
    while tree.parents[row, node] >= 0:
        parent = tree.parents[row, node]
        move, value = tree.last[row, node], -value
        tree.visits[row, parent, move] += 1
        tree.sums[row, parent, move] += value
        node = parent


@jit
def find_scores(tree, row, node, scale, scores):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Fills logits plus scaled completed values of a node's moves [A]; returns how often they were made together.

    A move that was not made counts as the mixed value of appendix D. Values are stretched to reach from 0 to 1, as
    google-deepmind/mctx:mctx/_src/qtransforms.py has it: while a network knows little, they differ by little.
    """
    logits, visits, sums = tree.logits[row, node], tree.visits[row, node], tree.sums[row, node]
    seen, most, worths, weight, least, greatest = 0, 0, 0.0, 0.0, np.inf, -np.inf
    for move in range(len(logits)):
        if visits[move] > 0:
            seen += visits[move]
            most = max(most, visits[move])
            value = sums[move] / visits[move]
            least, greatest = min(least, value), max(greatest, value)
            prior = max(np.exp(logits[move]), 1e-30)  # logits are normalised
            worths += prior * value
            weight += prior
    mixed = tree.values[row, node]
    if seen > 0:
        mixed = (mixed + seen * worths / weight) / (1 + seen)
    least, greatest = min(least, mixed), max(greatest, mixed)
    factor = (VISIT + most) * scale / max(greatest - least, 1e-8)
    for move in range(len(logits)):
        value = sums[move] / visits[move] if visits[move] > 0 else mixed
        scores[move] = logits[move] + factor * (value - least)
    return seen


@jit
def normalise(scores):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Turns scores [A] into their softmax."""
    scores -= scores.max()
    scores[:] = np.exp(scores)
    scores /= scores.sum()


@jit
def choose_root(tree, row, noise, scores, wanted):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The move of greatest noise and score among those that were made `wanted` times."""
    best, chosen = -np.inf, -1
    for move in range(len(scores)):
        if tree.legal[row, 0, move] and tree.visits[row, 0, move] == wanted:
            score = noise[move] + scores[move]
            if chosen < 0 or score > best:
                best, chosen = score, move
    return chosen


@jit
def choose_below(tree, row, node, scores, seen):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The move whose visits are fewest beside what the improved policy asks for (section 5)."""
    normalise(scores)
    best, chosen = -np.inf, -1
    for move in range(len(scores)):
        wanting = scores[move] - tree.visits[row, node, move] / (1 + seen)
        if tree.legal[row, node, move] and wanting > best:
            best, chosen = wanting, move
    return chosen


@jit
def descend(tree, positions, beside, table, noise, plan, planes, komi, longest, scale):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Walks down each tree to a new node [B] and fills what a network sees of it; -1 where a game was over instead."""
    count, _, moves = tree.children.shape
    leaves, scores = np.full(count, -1, np.int64), np.empty(moves, np.float32)
    for row in range(count):
        wanted = plan[min(tree.legal[row, 0].sum(), len(plan) - 1)]
        node, child = 0, 0
        while child >= 0 and np.isnan(tree.outcomes[row, child]):
            node = child
            seen = find_scores(tree, row, node, scale, scores)
            if node == 0:
                move = choose_root(tree, row, noise[row], scores, wanted)
            else:
                move = choose_below(tree, row, node, scores, seen)
            child = tree.children[row, node, move]
        if child < 0:
            leaves[row] = grow(tree, positions, row, node, move, beside, table, planes[row], komi, longest)
        else:
            tell(tree, row, child, tree.outcomes[row, child])
    return leaves


@jit
def grow(tree, positions, row, parent, move, beside, table, planes, komi, longest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Adds the node that a move leads to; returns it, or -1 where the game is over there, which is told at once."""
    node, n = tree.counts[row], tree.boards.shape[2]
    tree.counts[row] += 1
    tree.children[row, parent, move], tree.parents[row, node] = node, parent
    tree.depths[row, node] = tree.depths[row, parent] + 1
    colour, board = tree.colours[row, parent], tree.boards[row, node]
    board[:] = tree.boards[row, parent]
    key = tree.keys[row, parent]
    if move < n:
        key = put(board, beside, table, key, move, colour)
    tree.keys[row, node], tree.colours[row, node], tree.last[row, node] = key, -colour, move
    plies = positions.plies[row] + tree.depths[row, node]
    if (move == n and tree.last[row, parent] == n) or plies >= longest:
        margin = find_owners(board, beside, np.empty(n, np.int8)) - komi
        tree.outcomes[row, node] = -colour * worth(margin, np.sqrt(n))
        tell(tree, row, node, tree.outcomes[row, node])
        return -1
    past = np.empty(plies + 1, np.uint64)
    past[: positions.plies[row] + 1] = positions.past[row, : positions.plies[row] + 1]
    above = node
    for ply in range(plies, positions.plies[row], -1):
        past[ply] = tree.keys[row, above]
        above = tree.parents[row, above]
    look(board, beside, table, key, -colour, move, past, planes, tree.legal[row, node])
    return node


@jit
def decide(tree, noise, scale):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The move [B] of each root, the best of those that were made most often, and its improved policy [B, A]."""
    count, _, moves = tree.children.shape
    chosen, policies = np.empty(count, np.int64), np.empty((count, moves), np.float32)
    for row in range(count):
        find_scores(tree, row, 0, scale, policies[row])
        chosen[row] = choose_root(tree, row, noise[row], policies[row], tree.visits[row, 0].max())
        normalise(policies[row])
    return chosen, policies
