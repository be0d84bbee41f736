"""Torchvision's published detectors, evaluated under their own preset; their labels are COCO's category ids."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from benchmarks.errors import UserError
from lightning_modules.detector_scores import DetectorScores
from lightning_modules.published import cached_file, find_entry, published_network

NOT_OBJECTS = ("__background__", "N/A")


class PublishedDetector(DetectorScores):
    """A torchvision detector with published weights, such as `FasterRCNN_ResNet50_FPN_Weights.COCO_V1`.

    Args:
        weights: the name of the weights.

    Raises:
        UserError: the name is unknown or of no COCO detector, the file is neither cached nor to be had, or its weights
            are of another network.
    """

    def __init__(self, weights: str) -> None:
        super().__init__()
        entry = find_entry(weights, "FasterRCNN_ResNet50_FPN_Weights.COCO_V1")
        if "box_map" not in str(entry.meta.get("_metrics")):
            raise UserError(f"WEIGHTS={weights} is no detector of COCO's boxes. Choose weights named COCO_V1.")
        cached_file(entry)  # its SHA-256 is checked; the builder then takes the same file
        self.network: Any = published_network(entry)
        self.weights, self.labels = weights, dict(enumerate(entry.meta["categories"]))

    @property
    def data_settings(self) -> dict[str, object]:
        """The arguments of `CocoData` that the preset decides."""
        transform = self.network.transform
        return {"short_side": transform.min_size[-1], "longest_side": transform.max_size}

    def build_network(self, datamodule: Any) -> nn.Module:
        """The published network, whatever the data."""
        network: nn.Module = self.network
        return network

    def category_ids(self, datamodule: Any) -> Sequence[int]:
        """Every label is an id already.

        Raises:
            UserError: the data have other categories.
        """
        known = {label: name for label, name in self.labels.items() if name not in NOT_OBJECTS}
        if known != dict(zip(datamodule.categories, datamodule.truth.names, strict=True)):
            raise UserError(
                f"WEIGHTS={self.weights} tell COCO's {len(known)} categories apart, but DATA has "
                f"{len(datamodule.categories)}, and they are not the same. Give COCO's val2017."
            )
        return tuple(self.labels)
