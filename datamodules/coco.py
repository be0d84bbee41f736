"""COCO detection: uint8 images of any size and their boxes, one augmentation a (seed, epoch, id).

Training leaves out crowds, boxes without area, and images in which nothing is left that is larger than a pixel
(pytorch/vision:references/detection/coco_utils.py:_coco_remove_images_without_annotations). Testing leaves out nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.v2.functional import pil_to_tensor

from benchmarks.arrays import Integers
from benchmarks.errors import UserError
from benchmarks.schema import Signature
from datamodules.example_data import Examples
from datamodules.image_data import ImageData
from datamodules.layouts.coco import TRAIN, VAL, Split, open_split
from datamodules.layouts.images import decode
from datamodules.resizing import Resizing, mirrored
from datamodules.sampling import Key, example_generator
from results.scoring.detection import Truth


def read_image(split: Split, index: int) -> Tensor:
    """Pixels uint8 [3, H, W]; grey and CMYK images as RGB.

    Raises:
        UserError: the file cannot be read, is no image, or not of the annotated size.
    """
    image = decode(split.read(index), split.where(index))
    annotated = tuple(split.truth.sizes[index].tolist())
    if image.size != annotated:
        raise UserError(
            f"{split.where(index)} has {image.size[0]} x {image.size[1]} pixels, its annotation says {annotated[0]} x "
            f"{annotated[1]}. Put the image there that was annotated."
        )
    pixels: Tensor = pil_to_tensor(image)
    return pixels


class TrainingImages(Dataset[dict[str, Any]]):
    """(epoch, position among the usable) -> image uint8 [3, H, W], boxes float32 [n, 4] as corners, labels [n]."""

    def __init__(self, split: Split, usable: Integers, seed: int, resizing: Resizing) -> None:
        self.split, self.usable, self.seed, self.resizing = split, usable, seed, resizing
        objects = split.truth.objects
        kept = np.flatnonzero(~objects.crowd)
        order = kept[np.argsort(objects.image[kept], kind="stable")]
        self.objects = objects.taken(order)
        self.starts = np.searchsorted(self.objects.image, np.arange(len(split) + 1))

    def __getitem__(self, key: Key) -> dict[str, Any]:
        epoch, position = key
        index = int(self.usable[position])
        generator = example_generator(self.seed, epoch, str(self.split.truth.ids[index]))
        image, (boxes, labels) = read_image(self.split, index), self._annotated(index)
        image, boxes = self.resizing(image, boxes, generator)
        if generator.random() < 0.5:
            image, boxes = mirrored(image, boxes)
        there = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
        return {"image": image, "boxes": boxes[there], "labels": labels[there], "index": index}

    def _annotated(self, index: int) -> tuple[Tensor, Tensor]:
        """Corners, cut at the border of the image, and categories by position."""
        here = slice(self.starts[index], self.starts[index + 1])
        boxes = torch.from_numpy(self.objects.boxes[here]).float()
        corners = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)
        size = torch.from_numpy(self.split.truth.sizes[index]).repeat(2)
        return corners.clamp(min=torch.zeros(4)).minimum(size), torch.from_numpy(self.objects.category[here])


class EvaluationImages(Dataset[dict[str, Any]]):
    """(0, index) -> the whole image, uint8 [3, H, W]."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __getitem__(self, key: Key) -> dict[str, Any]:
        return {"image": read_image(self.split, key[1]), "index": key[1]}


