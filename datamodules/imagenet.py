"""ImageNet (ILSVRC2012) and its miniature: uint8 batches for training, reference pixels for evaluation.

Training crops are torchvision's RandomResizedCrop and flip with random numbers from (seed, epoch, id). The resolution
grows during training as in libffcv/ffcv-imagenet:train_imagenet.py:get_resolution. Evaluation pixels equal
torchvision's Resize, CenterCrop and PILToTensor on PIL images bit for bit.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as pixels

from benchmarks.schema import Signature
from datamodules.image_data import ImageData, Images
from datamodules.layouts.imagenet import Split, check_classes, open_split
from datamodules.layouts.images import decode
from datamodules.sampling import Key, example_generator


def random_crop(
    width: int, height: int, smallest_area: float, generator: np.random.Generator
) -> tuple[int, int, int, int]:
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


class TrainingImages(Dataset[dict[str, Any]]):
    """(epoch, index) -> a random crop of the image, uint8 [3, R, R]."""

    def __init__(self, split: Split, seed: int, smallest_area: float, growth: tuple[int, int, Sequence[int]]) -> None:
        self.split, self.seed, self.smallest_area, self.growth = split, seed, smallest_area, growth

    def __getitem__(self, key: Key) -> dict[str, Any]:
        epoch, index = key
        image = decode(self.split.read(index), self.split.where(index))
        generator = example_generator(self.seed, epoch, self.split.identity(index))
        side = resolution_at(epoch, *self.growth)
        box = random_crop(*image.size, self.smallest_area, generator)
        crop = pixels.resized_crop(image, *box, [side, side])
        if generator.random() < 0.5:
            crop = pixels.hflip(crop)
        return {"image": pixels.pil_to_tensor(crop), "label": int(self.split.labels[index]), "index": index}


class EvaluationImages(Dataset[dict[str, Any]]):
    """(0, index) -> the centre crop of the resized image, uint8 [3, C, C]."""

    def __init__(self, split: Split, resize: int, crop: int, interpolation: str) -> None:
        self.split, self.resize, self.crop = split, resize, crop
        self.interpolation = InterpolationMode(interpolation)

    def __getitem__(self, key: Key) -> dict[str, Any]:
        index = key[1]
        image = decode(self.split.read(index), self.split.where(index))
        resized = pixels.resize(image, [self.resize], self.interpolation)
        crop = pixels.pil_to_tensor(pixels.center_crop(resized, [self.crop]))
        return {"image": crop, "label": int(self.split.labels[index]), "index": index}


def collate(examples: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Images [N, 3, H, W], labels [N] and positions in the split [N]; N may be 0."""
    images = [example["image"] for example in examples]
    return {
        "image": torch.stack(images) if images else torch.empty(0, 3, 1, 1, dtype=torch.uint8),
        "label": torch.tensor([e["label"] for e in examples], dtype=torch.long),
        "index": torch.tensor([e["index"] for e in examples], dtype=torch.long),
    }


class ImageNetData(ImageData):
    """Training and validation images.

    Args:
        root: a folder in one of the accepted layouts, or `hf:<name>`.
        seed: of the run; decides order and augmentation.
        global_batch_size: images in one optimizer step, over all devices.
        evaluation_batch_size: images a device scores at once.
        smallest: first training resolution, in pixels.
        largest: last training resolution.
        ramp: first and last epoch of the growth from `smallest` to `largest`.
        smallest_area: share of the image that a training crop keeps at least.
        resize: the shorter side that an evaluation image is scaled to.
        crop: side of its centre crop.
        interpolation: of that scaling.
        workers: processes that decode images, a device.
    """

    def __init__(
        self,
        root: str,
        seed: int,
        global_batch_size: int,
        evaluation_batch_size: int,
        smallest: int,
        largest: int,
        ramp: list[int],
        smallest_area: float = 0.08,
        resize: int = 256,
        crop: int = 224,
        interpolation: str = "bilinear",
        workers: int = 8,
    ) -> None:
        super().__init__(seed, global_batch_size, evaluation_batch_size, workers, collate)
        self.root = root
        self.smallest_area, self.growth = smallest_area, (smallest, largest, ramp)
        self.resize, self.crop, self.interpolation = resize, crop, interpolation
        self.train: Split | None = None
        self.val: Split | None = None

    @property
    def signature(self) -> Signature:
        """The protocol of the evaluation, as the claim states it."""
        return {"resize": self.resize, "crop": self.crop, "interpolation": self.interpolation, "views": 1}

    @property
    def hardest(self) -> dict[str, object]:
        """The last resolution from the first step on."""
        return {"smallest": self.growth[1]}

    @property
    def num_classes(self) -> int:
        """Classes in the tree."""
        return len(self.classes)

    @property
    def classes(self) -> tuple[str, ...]:
        """Sorted class names of the tree; labels are indices into them."""
        split = self.val or self.train
        assert split is not None, "setup has not run"
        return split.classes

    @property
    def identity(self) -> dict[str, Any]:
        """Class names, and the sizes of the splits that are open."""
        return {"classes": list(self.classes)} | {
            name: len(split) for name, split in (("train", self.train), ("val", self.val)) if split is not None
        }

    def setup(self, stage: str) -> None:
        """Opens the splits that the stage needs.

        Raises:
            UserError: a split is missing, or training and validation classes differ.
        """
        self.val = self.val or open_split(self.root, "val")
        if stage == "fit" and self.train is None:
            self.train = open_split(self.root, "train")
            check_classes(self.train, self.val)

    @property
    def training_groups(self) -> NDArray[np.int64]:
        """All images are cut to one shape, so they are one group."""
        assert self.train is not None, "setup has not run"
        return np.zeros(len(self.train), np.int64)

    def training_images(self) -> Images:
        """Random crops."""
        assert self.train is not None
        return TrainingImages(self.train, self.seed, self.smallest_area, self.growth)

    def evaluation_images(self) -> Images:
        """Centre crops."""
        assert self.val is not None
        return EvaluationImages(self.val, self.resize, self.crop, self.interpolation)
