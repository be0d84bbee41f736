"""ImageNet's shapes, made up: batches of noise in the resolutions of the recipe."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.arrays import Integers
from datamodules.example_data import Examples
from datamodules.imagenet import ImageNetData
from datamodules.imagenet_examples import resolution_at
from datamodules.layouts.imagenet import OFFICIAL
from datamodules.sampling import Key
from datamodules.synthetic.unread import Unread

CLASSES = 1000


class Noise(Dataset[dict[str, Tensor]]):
    """Keys -> one picture of noise, uint8 [N, 3, R, R] in the memory order of channels_last, and labels [N]."""

    def __init__(self, growth: tuple[int, int, Sequence[int]]) -> None:
        self.growth = growth
        self.picture = torch.randint(256, (1, growth[1], growth[1], 3), dtype=torch.uint8).permute(0, 3, 1, 2)

    def __getitems__(self, keys: list[Key]) -> dict[str, Tensor]:
        side = resolution_at(keys[0][0], *self.growth)
        images = self.picture[..., :side, :side].expand(len(keys), -1, -1, -1)
        positions = torch.tensor([index for _, index in keys])
        return {
            "image": images.contiguous(memory_format=torch.channels_last),
            "label": positions % CLASSES,
            "index": positions,
        }


class SyntheticData(Unread, ImageNetData):
    """Made up in this process: passing batches of noise on from others would take longer than making them."""

    num_classes = CLASSES

    def setup(self, stage: str) -> None:
        """Sets up without workers."""
        self.workers = 0

    @property
    def training_groups(self) -> Integers:
        """One group, of as many images as there are."""
        return np.zeros(OFFICIAL["train"], np.int64)

    def training_images(self) -> Examples:
        """Pictures of noise with labels."""
        return Noise(self.growth)
