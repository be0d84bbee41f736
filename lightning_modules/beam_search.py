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

State = Any
"""Tensors, in any nesting of tuples, lists and dictionaries, whose first dimension is that of the hypotheses."""
Memory = Any
"""The same, but the first dimension is that of the sentences: what their hypotheses have in common."""
Step = Callable[[Tensor, State, Memory], tuple[Tensor, Tensor | None, State]]
"""Last tokens [N K], state and memory -> log probabilities of the next [N K, V], attention [N K, S] or None, and the
next state. The hypotheses of a sentence are next to each other."""


@dataclass(frozen=True)
class BeamSearch:
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
    step: Step, state: State, memory: Memory, begin: int, end: int, longest: Sequence[int], settings: BeamSearch,
    padding: Tensor | None = None,
) -> list[list[int]]:  # fmt: skip
    """The best finished hypothesis of each sentence, without its end symbol.

    A hypothesis ends where its end is among the K best continuations. A sentence is searched until K have ended (the
    rule of facebookresearch/fairseq:fairseq/sequence_generator.py), or until none that is alive could pass the best of
    them. One that is unfinished at its greatest length is taken only where none has ended.

    Args:
        step: the model.
        state: of one hypothesis a sentence, first dimension N; it is copied for each of the K.
        memory: of the sentences, first dimension N; it is never copied, only left out once a sentence is settled.
        begin: token that every hypothesis begins with.
        end: token that ends one.
        longest: greatest length of each sentence's hypotheses, the end symbol counted.
        settings: the beam and the penalties.
        padding: where the source has no position to attend to, bool [N, S]; needed for a coverage penalty.
    """
    assert padding is not None or not settings.coverage_penalty
    beams = _Beams(state, memory, begin, end, longest, settings, padding)
    while beams.sentences:
        beams.advance(*step(beams.last, beams.state, beams.memory))
    return beams.best


class _Beams:
    """Hypotheses that are alive, K of each sentence still searched, and the best finished one of every sentence.

    A device is waited for once a step, for which sentences are settled, and once more where some are.
    """

    def __init__(
        self, state: State, memory: Memory, begin: int, end: int, longest: Sequence[int], settings: BeamSearch,
        padding: Tensor | None,
    ) -> None:  # fmt: skip
        self.settings, self.end, self.memory = settings, end, memory
        beam, count, most = settings.beam, len(longest), max(longest, default=0)
        device = _device((state, memory))
        rows = torch.arange(count, device=device).repeat_interleave(beam)
        self.state = _taken(state, rows)
        self.last = torch.full((count * beam,), begin, device=device)
        self.sentences = list(range(count))
        self.longest = torch.tensor(longest, device=device)
        self.lengths = torch.arange(most + 2, device=device)  # a number made on the host would be waited for
        self.tokens = torch.empty(count, beam, 0, dtype=torch.int64, device=device)
        self.alive = torch.full((count, beam), -torch.inf, device=device)
        self.alive[:, 0] = 0.0  # all hypotheses of a sentence begin alike, so that one stands for them
        self.covered = None if padding is None else padding[rows].float().view(count, beam, -1)
        self.best: list[list[int]] = [[] for _ in longest]
        self.finished = torch.full((count, most + 1), end, device=device)  # the best of each, up to the first end
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

    def _finish(self, ended: Tensor, parents: Tensor) -> None:
        """Notes each sentence's best hypothesis that ends here, where it is the best so far.

        Args:
            ended: log probabilities [N, K], minus infinity where a hypothesis goes on.
            parents: the hypotheses that they end, [N, K].
        """
        length = self.tokens.shape[2]
        covered = None if self.covered is None else _of_parents(self.covered, parents)
        scores, which = self.settings.scores(ended, self.lengths[length + 1], covered).max(dim=1)
        better = scores > self.best_scores
        self.best_scores = torch.where(better, scores, self.best_scores)
        self.num_ended = self.num_ended + (ended > -torch.inf).sum(dim=1)
        self._note(better, _of_parents(self.tokens, parents.gather(1, which[:, None]))[:, 0])

    def _note(self, rows: Tensor, tokens: Tensor) -> None:
        """Takes hypotheses [N, length], which are longer than those before, as the best of some sentences, bool [N]."""
        found = self.finished[:, : tokens.shape[1]]
        found.copy_(torch.where(rows[:, None], tokens, found))

    def _descend(self, parents: Tensor, chosen: Tensor, state: State) -> None:
        """Makes the chosen continuations, [N, K] each, the hypotheses that are alive, but not of settled sentences."""
        count, beam = parents.shape
        self.tokens = torch.cat([_of_parents(self.tokens, parents), chosen[:, :, None]], dim=2)
        self.covered = None if self.covered is None else _of_parents(self.covered, parents)
        places = parents + torch.arange(0, count * beam, beam, device=parents.device)[:, None]  # among all N K
        settled = self._settled().tolist()
        if any(settled):
            rows = torch.tensor([row for row in range(count) if not settled[row]], dtype=torch.int64).to(parents.device)
            self._drop(settled, rows)
            places, chosen = places[rows], chosen[rows]
        self.state, self.last = _taken(state, places.flatten()), chosen.flatten()

    def _settled(self) -> Tensor:
        """Which sentences no hypothesis alive can improve, or have reached their length: bool [N]."""
        # More tokens only lower a probability, and the longest hypothesis is divided by the most.
        bound = self.settings.scores(self.alive[:, 0], self.longest)
        spent = self.longest <= self.tokens.shape[2]
        self._note(spent & self.best_scores.isinf(), self.tokens[:, 0])  # none has ended
        return spent | (self.best_scores >= bound) | (self.num_ended >= self.settings.beam)

    def _drop(self, settled: Sequence[bool], rows: Tensor) -> None:
        """Answers for settled sentences and goes on with the others, whose rows are given."""
        for sentence, tokens, done in zip(self.sentences, self.finished.tolist(), settled, strict=True):
            if done:
                self.best[sentence] = tokens[: tokens.index(self.end)]
        self.sentences = [each for each, done in zip(self.sentences, settled, strict=True) if not done]
        self.longest, self.tokens, self.alive = self.longest[rows], self.tokens[rows], self.alive[rows]
        self.finished, self.best_scores = self.finished[rows], self.best_scores[rows]
        self.num_ended = self.num_ended[rows]
        self.covered = None if self.covered is None else self.covered[rows]
        self.memory = _taken(self.memory, rows)


def _of_parents(values: Tensor, parents: Tensor) -> Tensor:
    """Values [N, K, ...] of hypotheses [N, K'], which are numbered within their sentence: [N, K', ...]."""
    return values.gather(1, parents[:, :, None].expand(-1, -1, values.shape[2]))


def _taken(tensors: Any, rows: Tensor) -> Any:
    """The given rows of every tensor."""
    return tree_map(lambda each: each.index_select(0, rows) if isinstance(each, Tensor) else each, tensors)


def _device(tensors: Any) -> torch.device:
    found: list[torch.device] = []
    tree_map(lambda each: found.append(each.device) if isinstance(each, Tensor) else None, tensors)
    return found[0] if found else torch.device("cpu")
