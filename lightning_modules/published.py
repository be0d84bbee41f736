"""Torchvision's published classifiers, evaluated under their own preset.

Weights come from the torch hub cache, or from the network where there is one. The name of a file ends in the first
eight digits of its SHA-256, which is checked for a cached file too (torch.hub checks only what it downloads).
"""

from pathlib import Path
from textwrap import shorten
from typing import Any
from urllib.error import URLError

import torch
from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum

from benchmarks.errors import UserError
from benchmarks.files import sha256
from lightning_modules.classifier_scores import ClassifierScores


class PublishedClassifier(ClassifierScores):
    """A torchvision classifier with published weights, such as `ResNet34_Weights.IMAGENET1K_V1`.

    Args:
        weights: the name of the weights.

    Raises:
        UserError: the name is unknown or of no ImageNet classifier, or the file is neither cached nor to be had.
    """

    def __init__(self, weights: str) -> None:
        entry = find_weights(weights)
        preset: Any = entry.transforms()
        super().__init__(preset.mean, preset.std)
        self.entry = entry
        cached_file(entry)  # its SHA-256 is checked; the builder then takes the same file

    @property
    def data_settings(self) -> dict[str, object]:
        """The arguments of `ImageNetData` that the preset decides."""
        preset: Any = self.entry.transforms()
        return {
            "resize": preset.resize_size[0],
            "crop": preset.crop_size[0],
            "interpolation": preset.interpolation.value,
        }

    def build_network(self, num_classes: int) -> nn.Module:
        """The published network, whatever the data.

        Raises:
            UserError: the data have another number of classes, or the weights are of another network.
        """
        categories = len(self.entry.meta["categories"])
        if num_classes != categories:
            raise UserError(
                f"WEIGHTS={self.entry} tell {categories} classes apart, but DATA has {num_classes}. "
                "Give the ImageNet tree with its 1,000 classes."
            )
        return published_network(self.entry)


def find_weights(name: str) -> WeightsEnum:
    """The entry of an ImageNet classifier in torchvision's registry.

    Raises:
        UserError: there is none of that name, or it is no ImageNet classifier.
    """
    entry = find_entry(name, "ResNet34_Weights.IMAGENET1K_V1")
    if len(entry.meta.get("categories", ())) != 1000 or "backend" in entry.meta:  # a backend: quantized weights
        raise UserError(f"WEIGHTS={name} is no ImageNet-1k classifier in floats. Choose weights named IMAGENET1K_V1.")
    return entry


def find_entry(name: str, example: str) -> WeightsEnum:
    """The entry of torchvision's registry.

    Raises:
        UserError: there is none of that name.
    """
    try:
        return models.get_weight(name)
    except (ValueError, AttributeError, KeyError):
        raise UserError(f"WEIGHTS={name} is unknown to torchvision. A name looks like {example}.") from None


def builder(entry: WeightsEnum) -> str:
    """The name of the network that published weights are of."""
    return next(name for name in models.list_models() if type(entry) is models.get_model_weights(name))


def published_network(entry: WeightsEnum) -> nn.Module:
    """The network as torchvision's own builder makes it of the cached file.

    A builder does more than load weights: that of Inception and GoogLeNet has them scale their input, that of DenseNet
    renames weights, and that of a ViT takes its image size from them.

    Raises:
        UserError: the weights are of another network.
    """
    name = builder(entry)
    try:
        network: nn.Module = models.get_model(name, weights=entry)
    except RuntimeError as error:
        what, _, which = str(error).partition("\n")
        if "loading state_dict" not in what:
            raise
        raise UserError(
            f"the weights {entry} do not fit torchvision's {name} ({shorten(which, 200)}). Run `make install`, which "
            "installs the torchvision that this suite was tested with."
        ) from None
    return network


def cached_file(entry: WeightsEnum) -> Path:
    """The file of the weights in the torch hub cache, downloaded if it is not there.

    Raises:
        UserError: it cannot be had, or its SHA-256 is not the one in its name.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(entry.url, str(path), progress=True)
        except (URLError, OSError) as error:
            raise UserError(
                f"the weights {entry} are not in the torch hub cache and cannot be downloaded ({error}). "
                f"Fetch {entry.url} elsewhere and put the file at {path}."
            ) from None
    expected = path.stem.rpartition("-")[2]
    if not sha256(path).startswith(expected):
        raise UserError(
            f"{path} is not the published file: its SHA-256 does not begin with {expected}. "
            f"Delete it and fetch {entry.url} again."
        )
    return path
