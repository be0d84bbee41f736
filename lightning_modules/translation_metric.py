"""sacreBLEU inside a loop; the record's values come from the file of hypotheses and must agree."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from results.scoring.translation import METRICS, statistics, value


class TranslationMetric(Metric):
    """BLEU and chrF over all ranks: the counts that determine them are summed, not their values."""

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        for name, counts in statistics([""], [""]).items():
            self.add_state(name, default=torch.zeros(counts.shape[1], dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, hypotheses: Sequence[str], references: Sequence[str]) -> None:
        """Takes sentences and their references."""
        for name, counts in statistics(hypotheses, references).items():
            sums: Tensor = getattr(self, name)
            sums += torch.from_numpy(counts.sum(axis=0)).to(sums.device)

    def compute(self) -> dict[str, float]:
        """Every metric, from 0 to 100."""
        return {name: value(name, getattr(self, name).cpu().numpy()) for name in METRICS}
