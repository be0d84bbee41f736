"""COCO's metrics inside a loop, by faster-coco-eval; the record's come from the predictions file and must agree."""

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor, distributed
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from results.scoring.detection import METRICS, VOC, Truth


class CocoMetric(Metric):
    """Collects detections from all ranks, and scores them on the first; ranks may hold unequal numbers of them.

    Args:
        truth: what is annotated on the images.
    """

    full_state_update = False
    rows: list[Tensor]
    images: list[Tensor]

    def __init__(self, truth: Truth) -> None:
        super().__init__()
        self.truth = truth
        self.add_state("rows", default=[], dist_reduce_fx="cat")
        self.add_state("images", default=[], dist_reduce_fx="cat")

    def update(self, images: Tensor, rows: Tensor) -> None:
        """Takes what was detected on some images; an object on an image that never comes is not missed.

        Args:
            images: their positions, [m].
            rows: detections [n, 7], float64: position of the image, category id, x, y, width, height, score.
        """
        self.images.append(images)
        self.rows.append(rows)

    def compute(self) -> dict[str, float]:
        """Every metric in percent that has an object to be about, on every rank.

        The tool takes a gigabyte for half a million detections, so one rank asks it for all.
        """
        if not distributed.is_initialized():
            return self._score()
        found = [self._score() if distributed.get_rank() == 0 else {}]
        distributed.broadcast_object_list(found)
        return found[0]

    def _score(self) -> dict[str, float]:
        rows = dim_zero_cat(self.rows).cpu().numpy()
        evaluation = COCOeval_faster(_annotated(self.truth), _detected(self.truth, rows), "bbox", print_function=str)
        evaluation.params.imgIds = np.unique(np.array(self.truth.ids)[dim_zero_cat(self.images).cpu().numpy()]).tolist()
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        found = dict(zip(METRICS, map(float, evaluation.stats[:12]), strict=False))  # the tool's order
        precision = evaluation.eval["precision"][:, :, :, 0, 2]  # [thresholds, recalls, categories]
        voc = precision[:, :, [category in VOC for category in self.truth.categories]]
        found["AP_voc20"] = float(voc[voc > -1].mean()) if (voc > -1).any() else -1.0
        return {name: 100 * value for name, value in found.items() if value > -1}


def _annotated(truth: Truth) -> COCO:
    objects = truth.objects
    return _coco(truth, objects.image, np.array(truth.categories)[objects.category], objects.boxes, objects.areas,
                 iscrowd=objects.crowd.astype(int).tolist())  # fmt: skip


def _detected(truth: Truth, rows: np.ndarray) -> COCO:
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return _coco(truth, rows[:, 0].astype(int), rows[:, 1].astype(int), rows[:, 2:6], rows[:, 4] * rows[:, 5],
                 score=rows[:, 6].tolist(), iscrowd=[0] * len(rows))  # fmt: skip


def _coco(
    truth: Truth, image: np.ndarray, category: np.ndarray, boxes: np.ndarray, areas: np.ndarray, **more: list[float]
) -> COCO:
    """The tool's own object, as it would read it from a file."""
    columns = {
        "id": range(1, len(image) + 1), "image_id": np.array(truth.ids)[image].tolist(),
        "category_id": category.tolist(), "bbox": boxes.tolist(), "area": areas.tolist(), **more,
    }  # fmt: skip
    annotations = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    sizes = zip(truth.ids, truth.sizes.tolist(), strict=True)
    return COCO({
        "images": [{"id": each, "width": width, "height": height} for each, (width, height) in sizes],
        "categories": [{"id": each, "name": name} for each, name in zip(truth.categories, truth.names, strict=True)],
        "annotations": annotations,
    })  # fmt: skip
