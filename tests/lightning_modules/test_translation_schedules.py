"""The schedules of learning rates by hand, and under a real trainer."""

import math
from types import SimpleNamespace

import pytest
from lightning.pytorch import Callback

from lightning_modules.schedules import Cosine, Halvings, InverseSquareRoot
from tests.datamodules import wmt_batches
from tests.lightning_modules.translators import SGD, trained, translator

pytestmark = pytest.mark.usefixtures("own_place")
tree = wmt_batches.tree


def test_inverse_square_root_is_the_papers():
    """Equation 3 at step s = 1, 2, ...: d^-0.5 min(s^-0.5, s w^-1.5), with the peak that the configuration has."""
    peak, schedule = 6.9877e-4, InverseSquareRoot(4000)
    for step in (1, 2, 100, 3999, 4000, 4001, 16_000, 100_000):
        paper = 512**-0.5 * min(step**-0.5, step * 4000**-1.5)
        assert peak * schedule(step - 1, 100_000) == pytest.approx(paper, rel=1e-5)
    assert [InverseSquareRoot(4)(step, 9) for step in (0, 1, 3, 15)] == pytest.approx([0.25, 0.5, 1, 0.5])


def test_halvings_by_hand():
    """30 steps: int(0.666 * 30) = 19 is the first halving, and (30 - 19) // 4 = 2 steps lie between two."""
    schedule = Halvings(4, 0.666, 4)
    rise = [0.01, 0.01**0.75, 0.1, 0.01**0.25, 1.0]
    fall = [0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625]
    assert [schedule(step, 30) for step in range(30)] == pytest.approx(rise + [1.0] * 14 + fall)
    assert schedule(1_000, 30) == 0.0625
    # Where fewer steps are left than halvings, one a step.
    assert [Halvings(1, 0.8, 4)(step, 10) for step in range(6, 12)] == [1, 1, 0.5, 0.25, 0.125, 0.0625]


def by_nvidia(step, total, warm_up, remain, times):
    """The source's branches, with its settings as numbers of steps and a share."""
    start = int(remain * total)
    interval = max((total - start) // times, 1)
    if step <= warm_up:
        return math.exp(math.log(0.01) / warm_up) ** (warm_up - step)
    if step >= start:
        return 0.5 ** min((step - start) // interval + 1, times)
    return 1.0


@pytest.mark.parametrize(
    ("total", "warm_up", "first", "times"), [(900, 200, 0.666, 4), (77, 5, 0.5, 3), (50, 1, 0.9, 8)]
)
def test_halvings_are_nvidias(total, warm_up, first, times):
    schedule = Halvings(warm_up, first, times)
    expected = [by_nvidia(step, total, warm_up, first, times) for step in range(total + 5)]
    assert [schedule(step, total) for step in range(total + 5)] == pytest.approx(expected)


def test_cosine_by_hand():
    """Ten steps, of which two rise: at the peak at the second, then nine steps of 20 degrees to 0, after the last."""
    found = [Cosine(0.2)(step, 10) for step in range(12)]
    assert found == pytest.approx(
        [0.5, 1, 0.969846, 0.883022, 0.75, 0.586824, 0.413176, 0.25, 0.116978, 0.030154, 0, 0], abs=1e-6
    )
    assert [Cosine(0)(step, 2) for step in range(3)] == pytest.approx([1, 0.5, 0])
    assert [Cosine(0.5)(step, 4) for step in range(4)] == pytest.approx([0.5, 1, 0.75, 0.25])


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, math.nan])
@pytest.mark.parametrize(("name", "make"), [("warm_up", Cosine), ("first", lambda first: Halvings(4, first, 4))])
def test_what_is_no_share_of_the_steps_is_refused(name, make, share):
    said = f"^{name} is {share}; it is a share of all steps, at least 0 and less than 1$"
    with pytest.raises(ValueError, match=said):
        make(share)


@pytest.mark.parametrize(("most", "total"), [(-1, 10), (3, 3), (99, 10)])
def test_a_training_ends_with_its_epochs_or_its_steps(most, total):
    """Two epochs of five steps."""
    module = translator()
    module._trainer = SimpleNamespace(max_epochs=2, max_steps=most, datamodule=SimpleNamespace(steps_per_epoch=5))
    assert module.total_steps == total


class Rates(Callback):
    """The learning rate that each step was taken with."""

    def __init__(self):
        self.seen = []

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.seen.append(optimizer.param_groups[0]["lr"])


def test_the_trainer_takes_each_step_at_its_rate(tree):
    rates = Rates()
    schedule = Halvings(3, 0.5, 2)
    found = trained(tree, "transformer", rates, module=translator(optimizer=SGD, schedule=schedule))
    total = 2 * found.datamodule.steps_per_epoch
    assert rates.seen == pytest.approx([0.5 * schedule(step, total) for step in range(total)])
