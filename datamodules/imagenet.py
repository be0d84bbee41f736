"""ImageNet (ILSVRC2012) and its miniature: splits, batches and the protocol of the evaluation."""

from typing import Any

import numpy as np

from benchmarks.arrays import Integers
from benchmarks.schema import DIGEST, Signature
from datamodules.example_data import Examples
from datamodules.image_data import ImageData
from datamodules.imagenet_examples import EvaluationImages, TrainingImages
from datamodules.layouts.imagenet import open_split
from datamodules.layouts.imagenet_split import Split, require_two_splits


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
        super().__init__(seed, global_batch_size, evaluation_batch_size, workers, collate=dict)  # batches come whole
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
    def fingerprint(self) -> dict[str, Any]:
        """Class names, and the sizes of the splits that are open, with digests of their ids and labels."""
        found: dict[str, Any] = {"classes": list(self.classes)}
        for split in (self.train, self.val):
            if split is not None:
                found |= {split.name: len(split), split.name + DIGEST: split.digest}
        return found

    @property
    def trained_on(self) -> dict[str, int]:
        """Images of the training split."""
        assert self.train is not None, "setup has not run"
        return {"train": len(self.train)}

    def setup(self, stage: str) -> None:
        """Opens the splits that the stage needs.

        Raises:
            UserError: a split is missing, or both have other classes or the same images.
        """
        self.val = self.val or open_split(self.root, "val")
        if stage == "fit" and self.train is None:
            self.train = open_split(self.root, "train")
            require_two_splits(self.train, self.val)

    @property
    def training_groups(self) -> Integers:
        """All images are cut to one shape, so they are one group."""
        assert self.train is not None, "setup has not run"
        return np.zeros(len(self.train), np.int64)

    def training_images(self) -> Examples:
        """Random crops of the training images."""
        assert self.train is not None
        return TrainingImages(self.train, self.memory(), self.seed, self.smallest_area, self.growth)

    def evaluation_images(self) -> Examples:
        """Centre crops of the evaluation images."""
        assert self.val is not None
        return EvaluationImages(self.val, self.memory(), self.resize, self.crop, self.interpolation)
