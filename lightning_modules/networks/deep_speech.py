"""A recogniser after Deep Speech 2: convolutions that halve time twice, bidirectional LSTMs, CTC's logits.

The network of mlcommons/algorithmic-efficiency:algoperf/workloads/librispeech_deepspeech/librispeech_pytorch/models.py
(512 wide, 6 LSTMs, 3 layers after them, residual, batch normalisation). After the convolutions everything is packed:
only frames that are there are kept, so padding costs nothing and no mean of a norm counts it.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from lightning_modules.networks.attention import present
from lightning_modules.networks.log_mel import LogMel, hidden, num_frames
from lightning_modules.networks.recurrent import Lstm, with_data

# N: recordings, T: frames, F: mel bins, C: channels, P: packed frames, D: width


def num_outputs(samples: int) -> int:
    """Frames that the network gives of a recording."""
    return _halved(_halved(num_frames(samples)))


def _halved(length: int) -> int:
    return (length + 1) // 2


class DeepSpeech(nn.Module):
    """Samples to logits.

    Args:
        subwords: that are told apart, the blank among them.
        width: of every layer, D; the LSTM of a direction has half of it.
        channels: of the convolutions, C.
        num_lstms: bidirectional LSTM layers.
        num_feedforward: layers after them.
        dropout: probability that an activation is dropped after the convolutions and after each feedforward layer.
        momentum: share of a batch in the running means of the norms.

    Raises:
        ValueError: the width is odd.
    """

    def __init__(
        self,
        subwords: int,
        width: int,
        channels: int,
        num_lstms: int,
        num_feedforward: int,
        dropout: float,
        momentum: float,
    ) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"the width of {width} is odd, but either direction of an LSTM has half of it")
        self.log_mel = LogMel()
        self.convolutions = Subsampling(len(self.log_mel.means), channels, width, dropout)
        self.lstms = nn.ModuleList(RecurrentLayer(width, momentum) for _ in range(num_lstms))
        self.feedforward = nn.ModuleList(FeedforwardLayer(width, dropout, momentum) for _ in range(num_feedforward))
        self.head = nn.Sequential(nn.LayerNorm(width, eps=1e-6), nn.Linear(width, subwords))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.constant_(module.bias, 0)  # type: ignore[arg-type]

    def forward(
        self, samples: Tensor, counts: Sequence[int], masks: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, list[int]]:
        """Logits of every frame.

        Args:
            samples: int16 [N, samples], zero beyond each recording.
            counts: samples of each recording.
            masks: bands and stretches that are hidden (`log_mel.hidden`), None where nothing is.

        Returns:
            Logits [N, T/4, subwords], and how many of their frames are each recording's.
        """
        features, frames = self.log_mel(samples, counts)
        if masks is not None:
            features = hidden(features, *masks)
        encoded, frames = self.convolutions(features, frames)
        sort = frames != sorted(frames, reverse=True)  # else no GPU need be waited for
        packed = pack_padded_sequence(encoded, frames, batch_first=True, enforce_sorted=not sort)
        for layer in (*self.lstms, *self.feedforward):
            packed = layer(packed)
        logits, _ = pad_packed_sequence(with_data(packed, self.head(packed.data)), batch_first=True)
        return logits, frames


class Subsampling(nn.Module):
    """Two convolutions of stride 2 in time and frequency, and a linear layer over channels and bins."""

    def __init__(self, bins: int, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.project = nn.Linear(channels * _halved(_halved(bins)), width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, frames: Sequence[int]) -> tuple[Tensor, list[int]]:
        """[N, T, F] to [N, T/4, D]."""
        found = features[:, None]  # [N, 1, T, F]
        for convolution in (self.first, self.second):
            frames = [_halved(length) for length in frames]
            found = convolution(found).relu()
            there = present(frames, found[:, 0])
            if there is not None:  # what padding has become is zeroed, or the next convolution would see it
                found = found * there[:, None, :, None]
        return self.dropout(self.project(found.transpose(1, 2).flatten(2))), list(frames)


class RecurrentLayer(nn.Module):
    """Batch normalisation and a bidirectional LSTM, added to what comes in."""

    def __init__(self, width: int, momentum: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, eps=1e-3, momentum=momentum)
        self.lstm = Lstm(width, width // 2, bidirectional=True)

    def forward(self, packed: PackedSequence) -> PackedSequence:
        """Packed [P, D] to packed [P, D]."""
        return with_data(packed, packed.data + self.lstm.packed(self.norm(packed.data), packed.batch_sizes))


class FeedforwardLayer(nn.Module):
    """Batch normalisation and a linear layer with ReLU, added to what comes in."""

    def __init__(self, width: int, dropout: float, momentum: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(width, eps=1e-3, momentum=momentum), nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, packed: PackedSequence) -> PackedSequence:
        """Packed [P, D] to packed [P, D]."""
        return with_data(packed, packed.data + self.layers(packed.data))
