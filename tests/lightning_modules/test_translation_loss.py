"""The translator's loss by hand, and that every token weighs the same however a step is shared."""

import math
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks.curves import Curves, rows
from benchmarks.errors import Failure
from datamodules.subwords import BEGIN, END, PAD
from lightning_modules.translation import Translator, smoothed_loss
from tests.datamodules import wmt_batches
from tests.lightning_modules.translators import SGD, trained, translator

pytestmark = pytest.mark.usefixtures("own_place")
tree = wmt_batches.tree


def test_smoothed_loss_by_hand():
    """One token of four subwords with probabilities 1/2, 1/4, 1/8, 1/8, of which the second is right.

    With e = 0.2: 0.8 * ln 4 + 0.2 * (ln 2 + ln 4 + ln 8 + ln 8) / 4 = (1.6 + 0.45) ln 2.
    """
    logits = torch.tensor([0.5, 0.25, 0.125, 0.125]).log().view(1, 1, 4) + 3.0
    target = torch.tensor([[1]])
    assert smoothed_loss(logits, target, 0.2).item() == pytest.approx(2.05 * math.log(2))
    assert smoothed_loss(logits, target, 0.0).item() == pytest.approx(2 * math.log(2))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_loss_is_its_formula_and_padding_is_ignored(smoothing):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 11, generator=generator, dtype=torch.float64)
    target = torch.randint(1, 11, (3, 5), generator=generator)
    target[1, 3:] = target[2, 1:] = PAD
    expected = 0.0
    for row in range(3):
        for place in range(5):
            if target[row, place] != PAD:
                nll = -logits[row, place].log_softmax(dim=0)
                expected += (1 - smoothing) * nll[target[row, place]] + smoothing * nll.mean()
    assert smoothed_loss(logits, target, smoothing).item() == pytest.approx(expected.item(), rel=1e-6)
    wild = torch.where((target == PAD)[..., None], 1e4 * torch.randn(3, 5, 11), logits)
    assert smoothed_loss(wild, target, smoothing).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_loss_is_computed_in_float32():
    logits = torch.randn(2, 3, 50, generator=torch.Generator().manual_seed(0)).bfloat16()
    target = torch.tensor([[4, 5, PAD], [6, 7, 8]])
    found = smoothed_loss(logits, target, 0.1)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(smoothed_loss(logits.float(), target, 0.1).item())


class Fixed(nn.Module):
    """Logits that depend on the target token and one weight each."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(9, 9, generator=torch.Generator().manual_seed(0)))

    def forward(self, source, counts, target):
        return self.table[target]


def batch_of(targets):
    longest = max(map(len, targets))
    padded = torch.tensor([[*each, *[PAD] * (longest - len(each))] for each in targets])
    return {"source": torch.full((len(targets), 2), 5), "counts": [2] * len(targets), "target": padded}


def alone(monkeypatch, world=1, accumulate=1, step=0, step_targets=1.0):
    """A module with a fixed network and no trainer but what a step asks it for."""
    monkeypatch.setattr(Translator, "log", lambda *_, **__: None)
    module = translator()
    module.network = Fixed()
    module._trainer = SimpleNamespace(
        world_size=world, accumulate_grad_batches=accumulate, global_step=step,
        datamodule=SimpleNamespace(step_targets=step_targets),
    )  # fmt: skip
    return module


TARGETS = [[BEGIN, 4, END], [BEGIN, 5, 6, 7, 4, END], [BEGIN, END], [BEGIN, 8, 8, END]]  # 2, 5, 1 and 3 to predict


@pytest.mark.parametrize(
    ("world", "accumulate", "shares"),
    [(1, 2, [[0, 1], [2, 3]]), (2, 1, [[0, 2, 3], [1]]), (2, 2, [[0], [1], [2], [3]])],
)
def test_every_target_token_weighs_the_same_however_a_step_is_shared(monkeypatch, world, accumulate, shares):
    """Lightning averages what batches give; the sum over tokens, whose mean number is 11, must come out."""
    whole = alone(monkeypatch, step_targets=11.0)
    loss = whole.training_step(batch_of(TARGETS), 0)
    loss.backward()
    parts, gradient = 0.0, torch.zeros(9, 9)
    for share in shares:
        module = alone(monkeypatch, world, accumulate, step_targets=11.0)
        part = module.training_step(batch_of([TARGETS[row] for row in share]), 0)
        part.backward()
        parts += part.item() / len(shares)
        gradient += module.network.table.grad / len(shares)
    assert parts == pytest.approx(loss.item())
    torch.testing.assert_close(gradient, whole.network.table.grad)
    nll = -whole.network.table.log_softmax(dim=1)
    pairs = [pair for each in TARGETS for pair in pairwise(each)]
    expected = sum(0.9 * nll[before, after] + 0.1 * nll[before].mean() for before, after in pairs) / 11
    assert len(pairs) == 11
    assert loss.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("accumulate", [2, 3])
def test_accumulated_batches_give_the_step_of_one(tree, accumulate, tmp_path):
    """By a real trainer on real batches: the same losses and weights after two epochs of plain gradient descent."""
    curves = [Curves(tmp_path / f"{count}.csv", None) for count in (1, accumulate)]
    one, other = (
        trained(
            tree, "transformer", each, module=translator(optimizer=SGD), accumulate_grad_batches=count,
            log_every_n_steps=1,
        )
        for each, count in zip(curves, (1, accumulate), strict=True)
    )  # fmt: skip
    assert one.global_step == other.global_step > 10
    logged = [[value for _, name, value in rows(each.path) if name == "train/loss"] for each in curves]
    assert len(logged[0]) == one.global_step
    assert logged[1] == pytest.approx(logged[0], rel=1e-4)
    found = other.model.network.state_dict()
    for name, weight in one.model.network.state_dict().items():
        torch.testing.assert_close(found[name], weight, atol=1e-5, rtol=1e-4)


def test_a_loss_that_is_not_finite_ends_the_run_with_the_step(monkeypatch):
    module = alone(monkeypatch, step=7)
    with torch.no_grad():
        module.network.table[6, 3] = torch.nan
    module.training_step(batch_of(TARGETS[:1]), 0)
    batch = batch_of(TARGETS)
    module.training_step(batch, 0)
    with pytest.raises(Failure, match=r"^at step 7 the loss is not finite$") as caught:
        module.on_after_backward()
    assert caught.value.state["step"] == 7
    assert caught.value.state["target"].equal(batch["target"])
    assert caught.value.state["source"].equal(batch["source"])
