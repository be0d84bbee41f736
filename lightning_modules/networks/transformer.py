"""The Transformer of Vaswani et al. 2017 (arXiv 1706.03762), the base model: norms come after the sums.

Dropout is where section 5.4 has it, on what a sublayer adds and on the sum of embedding and position, and nowhere else
(later code also drops attention). The paper does not say how weights begin; here they begin as in
facebookresearch/fairseq:fairseq/modules/multihead_attention.py and fairseq/models/transformer/.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

# N: sentences, M: hypotheses, K of each sentence, S: source tokens, T: target tokens, D: width, H: heads, E: D / H

LONGEST = 4096  # tokens of a text

Pair = tuple[Tensor, Tensor]
"""Keys and values: [N, H, S, E] of the source, [M, H, T, E] of the target."""
State = tuple[Pair, ...]
"""Keys and values of the tokens so far, of each layer."""


class Memory(NamedTuple):
    """What the hypotheses of a sentence have in common."""

    mask: Tensor | None  # where the source has a token, bool [N, 1, 1, S]; None where it has one everywhere
    pairs: State  # keys and values of the source, of each layer


def present(counts: Sequence[int], like: Tensor) -> Tensor | None:
    """Where tokens [N, S] are no padding, bool [N, S]; None where none is, and no device is waited for."""
    if min(counts) == like.shape[1]:
        return None
    ends = torch.tensor(counts).to(like.device, non_blocking=True)
    return torch.arange(like.shape[1], device=like.device) < ends[:, None]


def sinusoids(count: int, width: int) -> Tensor:
    """Section 3.5: sine and cosine by turns, of wavelengths from 2 pi to 10,000 times that; [count, D]."""
    rates = 10_000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(count, dtype=torch.float64)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).float()


class Transformer(nn.Module):
    """Source and target tokens to logits of the next target token.

    Args:
        subwords: that both languages share, with one embedding that is also the softmax's matrix (section 3.4).
        width: of every layer, D.
        heads: of each attention, H.
        feedforward: inner width of the layers between attentions.
        layers: of the encoder, and of the decoder.
        dropout: probability that an activation is dropped.
    """

    positions: Tensor
    decoder: Sequence["DecoderLayer"]

    def __init__(self, subwords: int, width: int, heads: int, feedforward: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(subwords, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.register_buffer("positions", sinusoids(LONGEST, width), persistent=False)
        self.dropout = nn.Dropout(dropout)
        sizes = (width, heads, feedforward, dropout)
        self.encoder = nn.ModuleList(EncoderLayer(*sizes) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(*sizes) for _ in range(layers))  # type: ignore[assignment]

    def forward(self, source: Tensor, counts: Sequence[int], target: Tensor) -> Tensor:
        """Logits of the token after each.

        Args:
            source: int64 [N, S], anything beyond each sentence.
            counts: tokens of each source sentence.
            target: int64 [N, T], from the begin symbol on.

        Returns:
            [N, T, subwords].
        """
        memory = self.encode(source, counts)
        found = self._embedded(target, 0)
        for layer, pair in zip(self.decoder, memory.pairs, strict=True):
            found, _ = layer(found, pair, memory.mask, None)
        return self._logits(found)

    def encode(self, source: Tensor, counts: Sequence[int]) -> Memory:
        """The source for the decoder: all that does not depend on the target."""
        mask = present(counts, source)
        if mask is not None:
            mask = mask[:, None, None]
        found = self._embedded(source, 0)
        for layer in self.encoder:
            found = layer(found, mask)
        return Memory(mask, tuple(layer.across.pair(found) for layer in self.decoder))

    def begin(self, memory: Memory) -> State:
        """The state of one hypothesis a sentence before its first token."""
        return tuple((keys[:, :, :0], values[:, :, :0]) for keys, values in memory.pairs)

    def step(self, last: Tensor, state: State, memory: Memory) -> tuple[Tensor, None, State]:
        """One more token.

        Args:
            last: token of each hypothesis, int64 [M]; those of a sentence are next to each other.
            state: of the hypotheses.
            memory: of the sentences; each is read by M / N hypotheses.

        Returns:
            Log probabilities of the next token [M, subwords], float32; no attention; the next state.
        """
        found = self._embedded(last[:, None], state[0][0].shape[2])
        after = []
        for layer, pair, past in zip(self.decoder, memory.pairs, state, strict=True):
            found, now = layer(found, pair, memory.mask, past)
            after.append(now)
        return self._logits(found[:, 0]).float().log_softmax(dim=1), None, tuple(after)

    def attention(self, source: Tensor, counts: Sequence[int], target: Tensor) -> Tensor:
        """For a picture: the last layer's attention to the source, the mean of its heads, [N, T, S]."""
        memory = self.encode(source, counts)
        found = self._embedded(target, 0)
        *layers, last = self.decoder
        for layer, pair in zip(layers, memory.pairs, strict=False):
            found, _ = layer(found, pair, memory.mask, None)
        found, _ = last.looked_back(found, None)
        return last.across.weights(found, memory.pairs[-1][0], memory.mask)

    def _embedded(self, tokens: Tensor, start: int) -> Tensor:
        """Tokens [N, T], the first of which is at position `start`, to [N, T, D]."""
        end = start + tokens.shape[1]
        if end > LONGEST:
            raise ValueError(f"a text of {end} tokens; the Transformer's positions end at {LONGEST}")
        width = self.embedding.embedding_dim
        return self.dropout(self.embedding(tokens) * width**0.5 + self.positions[start:end])

    def _logits(self, found: Tensor) -> Tensor:
        return functional.linear(found, self.embedding.weight)


