"""Multi-head attention (Vaswani et al. 2017, section 3.2.2) of a text to itself, and to another that many may read."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

# N: sentences, M: hypotheses, K of each sentence, S: source tokens, T: target tokens, D: width, H: heads, E: D / H

Pair = tuple[Tensor, Tensor]
"""Keys and values: [N, H, S, E] of the source, [M, H, T, E] of the target."""


def present(counts: Sequence[int], like: Tensor) -> Tensor | None:
    """Which tokens or frames [N, S, ...] are no padding, bool [N, S]; None if all are. Waits for no device."""
    if min(counts) == like.shape[1]:
        return None
    ends = torch.tensor(counts).to(like.device, non_blocking=True)
    return torch.arange(like.shape[1], device=like.device) < ends[:, None]


class SelfAttention(nn.Module):
    """Attention of a text to itself (section 3.2.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = attended(width, 3)  # queries, keys, values
        self.output = projection(width, width)

    def forward(
        self, text: Tensor, mask: Tensor | None = None, past: Pair | None = None, causal: bool = False
    ) -> tuple[Tensor, Pair]:
        """[M, T, D] to [M, T, D], and the keys and values, those of the past among them."""
        queries, keys, values = split(self.project(text), 3, self.heads)
        if past is not None:
            keys, values = torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)
        found = functional.scaled_dot_product_attention(queries, keys, values, mask, is_causal=causal)
        return self.output(joined(found)), (keys, values)


class CrossAttention(nn.Module):
    """Attention of the target to the source, whose keys and values are computed once a sentence."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = attended(width, 1)
        self.key_value = attended(width, 2)
        self.output = projection(width, width)

    def pair(self, source: Tensor) -> Pair:
        """Keys and values of a source [N, S, D]."""
        keys, values = split(self.key_value(source), 2, self.heads)
        return keys, values

    def forward(self, target: Tensor, pair: Pair, mask: Tensor | None) -> Tensor:
        """[M, T, D] to [M, T, D]."""
        found = functional.scaled_dot_product_attention(self._queries(target, len(pair[0])), *pair, mask)
        return self.output(joined(found).view(target.shape))

    def weights(self, target: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        """How much each target position attends to each source position, the mean of the heads: float32 [N, T, S]."""
        queries = self._queries(target, len(keys))
        scores = (queries @ keys.transpose(2, 3)).float() * queries.shape[3] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return scores.softmax(dim=3).mean(dim=1)

    def _queries(self, target: Tensor, sentences: int) -> Tensor:
        """[M, T, D] to [N, H, K T, E]: the hypotheses of a sentence as more positions, which read the same source."""
        return split(self.query(target).view(sentences, -1, target.shape[2]), 1, self.heads)[0]


def split(projected: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """[N, T, parts D] to as many [N, H, T, E]."""
    count, length, _ = projected.shape
    return projected.view(count, length, parts, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)


def joined(found: Tensor) -> Tensor:
    """[N, H, T, E] to [N, T, D]."""
    return found.transpose(1, 2).flatten(2)


def projection(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that begins after Glorot and Bengio, without bias."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def attended(width: int, parts: int) -> nn.Linear:
    """Queries, keys or values of one input in one layer; each begins by itself, smaller than others by sqrt(2)."""
    layer = projection(width, parts * width)
    for part in layer.weight.detach().split(width):
        nn.init.xavier_uniform_(part, gain=2**-0.5)
    return layer
