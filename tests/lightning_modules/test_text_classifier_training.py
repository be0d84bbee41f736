"""The text classifier's loss, dropout and learning rates, by hand."""

from functools import partial

import pytest
import torch

from benchmarks.errors import Failure
from lightning_modules.networks.encoder import pooled
from tests.lightning_modules.test_language_model import NETWORK, alone, reviews
from tests.lightning_modules.text_classifiers import classifier, labelled

# Loss


@torch.no_grad()
def test_the_loss_by_hand(monkeypatch):
    """The head says 3 : 1 whatever it reads; of three texts two are of the first class, and a step has six.

    (2 ln(4/3) + ln 4) / 6 = 0.326943, twice that of two ranks.
    """
    for world in (1, 2):
        module, logged = alone(monkeypatch, classifier(), step_targets=6.0, world=world)
        module.head.weight.zero_()
        module.head.bias.copy_(torch.tensor([3.0, 1.0]).log())
        loss = module.training_step(labelled(["good", "bad film", "the cast"], [0, 1, 0]), 0)
        assert loss.item() == pytest.approx(0.326943 * world, rel=1e-5)
        assert logged == {"train/loss": loss.item()}


@torch.no_grad()
def test_logits_are_of_the_mean_of_tokens(monkeypatch):
    module, _ = alone(monkeypatch, classifier())
    batch = labelled(*reviews(4))
    vectors = pooled(module.network(batch["tokens"], batch["counts"]), batch["counts"])
    expected = vectors @ module.head.weight.T + module.head.bias
    torch.testing.assert_close(module(batch["tokens"], batch["counts"]), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert module(batch["tokens"], batch["counts"]).dtype == torch.float32


def test_dropout_is_before_the_head(monkeypatch):
    module, _ = alone(monkeypatch, classifier(dropout=0.5))
    with torch.no_grad():
        module.network.norm.weight.zero_()
        module.network.norm.bias.fill_(1.0)  # each text's vector is of ones
        module.head.weight.fill_(1 / 16)
    batch = labelled(*reviews(48))
    assert (module.eval()(batch["tokens"], batch["counts"]) == 1).all()
    found = module.train()(batch["tokens"], batch["counts"])[:, 0] * 8  # how many of 16 are left, twice as large
    assert found.unique().numel() > 3
    assert torch.equal(found, found.round())


def test_a_loss_that_is_not_finite_ends_the_run_with_the_step(monkeypatch):
    module, _ = alone(monkeypatch, classifier(), step=7)
    with torch.no_grad():
        module.head.bias[1] = torch.nan
    batch = labelled(*reviews(4))
    module.training_step(batch, 0)
    with pytest.raises(Failure, match=r"^at step 7 the loss is not finite$") as caught:
        module.on_after_backward()
    assert caught.value.state["tokens"].equal(batch["tokens"])
    assert caught.value.state["label"].equal(batch["label"])


# Rates


def test_learning_rates_by_hand(monkeypatch):
    """A peak of 0.01 for the head, half of it for the last of three layers and the norm, and so on to the embedding.

    Of ten steps one rises: all begin at their peaks; five steps later it is half a cosine, 0.5 (1 + cos(5 pi / 10)).
    """
    module, _ = alone(monkeypatch, classifier(network=partial(NETWORK, layers=3)))
    configured = module.configure_optimizers()
    optimizer, scheduler = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    assert configured["lr_scheduler"]["interval"] == "step"
    peaks = {
        "head": 0.01, "network.layers.2": 0.005, "network.norm": 0.005, "network.layers.1": 0.0025,
        "network.layers.0": 0.00125, "network.embedding": 0.000625,
    }  # fmt: skip
    for share in (1.0, 0.5):
        names = {id(weight): name for name, weight in module.named_parameters()}
        for group in optimizer.param_groups:
            for weight in group["params"]:
                name = names.pop(id(weight))
                (peak,) = (peak for prefix, peak in peaks.items() if name.startswith(prefix))
                assert group["lr"] == pytest.approx(peak * share), name
                assert group["weight_decay"] == (0.0 if "norm" in name or name.endswith("bias") else 0.1), name
        assert not names, "each is in one group"
        for _ in range(5):
            optimizer.step()
            scheduler.step()


@pytest.mark.parametrize("factor", [0.0, 1.5, -1.0])
def test_a_layer_decay_that_cannot_be(factor):
    with pytest.raises(ValueError, match=rf"^layer_decay is {factor}; it is more than 0 and at most 1$"):
        classifier(layer_decay=factor)
