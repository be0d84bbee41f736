"""What detectors share, trained here or published: their detections, scored as COCO scores."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert

from lightning_modules.coco_metric import CocoMetric
from lightning_modules.interface import BenchmarkModule


class DetectorScores(BenchmarkModule):
    """What every detector shares: uint8 images in, detections and COCO's metrics out."""

    network: nn.Module
    categories: Sequence[int]

    def __init__(self) -> None:
        super().__init__()
        self.metrics: dict[str, CocoMetric] = {}

    @abstractmethod
    def build_network(self, datamodule: Any) -> nn.Module:
        """The network for the data's categories; its label 0 is the background."""

    @abstractmethod
    def category_ids(self, datamodule: Any) -> Sequence[int]:
        """The data's id of each of the network's labels, from label 0 on."""

    def configure_model(self) -> None:
        """Builds the network once the datamodule knows the categories."""
        if self.metrics:
            return
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        self.network = self.build_network(datamodule)
        self.categories = self.category_ids(datamodule)
        for stage in ("val", "test"):
            self.metrics[stage] = CocoMetric(datamodule.truth)
            self.add_module(f"{stage}_metric", self.metrics[stage])  # so that it moves to the device

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """Uint8 images [3, H, W] to detections, or with targets to losses."""
        return self.network([image.float() / 255 for image in images], targets)

    def validation_step(self, batch: dict[str, list[Any]], batch_idx: int) -> None:
        """Collects detections."""
        self._detect(batch, "val")

    def test_step(self, batch: dict[str, list[Any]], batch_idx: int) -> dict[str, Any]:
        """Positions in the split, and for each image its detections as (category id, x, y, width, height, score)."""
        return {"index": batch["index"], "predictions": self._detect(batch, "test")}

    def _detect(self, batch: dict[str, list[Any]], stage: str) -> list[list[list[float]]]:
        found = [self._rows(each) for each in self(batch["image"])] if batch["image"] else []
        rows = [[index, *row] for index, image in zip(batch["index"], found, strict=True) for row in image]
        self.metrics[stage].update(
            torch.tensor(batch["index"], dtype=torch.int64, device=self.device),
            torch.tensor(rows, dtype=torch.float64, device=self.device).reshape(-1, 7),
        )
        return found

    def _rows(self, detected: dict[str, Tensor]) -> list[list[float]]:
        """Detections as the file holds them, so that the loop scores the very numbers that are written."""
        boxes = box_convert(detected["boxes"].float(), "xyxy", "xywh")
        numbers = torch.cat([boxes, detected["scores"].float()[:, None]], dim=1).tolist()
        return [
            [self.categories[label], *(float(f"{number:.7g}") for number in row)]
            for label, row in zip(detected["labels"].tolist(), numbers, strict=True)
        ]

    def on_validation_epoch_end(self) -> None:
        """Logs COCO's metrics, in percent."""
        self._log_metrics("val")

    def on_test_epoch_end(self) -> None:
        """Logs COCO's metrics, in percent."""
        self._log_metrics("test")

    def _log_metrics(self, stage: str) -> None:
        for name, value in self.metrics[stage].compute().items():
            self.log(f"{stage}/{name}", torch.tensor(value, dtype=torch.float64), prog_bar=name == "AP")
        self.metrics[stage].reset()
