"""How a training image and its boxes are scaled, cut and mirrored; random numbers come from the caller.

Images are uint8 [3, H, W], boxes float32 [n, 4] as corners x1, y1, x2, y2 in pixels.
"""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as pixels

GREY = (124, 116, 104)  # ImageNet's mean colour, which fills what a cut leaves empty


class Resizing(Protocol):
    """Scales an image together with its boxes."""

    @property
    def hardest(self) -> dict[str, Any]:
        """Settings of itself under which every image needs the most memory."""

    def __call__(self, image: Tensor, boxes: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The image and its boxes, at their new size; boxes may have become empty."""


def scaled(image: Tensor, boxes: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Image and boxes at `scale` times their size, at least a pixel a side."""
    old = image.shape[-2:]
    new = [max(1, round(side * scale)) for side in old]
    factors = torch.tensor([new[1] / old[1], new[0] / old[0]]).repeat(2)
    return pixels.resize(image, new, antialias=True), boxes * factors


class ShortSide:
    """Scales the shorter side to one of `sides`, drawn evenly, but no longer side beyond `longest` pixels.

    As torchvision's RandomShortestSize and detectron2's ResizeShortestEdge.
    """

    def __init__(self, sides: list[int], longest: int) -> None:
        self.sides, self.longest = sides, longest

    @property
    def hardest(self) -> dict[str, Any]:
        """Settings that scale every image to the largest size."""
        return {"init_args": {"sides": [max(self.sides)]}}

    def __call__(self, image: Tensor, boxes: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A random size; the boxes with it."""
        height, width = image.shape[-2:]
        wanted = self.sides[int(generator.integers(len(self.sides)))]
        return scaled(image, boxes, min(wanted / min(height, width), self.longest / max(height, width)))


class ScaleJitter:
    """Large-scale jitter: the image at a random scale, cut or filled up to a square.

    Ghiasi et al. 2021 (arXiv 2012.07177), section 3; torchvision's ScaleJitter and FixedSizeCrop.

    Args:
        side: of the square, in pixels.
        smallest: scale, relative to the largest at which the whole image fits the square.
        largest: the same.
    """

    def __init__(self, side: int, smallest: float = 0.1, largest: float = 2.0) -> None:
        self.side, self.smallest, self.largest = side, smallest, largest

    @property
    def hardest(self) -> dict[str, Any]:
        """Nothing to change: every image ends at one size."""
        return {}

    def __call__(self, image: Tensor, boxes: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """A random scale and place; the boxes with it, cut where the image is."""
        fit = self.side / max(image.shape[-2:])
        image, boxes = scaled(image, boxes, fit * generator.uniform(self.smallest, self.largest))
        top, left = (int(generator.integers(max(0, side - self.side) + 1)) for side in image.shape[-2:])
        image = image[:, top : top + self.side, left : left + self.side]
        boxes = (boxes - torch.tensor([left, top, left, top])).clamp(0, self.side)
        return filled(image, self.side), boxes


def filled(image: Tensor, side: int) -> Tensor:
    """The image in the upper left corner of a square of the mean colour."""
    height, width = image.shape[-2:]
    channels = [
        functional.pad(channel, (0, side - width, 0, side - height), value=grey)
        for channel, grey in zip(image, GREY, strict=True)
    ]
    return torch.stack(channels)


def mirrored(image: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Image and boxes, left and right exchanged."""
    width = image.shape[-1]
    return image.flip(-1), torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], dim=1)
