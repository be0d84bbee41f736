"""A datamodule or a system that is not finished is refused before anything is trained, by what it lacks."""

import pytest
from lightning.pytorch import LightningModule

from benchmarks.errors import UserError
from benchmarks.order import Order, work_out
from benchmarks.run import require_steps
from datamodules.imagenet import ImageNetData
from datamodules.interface import BenchmarkData
from lightning_modules.agent import Agent
from tests.refusals import assert_told

HERE = "tests.benchmarks.test_unfinished"


class BegunData(BenchmarkData):
    """Of which two parts are written."""

    unit = "images"

    def __init__(self, root: str, seed: int) -> None:
        super().__init__()

    @property
    def fingerprint(self):
        return {}


class UncountedData(ImageNetData):
    """Whose constructor forgets what a step holds."""

    def __init__(self, root: str, seed: int) -> None:
        BenchmarkData.__init__(self)


class BegunAgent(Agent):
    """Of which one part is written."""

    def build(self, observations: int, actions: int, environments: int) -> None:
        pass


def plan_of(benchmark, part=None, name=""):
    others = {part: {"class_path": f"{HERE}.{name}"}} if part else {}
    return work_out(Order(benchmark, "full", None, 0, "nowhere" if benchmark == "imagenet" else None, others))


def test_all_that_a_datamodule_lacks_is_named_at_once():
    lacks = f"{HERE}.BegunData has no signature, steps_per_epoch, test_dataloader, train_dataloader, trained_on"
    assert_told([lacks, "datamodules.interface asks for"], plan_of, "imagenet", "data", "BegunData")
    assert_told(["UncountedData has no global_batch_size"], plan_of, "imagenet", "data", "UncountedData")


def test_so_is_what_a_system_lacks():
    assert_told(
        [f"{HERE}.BegunAgent has no policy", "lightning_modules.agent"], plan_of, "driving", "model", "BegunAgent"
    )


@pytest.mark.parametrize("step", ["training_step", "test_step", "configure_optimizers"])
def test_a_system_without_a_step_is_refused(step, monkeypatch):
    plan = plan_of("imagenet")
    require_steps(plan)
    for kind in type(plan.last.assembly.module).__mro__:
        if step in vars(kind) and kind is not LightningModule and issubclass(kind, LightningModule):
            monkeypatch.delattr(kind, step)
    with pytest.raises(UserError, match=f"ImageClassifier has no {step}. Write"):
        require_steps(plan)
