"""A Transformer encoder with norms before its sublayers and rotary positions, and a head that guesses hidden tokens.

Positions turn queries and keys (Su et al. 2021, RoFormer, arXiv 2104.09864, section 3.2.2): scores depend on distances
alone, and a text may have any length. First weights are those of `attention.py`, but for what sublayers add, which
begins smaller by sqrt(2 * layers), as in GPT-2 (Radford et al. 2019, section 2.3): the sum of all sublayers then begins
as large whatever their number.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightning_modules.networks.attention import attended, joined, present, projection, split

# N: texts, T: tokens, M: masked tokens, D: width, H: heads, E: D / H

BASE = 10_000.0  # of the angles, section 3.2.2

Turns = tuple[Tensor, Tensor]
"""Cosines and sines of the angles of each position, [T, E / 2]."""


class Encoder(nn.Module):
    """Tokens to a vector each.

    Args:
        subwords: of the vocabulary.
        width: of every layer, D.
        heads: of each attention, H.
        feedforward: inner width of the layers between attentions.
        layers: how many there are.
        dropout: probability that a value is dropped from the embedding, or from what a sublayer adds.

    Raises:
        ValueError: the width cannot be shared out among the heads, a head's width has no pairs, or there is no layer.
    """

    rates: Tensor

    def __init__(self, subwords: int, width: int, heads: int, feedforward: int, layers: int, dropout: float) -> None:
        super().__init__()
        _require_fit(width, heads, layers)
        self.embedding = nn.Embedding(subwords, width)
        # Multiplied by sqrt(D) it begins at a deviation of 1, and so do the logits of a head that uses it as it is.
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        # Part of a checkpoint, so that weights for another number of heads, all of the same shapes, are told apart.
        self.register_buffer("rates", rates(width // heads))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(width, heads, feedforward, dropout, layers) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    @property
    def width(self) -> int:
        """The width D of the vectors."""
        return self.embedding.embedding_dim

    def forward(self, tokens: Tensor, counts: Sequence[int]) -> Tensor:
        """The vectors of all tokens; those of padding mean nothing.

        Args:
            tokens: int64 [N, T].
            counts: tokens of each text, the others being padding.

        Returns:
            [N, T, D].
        """
        mask = present(counts, tokens)
        if mask is not None:
            mask = mask[:, None, None]
        turns = turns_of(self.rates, tokens.shape[1])
        found = self.dropout(self.embedding(tokens) * self.width**0.5)
        for layer in self.layers:
            found = layer(found, mask, turns)
        return self.norm(found)


class Layer(nn.Module):
    """Attention of the text to itself and a layer of its own for each position, each after a norm.

    Args:
        width: D.
        heads: H.
        feedforward: inner width of the second sublayer.
        dropout: probability that a value is dropped from what a sublayer adds.
        layers: of the whole network, which the first weights depend on.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float, layers: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = RotaryAttention(width, heads)
        self.feedforward_norm = nn.LayerNorm(width)
        narrow = projection(feedforward, width)
        self.feedforward = nn.Sequential(projection(width, feedforward), nn.GELU(), narrow)
        self.dropout = nn.Dropout(dropout)
        with torch.no_grad():
            for added in (self.attention.output, narrow):
                added.weight.mul_((2 * layers) ** -0.5)

    def forward(self, text: Tensor, mask: Tensor | None, turns: Turns) -> Tensor:
        """[N, T, D] to [N, T, D]; the mask says where there is a token, bool [N, 1, 1, T]."""
        text = text + self.dropout(self.attention(self.attention_norm(text), mask, turns))
        return text + self.dropout(self.feedforward(self.feedforward_norm(text)))


class RotaryAttention(nn.Module):
    """Attention of a text to itself that knows how far apart two tokens are."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = attended(width, 3)  # queries, keys, values
        self.output = projection(width, width)

    def forward(self, text: Tensor, mask: Tensor | None, turns: Turns) -> Tensor:
        """[N, T, D] to [N, T, D]."""
        queries, keys, values = split(self.project(text), 3, self.heads)
        found = functional.scaled_dot_product_attention(turned(queries, turns), turned(keys, turns), values, mask)
        return self.output(joined(found))


class MaskedHead(nn.Module):
    """Vectors of masked tokens to logits of what they were (Devlin et al. 2019, BERT, in its published code).

    The output's matrix is the embedding's, which the caller hands over, so that it is one weight with one name.

    Args:
        width: D.
        subwords: of the vocabulary.
    """

    def __init__(self, width: int, subwords: int) -> None:
        super().__init__()
        self.dense = projection(width, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(subwords))

    def forward(self, found: Tensor, matrix: Tensor) -> Tensor:
        """[M, D], with the embedding's matrix [subwords, D], to [M, subwords]."""
        return functional.linear(self.norm(functional.gelu(self.dense(found))), matrix, self.bias)


def pooled(found: Tensor, counts: Sequence[int]) -> Tensor:
    """The mean of the vectors [N, T, D] of a text's tokens, [N, D]; padding is left out."""
    mask = present(counts, found)
    if mask is None:
        return found.mean(dim=1)
    return found.masked_fill(~mask[..., None], 0.0).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def rates(width: int) -> Tensor:
    """The angles by which each pair of a head's values is turned from one position to the next, in radians, [E / 2]."""
    return (BASE ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)).float()


def turns_of(rates: Tensor, length: int) -> Turns:
    """The cosines and sines, [length, E / 2] each, of the turns at positions from 0 on."""
    angles = torch.arange(length, device=rates.device)[:, None] * rates
    return angles.cos(), angles.sin()


def turned(vectors: Tensor, turns: Turns) -> Tensor:
    """Queries or keys [N, H, T, E], each pair of values turned by its position's angle.

    A pair is value i and value i + E / 2. In the paper neighbours are a pair, which only numbers them differently.
    """
    cosines, sines = turns
    first, second = vectors.chunk(2, dim=3)
    whole = torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=3)
    return whole.to(vectors.dtype)  # angles are float32 whatever the vectors are


def _require_fit(width: int, heads: int, layers: int) -> None:
    if width % heads:
        raise ValueError(f"the width of {width} cannot be shared out among {heads} heads")
    if width // heads % 2:
        raise ValueError(f"a head's width of {width} / {heads} = {width // heads} is odd, but positions turn pairs")
    if layers < 1:
        raise ValueError(f"layers is {layers}; it is at least 1")
