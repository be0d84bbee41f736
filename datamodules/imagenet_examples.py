"""What training and evaluation see of ImageNet: whole batches of uint8 pixels, each image written into its place.

Training crops are torchvision's RandomResizedCrop and flip with random numbers from (seed, epoch, id), and differ from
its pixels on PIL images by 1 of 255 at most. The resolution grows during training as in
libffcv/ffcv-imagenet:train_imagenet.py:get_resolution. Evaluation pixels equal torchvision's Resize, CenterCrop and
PILToTensor on PIL images bit for bit.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from datamodules import crops
from datamodules.batch_memory import BatchMemory
from datamodules.layouts.imagenet_split import Split
from datamodules.layouts.images import decode
from datamodules.layouts.jpeg import Box, Encoded
from datamodules.sampling import Key, example_generator


def random_crop(width: int, height: int, smallest_area: float, generator: np.random.Generator) -> Box:
    """(top, left, height, width) of a random crop, an aspect of 3/4-4/3 (torchvision's RandomResizedCrop.get_params).

    Its area is uniform between `smallest_area` and all of the image's.
    """
    for _ in range(10):
        area = width * height * generator.uniform(smallest_area, 1.0)
        aspect = math.exp(generator.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(generator.integers(height - h + 1)), int(generator.integers(width - w + 1)), h, w
    # the largest centred crop of an admissible aspect
    w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
    return (height - h) // 2, (width - w) // 2, h, w


def resolution_at(epoch: int, smallest: int, largest: int, ramp: Sequence[int]) -> int:
    """Side of the training crop in pixels: a ramp over the epochs, rounded to a multiple of 32."""
    if epoch <= ramp[0]:
        return smallest
    if epoch >= ramp[1]:
        return largest
    return round(float(np.interp(epoch, ramp, (smallest, largest))) / 32) * 32


class Batches(Dataset[dict[str, Tensor]]):
    """Keys -> images uint8 [N, 3, R, R] in the memory order of channels_last, labels [N], positions in the split [N].

    N may be 0.
    """

    split: Split
    memory: BatchMemory

    @abstractmethod
    def side(self, epoch: int) -> int:
        """The side R of the images at this epoch, in pixels."""

    @abstractmethod
    def draw(self, key: Key, image: Tensor) -> None:
        """Writes the pixels of an example, uint8 [1, 3, R, R]."""

    def __getitems__(self, keys: list[Key]) -> dict[str, Tensor]:
        side = self.side(keys[0][0]) if keys else 1
        images = self.memory.take(len(keys), side, side, 3).permute(0, 3, 1, 2)
        for place, key in enumerate(keys):
            self.draw(key, images[place : place + 1])
        positions = [index for _, index in keys]
        return {
            "image": images,
            "label": torch.from_numpy(self.split.labels[positions]),
            "index": torch.tensor(positions, dtype=torch.long),
        }


class TrainingImages(Batches):
    """(epoch, index) -> a random crop of the image."""

    def __init__(
        self, split: Split, memory: BatchMemory, seed: int, smallest_area: float, growth: tuple[int, int, Sequence[int]]
    ) -> None:
        self.split, self.memory, self.seed = split, memory, seed
        self.smallest_area, self.growth = smallest_area, growth
        crops.compiled()  # before there are processes that would each do it

    def side(self, epoch: int) -> int:
        """The training resolution at this epoch."""
        return resolution_at(epoch, *self.growth)

    def draw(self, key: Key, image: Tensor) -> None:
        """A crop, scaled, and mirrored every other time."""
        epoch, index = key
        encoded = Encoded(self.split.read(index), self.split.where(index))
        generator = example_generator(self.seed, epoch, self.split.identity(index))
        box = random_crop(*encoded.size, self.smallest_area, generator)
        crops.draw(encoded, box, bool(generator.random() < 0.5), image)


class EvaluationImages(Batches):
    """(0, index) -> the centre crop of the resized image."""

    def __init__(self, split: Split, memory: BatchMemory, resize: int, crop: int, interpolation: str) -> None:
        self.split, self.memory, self.resize, self.crop = split, memory, resize, crop
        self.interpolation = InterpolationMode(interpolation)

    def side(self, epoch: int) -> int:
        """The side of the crop, the same in every epoch."""
        return self.crop

    def draw(self, key: Key, image: Tensor) -> None:
        """Writes the centre crop, with the pixels of torchvision's transforms."""
        index = key[1]
        whole = decode(self.split.read(index), self.split.where(index))
        scaled = transforms.resize(whole, [self.resize], self.interpolation)
        image.copy_(transforms.pil_to_tensor(transforms.center_crop(scaled, [self.crop])))
