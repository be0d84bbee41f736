"""SpecAugment without time warping: which bins and frames of a spectrogram are hidden, drawn an example at a time.

Park et al. 2019 (arXiv 1904.08779), section 2, with time masks in proportion to the length as in
mlcommons/algorithmic-efficiency:algoperf/workloads/librispeech_conformer/librispeech_pytorch/spectrum_augmenter.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.arrays import Integers
from lightning_modules.networks.log_mel import MEANS, num_frames


@dataclass(frozen=True)
class SpecAugment:
    """How much is hidden.

    Args:
        frequency_masks: bands a spectrogram.
        widest_band: mel bins that a band covers at most.
        time_masks: stretches of time a spectrogram.
        longest_share: of the frames, that a stretch covers at most.
    """

    frequency_masks: int
    widest_band: int
    time_masks: int
    longest_share: float

    def drawn(self, counts: Sequence[int], random: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
        """What is hidden of each recording, start and end (exclusive) of each mask.

        Args:
            counts: samples of each recording, N of them.
            random: a number for each, from which alone its masks follow.
            device: where the masks are needed.

        Returns:
            Bands of mel bins, int64 [N, frequency_masks, 2], and stretches of frames, [N, time_masks, 2].
        """
        both = [
            self._masks(num_frames(count), np.random.default_rng(seed))
            for count, seed in zip(counts, random, strict=True)
        ]
        bands, stretches = (torch.from_numpy(np.stack(part)) for part in zip(*both, strict=True))
        return bands.to(device, non_blocking=True), stretches.to(device, non_blocking=True)

    def _masks(self, frames: int, generator: np.random.Generator) -> tuple[Integers, Integers]:
        bands = _spans(self.frequency_masks, self.widest_band, len(MEANS), generator)
        return bands, _spans(self.time_masks, int(self.longest_share * frames), frames, generator)


def _spans(count: int, longest: int, size: int, generator: np.random.Generator) -> Integers:
    """Spans of 0 to `longest` places, anywhere among `size`."""
    lengths = generator.integers(0, min(longest, size) + 1, count)
    starts = generator.integers(0, size - lengths + 1)
    return np.stack([starts, starts + lengths], axis=1)
