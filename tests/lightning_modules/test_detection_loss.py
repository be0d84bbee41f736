"""The detector's loss, by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks.errors import Failure
from lightning_modules.detection import Detector


class Given(nn.Module):
    """Returns its losses, and keeps what it was asked to find."""

    def __init__(self, **losses):
        super().__init__()
        self.losses = {name: torch.tensor(value) for name, value in losses.items()}

    def forward(self, images, targets):
        self.targets = targets
        return self.losses


def detector(**losses):
    module = Detector(None, None, 1, 0.1, [2.0])
    module.network = Given(**losses)
    module._trainer = SimpleNamespace(global_step=7)
    module.logged = {}
    module.log = lambda name, value, **options: module.logged.update({name: float(value)})
    return module


BATCH = {
    "image": [torch.zeros(3, 8, 8, dtype=torch.uint8)], "boxes": [torch.tensor([[1.0, 2, 3, 4]])],
    "labels": [torch.tensor([3])], "index": [5],
}  # fmt: skip


def test_the_loss_is_the_sum_of_the_networks():
    module = detector(classifier=0.25, boxes=1.5, proposals=0.125)
    assert float(module.training_step(BATCH, 0)) == 1.875
    assert module.logged == {"train/loss": 1.875}
    (target,) = module.network.targets
    assert target["boxes"].equal(BATCH["boxes"][0])
    assert target["labels"].tolist() == [4], "the background is before them"


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_a_loss_that_is_not_finite_ends_the_run_with_the_step(value):
    module = detector(classifier=0.25, boxes=value)
    module.training_step(BATCH, 0)
    with pytest.raises(Failure, match=r"^at step 7 the loss is not finite$") as caught:
        module.on_after_backward()
    found = caught.value.state
    assert (found["step"], found["index"], float(found["classifier"])) == (7, [5], 0.25)
    assert not found["boxes"].isfinite()
