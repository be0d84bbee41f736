"""The search: equal to a plain one that follows the paper line by line, and to exhaustive play in short games."""

from copy import deepcopy

import numpy as np
import pytest

from datamodules.environments.go_positions import PLANES, Positions, look_at_all
from lightning_modules.tree_search import VISIT, TreeSearch, considered_visits
from results.scoring.go_game import Game
from results.scoring.go_rules import keys, neighbours


class Opinion:
    """A network of random weights, so that any two positions are judged differently."""

    def __init__(self, size, seed, strength):
        rng = np.random.default_rng(seed)
        self.moves = rng.normal(size=(PLANES * size * size, size * size + 1)) * strength
        self.value = rng.normal(size=PLANES * size * size) * strength

    def __call__(self, planes):
        flat = planes.reshape(len(planes), -1).astype(np.float64)
        return (flat @ self.moves).astype(np.float32), np.tanh(flat @ self.value).astype(np.float32)


def worth(margin, size):
    return (np.sign(margin) + np.tanh(margin / size)) / 2


class Node:
    """A position in a plain search; everything from the view of who is to move."""

    def __init__(self, game, longest, opinion):
        self.game = game
        self.over = game.moves[-2:] == [game.passing] * 2 or len(game.moves) >= longest
        self.children, self.visits = {}, np.zeros(game.passing + 1)
        self.sums = np.zeros(game.passing + 1)
        if self.over:
            self.value = game.colour * worth(game.margin(), game.size)
            return
        self.legal = game.legal()
        planes, _ = look_at_all(Positions.of([game]), neighbours(game.size), keys(game.size))
        logits, values = opinion(planes)
        logits = np.where(self.legal, logits[0].astype(np.float64), -np.inf)
        self.logits = logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())
        self.value = float(values[0])

    def scores(self, scale):
        made = self.visits > 0
        values = np.divide(self.sums, self.visits, where=made, out=np.zeros_like(self.sums))
        mixed = self.value
        if made.any():
            prior = np.exp(self.logits)
            mean = (prior * values)[made].sum() / prior[made].sum()
            mixed = (self.value + self.visits.sum() * mean) / (1 + self.visits.sum())
        completed = np.where(made, values, mixed)
        completed = np.append(completed, mixed)  # though every move may have been made
        stretched = (completed - completed.min()) / max(np.ptp(completed), 1e-8)
        return self.logits + (VISIT + self.visits.max()) * scale * stretched[:-1]

    def policy(self, scale):
        scores = self.scores(scale)
        shares = np.exp(scores - scores.max())
        return shares / shares.sum()


def plain_search(game, longest, opinion, simulations, considered, scale, noise):
    root = Node(game, longest, opinion)
    plan = considered_visits(considered, simulations)[min(root.legal.sum(), considered)]
    for wanted in plan:
        node, path = root, []
        while not node.over:
            if node is root:
                scores = np.where((node.visits == wanted) & node.legal, noise + node.scores(scale), -np.inf)
            else:
                scores = np.where(node.legal, node.policy(scale) - node.visits / (1 + node.visits.sum()), -np.inf)
            move = int(scores.argmax())
            path.append((node, move))
            if move not in node.children:
                following = deepcopy(node.game)
                following.play(move)
                node.children[move] = node = Node(following, longest, opinion)
                break
            node = node.children[move]
        value = node.value
        for before, move in reversed(path):
            value = -value
            before.visits[move] += 1
            before.sums[move] += value
    scores = np.where((root.visits == root.visits.max()) & root.legal, noise + root.scores(scale), -np.inf)
    return int(scores.argmax()), root.policy(scale), root


def wander(size, komi, plies, seed):
    rng, game = np.random.default_rng(seed), Game(size, komi)
    for _ in range(plies):
        stones = np.flatnonzero(game.legal()[:-1])
        game.play(int(rng.choice(stones)) if len(stones) else game.passing)
    return game


@pytest.mark.parametrize(("size", "komi", "strength"), [(2, 0.5, 1.0), (3, 1.0, 0.3), (5, 9.0, 0.1)])
def test_a_plain_search_finds_the_same(size, komi, strength):
    opinion, games = Opinion(size, 7, strength), [wander(size, komi, plies, plies) for plies in range(3, 11)]
    longest, (simulations, considered, scale) = 4 * size * size, (40, 6, 0.1)
    games = [game for game in games if not game.over]
    noise = np.random.default_rng(1).gumbel(size=(len(games), size * size + 1)).astype(np.float32)
    found = TreeSearch(size, komi, longest, simulations, considered, scale)(Positions.of(games), opinion, noise)
    for row, game in enumerate(games):
        move, policy, _ = plain_search(game, longest, opinion, simulations, considered, scale, noise[row])
        assert found.moves[row] == move
        np.testing.assert_allclose(found.policy[row], policy, atol=2e-4)


def solve(game, longest):
    """The worth of a position to who is to move, by trying everything."""
    if game.moves[-2:] == [game.passing] * 2 or len(game.moves) >= longest:
        return game.colour * worth(game.margin(), game.size)
    return max(-solve(after, longest) for after in successors(game).values())


def successors(game):
    found = {}
    for move in np.flatnonzero(game.legal()):
        found[int(move)] = deepcopy(game)
        found[int(move)].play(int(move))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_exhaustive_play_agrees(seed):
    """Without a network's opinion, on a board of 2x2 or 3x3 a few moves before the longest game ends."""
    size, plies = (2, 4) if seed % 2 else (3, 8)
    game = wander(size, 0.5, plies, seed)
    longest = len(game.moves) + (5 if size == 2 else 4)
    worths = {move: -solve(after, longest) for move, after in successors(game).items()}

    def nothing(planes):
        return np.zeros((len(planes), game.passing + 1), np.float32), np.zeros(len(planes), np.float32)

    search = TreeSearch(size, 0.5, longest, 6000, game.passing + 1, 0.1)
    found = search(Positions.of([game]), nothing, np.zeros((1, game.passing + 1), np.float32))
    assert worths[int(found.moves[0])] == pytest.approx(max(worths.values()), abs=1e-6), worths


def test_the_simulations_are_shared_out_by_halving():
    """By hand for 4 moves and 8 simulations: each once, then the better two twice more."""
    assert considered_visits(4, 8)[4].tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert considered_visits(4, 8)[1].tolist() == [*range(8)]
    assert considered_visits(16, 24)[16].tolist() == [0] * 16 + [1] * 8


def test_positions_are_independent_of_their_neighbours():
    size, komi = 5, 9.0
    opinion, games = Opinion(size, 3, 0.1), [wander(size, komi, plies, plies) for plies in (2, 5, 9)]
    search, noise = TreeSearch(size, komi, 100, 24, 16, 0.1), np.zeros((3, 26), np.float32)
    together = search(Positions.of(games), opinion, noise)
    apart = [search(Positions.of([game]), opinion, noise[:1]) for game in games]
    assert together.moves.tolist() == [int(found.moves[0]) for found in apart]