class EncoderLayer(nn.Module):
    """Attention of the source to itself and a layer of its own for each position."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.within = SelfAttention(width, heads)
        self.within_sum = NormedSum(width, dropout)
        self.feedforward = FeedForward(width, feedforward)
        self.feedforward_sum = NormedSum(width, dropout)

    def forward(self, source: Tensor, mask: Tensor | None) -> Tensor:
        """[N, S, D] to [N, S, D]."""
        change, _ = self.within(source, mask=mask)
        found = self.within_sum(source, change)
        return self.feedforward_sum(found, self.feedforward(found))


class DecoderLayer(nn.Module):
    """Attention of the target to itself, then to the source, and a layer of its own for each position."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.within = SelfAttention(width, heads)
        self.within_sum = NormedSum(width, dropout)
        self.across = CrossAttention(width, heads)
        self.across_sum = NormedSum(width, dropout)
        self.feedforward = FeedForward(width, feedforward)
        self.feedforward_sum = NormedSum(width, dropout)

    def forward(self, target: Tensor, pair: Pair, mask: Tensor | None, past: Pair | None) -> tuple[Tensor, Pair]:
        """All target positions at once, or one more.

        Args:
            target: [M, T, D]; after a past T is 1.
            pair: keys and values of the source.
            mask: where there is a source token, bool [N, 1, 1, S].
            past: keys and values of the target's positions so far; None where `target` is all of it.

        Returns:
            [M, T, D], and the keys and values of all positions so far.
        """
        found, now = self.looked_back(target, past)
        found = self.across_sum(found, self.across(found, pair, mask))
        return self.feedforward_sum(found, self.feedforward(found)), now

    def looked_back(self, target: Tensor, past: Pair | None) -> tuple[Tensor, Pair]:
        """The first sublayer."""
        change, now = self.within(target, past=past, causal=past is None)
        return self.within_sum(target, change), now


class NormedSum(nn.Module):
    """What a sublayer adds, dropped in part, and layer normalisation after the sum."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, before: Tensor, change: Tensor) -> Tensor:
        """[..., D] and [..., D] to [..., D]."""
        return self.norm(before + self.dropout(change))


class FeedForward(nn.Sequential):
    """Section 3.3."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__(projection(width, inner), nn.ReLU(), projection(inner, width))


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
