"""Beam search for any model that gives the next token's probabilities: vectorised, and greedy with a beam of 1.

Scores are those of Wu et al. 2016 (arXiv 1609.08144), section 7, equation 14: the logarithmic probability over a length
penalty, ((5 + |Y|) / 6)^alpha with the end symbol counted in |Y|, plus a coverage penalty from the attention.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

# N: sentences still searched, K: beam, V: vocabulary, S: source positions, L: longest hypothesis

State = (
    Any  # tensors, in any nesting of tuples, lists and dictionaries, whose first dimension is that of the hypotheses
)
Step = Callable[[Tensor, State], tuple[Tensor, Tensor | None, State]]
"""Last tokens [M] and state -> log probabilities of the next [M, V], attention [M, S] or None, and the next state."""


@dataclass(frozen=True)
class Search:
    """How hypotheses are searched and scored.

    Args:
        beam: hypotheses that are kept a sentence; 1 is greedy.
        length_penalty: alpha; 0 prefers short hypotheses.
        coverage_penalty: beta; 0 takes no account of the attention.
    """

    beam: int
    length_penalty: float = 0.0
    coverage_penalty: float = 0.0

    def scores(self, log_probabilities: Tensor, length: int | Tensor, covered: Tensor | None = None) -> Tensor:
        """Scores of hypotheses of a length, the end symbol counted.

        Args:
            log_probabilities: of whole hypotheses, any shape.
            length: their tokens.
            covered: attention that each source position has had in all, [..., S], 1 where there is none to cover.
        """
        lengths = torch.as_tensor(length, dtype=log_probabilities.dtype, device=log_probabilities.device)
        scores = log_probabilities / ((5 + lengths) / 6) ** self.length_penalty
        if covered is None or not self.coverage_penalty:
            return scores
        return scores + self.coverage_penalty * covered.clamp(min=1e-10, max=1).log().sum(dim=-1)


@torch.no_grad()
def search(
    step: Step, state: State, begin: int, end: int, longest: Sequence[int], settings: Search,
    padding: Tensor | None = None,
) -> list[list[int]]:  # fmt: skip
    """The best finished hypothesis of each sentence, without its end symbol.

    A hypothesis ends where its end is among the K best continuations. A sentence is searched until K have ended (the
    rule of facebookresearch/fairseq:fairseq/sequence_generator.py), or until none that is alive could pass the best of
    them. One that is unfinished at its greatest length is taken only where none has ended.

    Args:
        step: the model.
        state: of each sentence, first dimension N; it is copied for each hypothesis.
        begin: token that every hypothesis begins with.
        end: token that ends one.
        longest: greatest length of each sentence's hypotheses, the end symbol counted.
        settings: the beam and the penalties.
        padding: where the source has no position to attend to, bool [N, S]; needed for a coverage penalty.
    """
    assert padding is not None or not settings.coverage_penalty
    beams = _Beams(state, begin, end, longest, settings, padding)
    while beams.sentences:
        beams.advance(*step(beams.last, beams.state))
    return beams.best


class _Beams:
    """Hypotheses that are alive, K of each sentence still searched, and the best finished one of every sentence."""

    def __init__(
        self, state: State, begin: int, end: int, longest: Sequence[int], settings: Search, padding: Tensor | None
    ) -> None:
        self.settings, self.end = settings, end
        beam, count = settings.beam, len(longest)
        device = _device(state)
        rows = torch.arange(count, device=device).repeat_interleave(beam)
        self.state = _taken(state, rows)
        self.last = torch.full((count * beam,), begin, device=device)
        self.sentences = list(range(count))
        self.longest = torch.tensor(longest, device=device)
        self.tokens = torch.empty(count, beam, 0, dtype=torch.int64, device=device)
        self.alive = torch.full((count, beam), -torch.inf, device=device)
        self.alive[:, 0] = 0.0  # all hypotheses of a sentence begin alike, so that one stands for them
        self.covered = None if padding is None else padding[rows].float().view(count, beam, -1)
        self.best: list[list[int]] = [[] for _ in longest]
        self.best_scores = torch.full((count,), -torch.inf, device=device)
        self.num_ended = torch.zeros(count, dtype=torch.int64, device=device)

    def advance(self, log_probabilities: Tensor, attention: Tensor | None, state: State) -> None:
        """Takes the model's answer for the hypotheses that are alive."""
        count, beam = self.alive.shape
        if attention is not None and self.covered is not None:
            self.covered = self.covered + attention.view(count, beam, -1)
        totals = self.alive[:, :, None] + log_probabilities.float().view(count, beam, -1)  # [N, K, V]
        vocabulary = totals.shape[2]
        # Twice as many as are kept: at most K of them end, one of each parent.
        best, places = totals.flatten(1).topk(min(2 * beam, beam * vocabulary), dim=1)
        parents, tokens = places // vocabulary, places % vocabulary
        ends = tokens == self.end
        self._finish(best[:, :beam].masked_fill(~ends[:, :beam], -torch.inf), parents[:, :beam])
        self.alive, kept = best.masked_fill(ends, -torch.inf).topk(beam, dim=1)
        self._descend(parents.gather(1, kept), tokens.gather(1, kept), state)
        self._drop_settled()

    def _finish(self, ended: Tensor, parents: Tensor) -> None:
        """Notes each sentence's best hypothesis that ends here, where it is the best so far.

        Args:
            ended: log probabilities [N, K], minus infinity where a hypothesis goes on.
            parents: the hypotheses that they end, [N, K].
        """
        first = torch.arange(len(parents), device=parents.device)[:, None]
        covered = None if self.covered is None else self.covered[first, parents]
        scores, which = self.settings.scores(ended, self.tokens.shape[2] + 1, covered).max(dim=1)
        better = scores > self.best_scores
        self.best_scores = torch.where(better, scores, self.best_scores)
        self.num_ended = self.num_ended + (ended > -torch.inf).sum(dim=1)
        for row in better.nonzero()[:, 0].tolist():
            self.best[self.sentences[row]] = self.tokens[row, parents[row, which[row]]].tolist()

    def _descend(self, parents: Tensor, chosen: Tensor, state: State) -> None:
        """Makes the chosen continuations, [N, K] each, the hypotheses that are alive."""
        count, beam = parents.shape
        first = torch.arange(count, device=parents.device)[:, None]
        self.tokens = torch.cat([self.tokens[first, parents], chosen[:, :, None]], dim=2)
        if self.covered is not None:
            self.covered = self.covered[first, parents]
        self.state = _taken(state, (first * beam + parents).flatten())
        self.last = chosen.flatten()

    def _drop_settled(self) -> None:
        """Ends the search of sentences that no hypothesis alive can improve, or that have reached their length."""
        length = self.tokens.shape[2]
        # More tokens only lower a probability, and the longest hypothesis is divided by the most.
        bound = self.settings.scores(self.alive[:, 0], self.longest)
        spent = self.longest <= length
        settled = spent | (self.best_scores >= bound) | (self.num_ended >= self.settings.beam)
        for row in (spent & self.best_scores.isinf()).nonzero()[:, 0].tolist():
            self.best[self.sentences[row]] = self.tokens[row, 0].tolist()  # none has ended
        if settled.any():
            self._keep((~settled).nonzero()[:, 0])

    def _keep(self, rows: Tensor) -> None:
        """Goes on with some sentences alone."""
        beam = self.settings.beam
        self.sentences = [self.sentences[row] for row in rows.tolist()]
        self.longest, self.tokens, self.alive = self.longest[rows], self.tokens[rows], self.alive[rows]
        self.best_scores, self.num_ended = self.best_scores[rows], self.num_ended[rows]
        self.covered = None if self.covered is None else self.covered[rows]
        hypotheses = (rows[:, None] * beam + torch.arange(beam, device=rows.device)).flatten()
        self.state, self.last = _taken(self.state, hypotheses), self.last[hypotheses]


def _taken(state: State, rows: Tensor) -> State:
    """The state of some hypotheses."""
    return tree_map(lambda each: each.index_select(0, rows) if isinstance(each, Tensor) else each, state)


def _device(state: State) -> torch.device:
    found: list[torch.device] = []
    tree_map(lambda each: found.append(each.device) if isinstance(each, Tensor) else None, state)
    return found[0] if found else torch.device("cpu")