def collate(examples: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Lists, because images differ in size; empty ones where a rank has no example in a round."""
    keys = examples[0] if examples else ("image", "index")
    return {key: [example[key] for example in examples] for key in keys}


def usable_images(truth: Truth) -> Integers:
    """Positions of the images to train on: with an object, no crowd, larger than a pixel both ways."""
    objects = truth.objects
    seen = ~objects.crowd & (objects.boxes[:, 2:] > 1).all(axis=1)
    return np.unique(objects.image[seen])


class CocoData(ImageData):
    """Training and validation images.

    Args:
        root: the folder with `annotations/`, `train2017/` and `val2017/`.
        seed: of the run; decides order and augmentation.
        global_batch_size: images in one optimizer step, over all devices.
        evaluation_batch_size: images a device scores at once.
        resizing: of training images.
        short_side: that a test image is scaled to, in pixels; the network does it.
        longest_side: that its longer side does not pass then.
        workers: processes that decode images, a device.
    """

    def __init__(
        self,
        root: str,
        seed: int,
        global_batch_size: int,
        evaluation_batch_size: int,
        resizing: Resizing,
        short_side: int = 800,
        longest_side: int = 1333,
        workers: int = 8,
    ) -> None:
        super().__init__(seed, global_batch_size, evaluation_batch_size, workers, collate)
        self.root, self.resizing = root, resizing
        self.short_side, self.longest_side = short_side, longest_side
        self.train: Split | None = None
        self.val: Split | None = None
        self.usable = np.empty(0, np.int64)

    @property
    def signature(self) -> Signature:
        """The protocol of the evaluation, as the claim states it."""
        return {
            "iou": "0.50:0.05:0.95", "max_detections": 100, "short_side": self.short_side,
            "longest_side": self.longest_side,
        }  # fmt: skip

    @property
    def hardest(self) -> dict[str, object]:
        """The largest images from the first step on."""
        return {"resizing": self.resizing.hardest}

    @property
    def truth(self) -> Truth:
        """What is annotated on the validation images."""
        assert self.val is not None, "setup has not run"
        return self.val.truth

    @property
    def categories(self) -> tuple[int, ...]:
        """Ids of the categories, ascending; labels are positions among them."""
        return self.truth.categories

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Categories, and the sizes of the splits that are open, with digests of their annotations."""
        found: dict[str, Any] = {"classes": list(self.truth.names)}
        for split in (self.train, self.val):
            if split is not None:
                found |= split.counted
        return found

    @property
    def trained_on(self) -> dict[str, int]:
        """Images of the training split."""
        assert self.train is not None, "setup has not run"
        return {TRAIN: len(self.train)}

    def setup(self, stage: str) -> None:
        """Opens the splits that the stage needs.

        Raises:
            UserError: a split or an image is missing, or the splits disagree.
        """
        if self.val is None:
            self.val = _with_images(self.root, VAL)
        if stage == "fit" and self.train is None:
            self.train = _with_images(self.root, TRAIN)
            _require_two_splits(self.root, self.train.truth, self.val.truth)
            self.usable = usable_images(self.train.truth)

    @property
    def training_groups(self) -> Integers:
        """Whether each usable image is wider than high, 1 or 0: upright and wide images never share a batch."""
        assert self.train is not None, "setup has not run"
        width, height = self.train.truth.sizes[self.usable].T
        return np.asarray(width > height, np.int64)

    def training_images(self) -> Examples:
        """The training images, scaled and mirrored at random."""
        assert self.train is not None
        return TrainingImages(self.train, self.usable, self.seed, self.resizing)

    def evaluation_images(self) -> Examples:
        """The evaluation images, whole."""
        assert self.val is not None
        return EvaluationImages(self.val)


def _with_images(root: str, name: str) -> Split:
    split = open_split(root, name)
    split.require_images()
    return split


def _require_two_splits(root: str, train: Truth, val: Truth) -> None:
    shared = set(train.ids) & set(val.ids)
    if shared:
        raise UserError(
            f"{root}/annotations: {len(shared):,} images are in {TRAIN} and in {VAL}, first {min(shared)}. A test "
            "image must not be trained on; give each split its own annotation file."
        )
    if (train.categories, train.names) != (val.categories, val.names):
        raise UserError(
            f"{root}/annotations: {TRAIN} has {len(train.names)} categories, {VAL} {len(val.names)}, and they are not "
            "the same. Give annotation files of one release."
        )
