"""One LSTM layer, over packed or padded sequences, that computes in the precision that autocast asks for.

Left to autocast, cuDNN's LSTM computes in float16 whatever is asked for (pytorch/pytorch:aten/src/ATen/cudnn/
AutocastRNN.cpp), and without a loss scaler small gradients would be lost. So weights and data are cast by hand.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

# N: sequences, T: their positions, P: positions of all sequences, packed, D: width of what comes in, H: of a direction

Pair = tuple[Tensor, Tensor]
"""What an LSTM keeps of each sequence, its output and its cell: [N, H] each."""


def with_data(packed: PackedSequence, data: Tensor) -> PackedSequence:
    """Other values [P, D] for the same positions."""
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)


class Lstm(nn.LSTM):
    """A single layer with torch's parameters under torch's names; `forward` is torch's own and subject to autocast."""

    def __init__(self, inputs: int, width: int, bidirectional: bool = False) -> None:
        super().__init__(inputs, width, batch_first=True, bidirectional=bidirectional)

    def packed(self, data: Tensor, batch_sizes: Tensor) -> Tensor:
        """Packed sequences [P, D] to [P, H], or [P, 2 H] in two directions."""
        dtype = _dtype(data)
        with torch.autocast(data.device.type, enabled=False):
            start = data.new_zeros(1 + self.bidirectional, int(batch_sizes[0]), self.hidden_size, dtype=dtype)
            found, _, _ = torch.lstm(
                data.to(dtype), batch_sizes, (start, start), self._weights(dtype),
                True, 1, 0.0, self.training, self.bidirectional,
            )  # fmt: skip
        return found

    def padded(self, data: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        """Goes on from a state, in one direction: [N, T, D] to [N, T, H], and the state after the last position."""
        dtype = _dtype(data)
        with torch.autocast(data.device.type, enabled=False):
            weights = self._weights(dtype)
            output, cell = (each.to(dtype) for each in state)
            if data.shape[1] == 1:  # a call for whole sequences takes up to three times as long on a CPU
                output, cell = torch.lstm_cell(data[:, 0].to(dtype), (output, cell), *weights)
                return output[:, None], (output, cell)
            found, output, cell = torch.lstm(
                data.to(dtype), (output[None], cell[None]), weights, True, 1, 0.0, self.training, False, True
            )
        return found, (output[0], cell[0])

    def _weights(self, dtype: torch.dtype) -> list[Tensor]:
        return [weight.to(dtype) for weight in self.parameters()]


def _dtype(data: Tensor) -> torch.dtype:
    """Autocast's where it is on, else the data's own."""
    kind = data.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else data.dtype
