"""NVIDIA's GNMT v2: LSTMs with residual sums, and attention that begins at the decoder's first layer.

After NVIDIA/DeepLearningExamples:PyTorch/Translation/GNMT/seq2seq/models/{gnmt,encoder,decoder,attention}.py, with its
first weights (init_lstm_ in seq2seq/utils.py): uniform between -0.1 and 0.1, an LSTM's second bias 0; in networks that
are not 1,024 wide, as its are, in proportion to the inverse root of the width. The source runs the encoder's later
layers over padding; here every layer is packed, which is the same where there are tokens.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lightning_modules.networks.attention import present
from lightning_modules.networks.encoder_decoder import EncoderDecoder
from lightning_modules.networks.recurrent import Lstm, Pair, with_data

# N: sentences, M: hypotheses, K of each sentence, S: source tokens, T: target tokens, P: packed source tokens, D: width

RANGE, RANGE_WIDTH = 0.1, 1024  # first weights of a network of this width; what goes through narrower ones would fade

State = tuple[Pair, ...]
"""The state of each decoder layer, a pair of [M, D]."""


class Memory(NamedTuple):
    """What the hypotheses of a sentence have in common."""

    values: Tensor  # the encoded source, [N, S, D]
    keys: Tensor  # its projection for the attention, [N, S, D]
    mask: Tensor | None  # where the source has a token, bool [N, 1, S]; None where it has one everywhere


class Gnmt(EncoderDecoder):
    """Source and target tokens to logits of the next target token.

    Args:
        subwords: that both languages share, with one embedding.
        width: of every layer, D; the encoder's first LSTM has as much in each direction.
        layers: LSTMs of the encoder, and of the decoder; at least 2.
        dropout: probability that a value is dropped from what comes into an LSTM.

    Raises:
        ValueError: there are too few layers.
    """

    decoder: Sequence[Lstm]

    def __init__(self, subwords: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        if layers < 2:
            raise ValueError(
                f"GNMT has at least 2 layers, not {layers}: its first one asks, the others read the answer"
            )
        self.embedding = nn.Embedding(subwords, width)
        self.encoder = Encoder(width, layers, dropout)
        self.attend = NormalisedAttention(width)
        inputs = (width, *[2 * width] * (layers - 1))
        self.decoder = nn.ModuleList(Lstm(each, width) for each in inputs)  # type: ignore[assignment]
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, subwords)
        self._begin_weights(width)

    def _begin_weights(self, width: int) -> None:
        reach = RANGE * (RANGE_WIDTH / width) ** 0.5
        for name, weight in self.named_parameters():
            if "bias_hh" in name:
                nn.init.zeros_(weight)
            elif name not in {"attend.query.bias", "attend.scale"}:
                nn.init.uniform_(weight, -reach, reach)

    def forward(self, source: Tensor, counts: Sequence[int], target: Tensor) -> Tensor:
        """Logits [N, T, subwords]."""
        memory = self.encode(source, counts)
        found, _, _ = self._decoded(target, self.begin(memory), memory)
        return self.classifier(found)

    def encode(self, source: Tensor, counts: Sequence[int]) -> Memory:
        """The source and its projection for the attention."""
        packed = pack_padded_sequence(source, list(counts), batch_first=True, enforce_sorted=False)
        encoded = self.encoder(self.embedding(packed.data), packed.batch_sizes)
        values, _ = pad_packed_sequence(with_data(packed, encoded), batch_first=True, total_length=source.shape[1])
        mask = present(counts, source)
        return Memory(values, self.attend.key(values), None if mask is None else mask[:, None])

    def begin(self, memory: Memory) -> State:
        """The state before the first token: all zero."""
        start = torch.zeros_like(memory.values[:, 0])
        return tuple((start, start) for _ in self.decoder)

    def step(self, last: Tensor, state: State, memory: Memory) -> tuple[Tensor, Tensor, State]:
        """One more token."""
        found, weights, state = self._decoded(last[:, None], state, memory)
        return self.classifier(found[:, 0]).float().log_softmax(dim=1), weights[:, 0], state

    def attention(self, source: Tensor, counts: Sequence[int], target: Tensor) -> Tensor:
        """The attention of each target position to each source position, [N, T, S]."""
        memory = self.encode(source, counts)
        _, weights, _ = self._decoded(target, self.begin(memory), memory)
        return weights

    def _decoded(self, target: Tensor, state: State, memory: Memory) -> tuple[Tensor, Tensor, State]:
        """Reads more target tokens [M, T], one or all.

        Returns:
            What the classifier reads [M, T, D], attention [M, T, S], and the state after the last token.
        """
        first, *others = self.decoder
        found, now = first.padded(self.dropout(self.embedding(target)), state[0])
        context, weights = self.attend(found, memory)
        after = [now]
        for place, (lstm, past) in enumerate(zip(others, state[1:], strict=True)):
            change, now = lstm.padded(self.dropout(torch.cat([found, context], dim=2)), past)
            found = change + found if place else change
            after.append(now)
        return found, weights, tuple(after)


class Encoder(nn.Module):
    """The first LSTM reads both ways; from the third on each is added to what comes in."""

    lstms: Sequence[Lstm]

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        inputs = (width, 2 * width, *[width] * (layers - 2))
        self.lstms = nn.ModuleList(  # type: ignore[assignment]
            Lstm(each, width, bidirectional=place == 0) for place, each in enumerate(inputs)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, found: Tensor, batch_sizes: Tensor) -> Tensor:
        """Packed [P, D] to packed [P, D]."""
        for place, lstm in enumerate(self.lstms):
            change = lstm.packed(self.dropout(found), batch_sizes)
            found = change + found if place > 1 else change
        return found


class NormalisedAttention(nn.Module):
    """Bahdanau's attention with weight normalisation: g v / |v| . tanh(W q + U k + b).

    The query's bias is b: added to the product of all positions, [N, T, S, D], it would take that memory once more.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.direction = nn.Parameter(torch.empty(width))
        self.scale = nn.Parameter(torch.tensor(width**-0.5))
        nn.init.zeros_(self.query.bias)

    def forward(self, asking: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Every position asks, the hypotheses of a sentence of the same memory.

        Args:
            asking: [M, T, D].
            memory: of the sentences.

        Returns:
            The mean of the source that is attended to [M, T, D], and the attention, float32 [M, T, S].
        """
        queries = self.query(asking).view(len(memory.keys), -1, 1, asking.shape[2])  # [N, K T, 1, D]
        direction = self.direction * (self.scale / self.direction.norm())
        # The largest tensor of the network, [N, K T, S, D], in autocast's precision where that is on.
        scores = torch.matmul(torch.tanh(queries + memory.keys[:, None]), direction)
        if memory.mask is not None:
            scores = scores.masked_fill(~memory.mask, -torch.inf)
        weights = scores.softmax(dim=2, dtype=torch.float32)
        context = torch.bmm(weights.to(memory.values.dtype), memory.values)
        return context.view(asking.shape), weights.view(*asking.shape[:2], -1)
