"""Speech as normalised log-mel energies, computed where the network is.

After mlcommons/algorithmic-efficiency:algoperf/workloads/librispeech_conformer/librispeech_pytorch/preprocessor.py:
80 bins between 125 and 7,600 Hz, windows of 25 ms every 10 ms, pre-emphasis 0.97, and one mean and one deviation a bin
for all recordings. There a filter's slopes are straight on the mel scale, in torchaudio in hertz.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from torchaudio.functional import melscale_fbanks, preemphasis

RATE = 16_000
WINDOW, HOP, FFT = 400, 160, 512  # samples
FLOOR = 1e-5  # of an energy, before its logarithm

# Of LibriSpeech's log energies (LIBRISPEECH_MEAN_VECTOR and LIBRISPEECH_STD_VECTOR of the source), to three digits.
MEANS = (
    -7.605, -7.121, -6.886, -6.871, -6.967, -7.108, -6.953, -6.784, -6.620, -6.488, -6.412, -6.394, -6.424,
    -6.399, -6.516, -6.714, -6.848, -6.989, -6.922, -7.146, -7.204, -7.054, -7.314, -7.122, -7.303, -7.121,
    -7.243, -7.173, -7.098, -7.089, -6.985, -6.879, -6.760, -6.630, -6.515, -6.425, -6.357, -6.318, -6.266,
    -6.247, -6.282, -6.191, -6.248, -6.147, -6.092, -6.017, -5.925, -5.854, -5.821, -5.812, -5.808, -5.771,
    -5.745, -5.771, -5.777, -5.783, -5.795, -5.799, -5.802, -5.805, -5.817, -5.884, -5.973, -6.044, -6.128,
    -6.226, -6.316, -6.391, -6.493, -6.550, -6.605, -6.651, -6.669, -6.673, -6.684, -6.697, -6.755, -6.795,
    -6.863, -6.942,
)  # fmt: skip
DEVIATIONS = (
    3.435, 3.596, 3.701, 3.737, 3.754, 3.694, 3.692, 3.764, 3.842, 3.900, 3.929, 3.932, 3.914,
    3.903, 3.869, 3.816, 3.764, 3.710, 3.697, 3.600, 3.549, 3.547, 3.450, 3.471, 3.408, 3.441,
    3.410, 3.422, 3.431, 3.420, 3.431, 3.438, 3.458, 3.482, 3.496, 3.504, 3.505, 3.499, 3.493,
    3.482, 3.459, 3.461, 3.456, 3.476, 3.497, 3.533, 3.571, 3.592, 3.597, 3.591, 3.587, 3.583,
    3.584, 3.590, 3.582, 3.584, 3.586, 3.589, 3.592, 3.594, 3.586, 3.588, 3.592, 3.587, 3.581,
    3.573, 3.562, 3.550, 3.553, 3.548, 3.539, 3.526, 3.503, 3.492, 3.488, 3.473, 3.456, 3.435,
    3.428, 3.430,
)  # fmt: skip


def num_frames(samples: int) -> int:
    """Windows that fit into a recording; one at least."""
    return 1 + max(0, samples - FFT) // HOP


class LogMel(nn.Module):
    """Samples to features, a recording at a time: it stays in the cache, and its neighbours' lengths cost nothing.

    Equal to torchaudio's MelSpectrogram, whose absolute value of a complex number takes most of its time on a CPU
    (`benchmarks/speed/speech.py`).
    """

    window: Tensor
    bank: Tensor
    means: Tensor
    deviations: Tensor

    def __init__(self) -> None:
        super().__init__()
        bank = melscale_fbanks(FFT // 2 + 1, f_min=125, f_max=7600, n_mels=len(MEANS), sample_rate=RATE)
        constants = {
            "window": functional.pad(torch.hann_window(WINDOW), [(FFT - WINDOW) // 2] * 2), "bank": bank,
            "means": torch.tensor(MEANS), "deviations": torch.tensor(DEVIATIONS),
        }  # fmt: skip
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)

    def forward(self, samples: Tensor, counts: Sequence[int]) -> tuple[Tensor, list[int]]:
        """Features of recordings, zero beyond each one.

        Args:
            samples: int16 [N, T].
            counts: samples of each recording.

        Returns:
            Features, float32 [N, frames, bins], and the frames of each recording.
        """
        with torch.autocast(samples.device.type, enabled=False):
            each = [self._features(row[:count]) for row, count in zip(samples, counts, strict=True)]
        return pad_sequence(each, batch_first=True), [len(features) for features in each]

    def _features(self, samples: Tensor) -> Tensor:
        """Features [frames, bins] of one recording [samples]."""
        padded = functional.pad(samples.float() / 2**15, (0, max(0, FFT - len(samples))))
        frames = preemphasis(padded, 0.97).unfold(0, FFT, HOP) * self.window
        spectrum = torch.fft.rfft(frames)
        energies = (spectrum.real.square() + spectrum.imag.square()) @ self.bank
        return (energies.clamp(min=FLOOR).log() - self.means) / self.deviations


def hidden(features: Tensor, bands: Tensor, stretches: Tensor) -> Tensor:
    """Features with bands of bins and stretches of time at zero, their mean.

    Args:
        features: [N, frames, bins].
        bands: start and end (exclusive) of each, int64 [N, masks, 2].
        stretches: the same of frames.
    """
    frames = _within(stretches, features.shape[1])[:, :, None]
    return features.masked_fill(frames | _within(bands, features.shape[2])[:, None, :], 0.0)


def _within(spans: Tensor, size: int) -> Tensor:
    """Whether each place is in any span, bool [N, size]."""
    places = torch.arange(size, device=spans.device)
    return ((places >= spans[..., :1]) & (places < spans[..., 1:])).any(dim=1)
