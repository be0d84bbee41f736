"""The Transformer of Vaswani et al. 2017 (arXiv 1706.03762), the base model: norms come after the sums.

Dropout is where section 5.4 has it, on what a sublayer adds and on the sum of embedding and position, and nowhere else
(later code also drops attention). The paper does not say how weights begin; here they begin as in
facebookresearch/fairseq:fairseq/modules/multihead_attention.py and fairseq/models/transformer/, and all biases at 0.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightning_modules.networks.attention import CrossAttention, Pair, SelfAttention, present, projection
from lightning_modules.networks.encoder_decoder import EncoderDecoder

# N: sentences, M: hypotheses, K of each sentence, S: source tokens, T: target tokens, D: width, H: heads, E: D / H

USUAL = 1024  # tokens of a text whose positions are at hand; those of a longer one are computed when it comes

State = tuple[Pair, ...]
"""Keys and values of the tokens so far, of each layer."""


class Memory(NamedTuple):
    """What the hypotheses of a sentence have in common."""

    mask: Tensor | None  # where the source has a token, bool [N, 1, 1, S]; None where it has one everywhere
    pairs: State  # keys and values of the source, of each layer


def sinusoids(count: int, width: int) -> Tensor:
    """Section 3.5: sine and cosine by turns, of wavelengths from 2 pi to 10,000 times that; [count, D]."""
    rates = 10_000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(count, dtype=torch.float64)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).float()


class Transformer(EncoderDecoder):
    """Source and target tokens to logits of the next target token.

    Args:
        subwords: that both languages share, with one embedding that is also the softmax's matrix (section 3.4).
        width: of every layer, D.
        heads: of each attention, H.
        feedforward: inner width of the layers between attentions.
        layers: of the encoder, and of the decoder.
        dropout: probability that an activation is dropped.

    Raises:
        ValueError: the width cannot be shared out among the heads, or is odd.
    """

    positions: Tensor
    decoder: Sequence["DecoderLayer"]

    def __init__(self, subwords: int, width: int, heads: int, feedforward: int, layers: int, dropout: float) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"the width of {width} cannot be shared out among {heads} heads")
        if width % 2:
            raise ValueError(f"the width of {width} is odd, but a position is pairs of sine and cosine")
        self.embedding = nn.Embedding(subwords, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.register_buffer("positions", sinusoids(USUAL, width), persistent=False)
        self.dropout = nn.Dropout(dropout)
        sizes = (width, heads, feedforward, dropout)
        self.encoder = nn.ModuleList(EncoderLayer(*sizes) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(*sizes) for _ in range(layers))  # type: ignore[assignment]

    def forward(self, source: Tensor, counts: Sequence[int], target: Tensor) -> Tensor:
        """Logits [N, T, subwords]."""
        memory = self.encode(source, counts)
        found = self._embedded(target, 0)
        for layer, pair in zip(self.decoder, memory.pairs, strict=True):
            found, _ = layer(found, pair, memory.mask, None)
        return self._logits(found)

    def encode(self, source: Tensor, counts: Sequence[int]) -> Memory:
        """Keys and values of the source, of each decoder layer."""
        mask = present(counts, source)
        if mask is not None:
            mask = mask[:, None, None]
        found = self._embedded(source, 0)
        for layer in self.encoder:
            found = layer(found, mask)
        return Memory(mask, tuple(layer.across.pair(found) for layer in self.decoder))

    def begin(self, memory: Memory) -> State:
        """The state before the first token: keys and values of none."""
        return tuple((keys[:, :, :0], values[:, :, :0]) for keys, values in memory.pairs)

    def step(self, last: Tensor, state: State, memory: Memory) -> tuple[Tensor, None, State]:
        """One more token; no attention is given."""
        found = self._embedded(last[:, None], state[0][0].shape[2])
        after = []
        for layer, pair, past in zip(self.decoder, memory.pairs, state, strict=True):
            found, now = layer(found, pair, memory.mask, past)
            after.append(now)
        return self._logits(found[:, 0]).float().log_softmax(dim=1), None, tuple(after)

    def attention(self, source: Tensor, counts: Sequence[int], target: Tensor) -> Tensor:
        """The last layer's, the mean of its heads, [N, T, S]."""
        memory = self.encode(source, counts)
        found = self._embedded(target, 0)
        *layers, last = self.decoder
        for layer, pair in zip(layers, memory.pairs, strict=False):
            found, _ = layer(found, pair, memory.mask, None)
        found, _ = last.looked_back(found, None)
        return last.across.weights(found, memory.pairs[-1][0], memory.mask)

    def _embedded(self, tokens: Tensor, start: int) -> Tensor:
        """Tokens [N, T], the first of which is at position `start`, to [N, T, D]."""
        end, width = start + tokens.shape[1], self.embedding.embedding_dim
        positions = self.positions if end <= USUAL else sinusoids(end, width).to(self.positions)
        return self.dropout(self.embedding(tokens) * width**0.5 + positions[start:end])

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
        """The first sublayer: attention to the target so far, whose keys and values are returned too."""
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
    """Two linear maps and a ReLU between them (section 3.3)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__(projection(width, inner), nn.ReLU(), projection(inner, width))
