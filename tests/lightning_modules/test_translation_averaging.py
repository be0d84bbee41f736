"""The mean of the translator's weights: when it is taken, what it is, where it is used, and a resume."""

from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from datamodules.subwords import Subwords
from lightning_modules.averaging import Averaging, MeanWeights
from lightning_modules.translation import AVERAGE
from lightning_modules.vocabulary import SUBWORDS
from tests.datamodules import wmt_batches
from tests.datamodules.wmt_batches import data
from tests.lightning_modules.translators import trained, trainer, translator

pytestmark = pytest.mark.usefixtures("own_place")
tree = wmt_batches.tree


def test_averaging_is_due_by_hand():
    """Five moments, 30 steps apart, the last at the end: of 200 steps 80, 110, 140, 170 and 200."""
    due = [step for step in range(1, 201) if Averaging(5, 30).due(step, 200)]
    assert due == [80, 110, 140, 170, 200]
    assert [step for step in range(1, 8) if Averaging(3, 1).due(step, 7)] == [5, 6, 7]
    assert [step for step in range(1, 8) if Averaging(9, 3).due(step, 7)] == [1, 4, 7], "as many as there are"
    assert [step for step in range(1, 8) if Averaging(1, 3).due(step, 7)] == [7]


class Moments(Callback):
    """The weights after each step."""

    def __init__(self):
        self.after = {}

    def on_train_batch_end(self, trainer, module, *_):
        self.after[trainer.global_step] = {k: v.clone() for k, v in module.network.state_dict().items()}


def mean_of(states):
    return {name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]}


def check_close(found, expected):
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, atol=1e-6, rtol=1e-5)


@pytest.fixture(scope="module")
def averaged(tree, tmp_path_factory):
    """A whole training with a mean of three, its moments and its checkpoint."""
    moments = Moments()
    found = trained(tree, "transformer", moments, module=translator(averaging=Averaging(3, 4)))
    total = found.global_step
    assert total == 2 * found.datamodule.steps_per_epoch == max(moments.after)
    path = tmp_path_factory.mktemp("averaged") / "last.ckpt"
    found.save_checkpoint(path)
    due = [moments.after[step] for step in (total - 8, total - 4, total)]
    return SimpleNamespace(mean=mean_of(due), after=moments.after, total=total, path=path)


def test_the_mean_is_that_of_the_weights_at_the_due_steps(averaged):
    checkpoint = torch.load(averaged.path, weights_only=True)
    assert checkpoint[AVERAGE]["count"] == 3
    check_close(checkpoint[AVERAGE]["weights"], averaged.mean)
    last = {f"network.{name}": weight for name, weight in averaged.after[averaged.total].items()}
    check_close({name: checkpoint["state_dict"][name] for name in last}, last)
    moved = [(averaged.mean[name] - weight).abs().max() for name, weight in averaged.after[averaged.total].items()]
    assert max(moved) > 0.01, "the mean is another than the last"


def test_testing_uses_the_mean(averaged, tree):
    module = translator(averaging=Averaging(3, 4))
    tester = trainer()
    tester.test(module, datamodule=data(tree), ckpt_path=averaged.path, verbose=False)
    check_close(module.network.state_dict(), averaged.mean)
    assert {"newstest2014/bleu", "newstest2014/chrf", "newstest2015/bleu"} <= tester.callback_metrics.keys()


def test_the_mean_is_tested_right_after_training_too(averaged, tree):
    """By the same Trainer and module, without a checkpoint; then training could go on from the last weights."""

    class Tested(Callback):
        def on_test_batch_start(self, trainer, module, *_):
            self.found = {name: weight.clone() for name, weight in module.network.state_dict().items()}

    tested = Tested()
    found = trained(tree, "transformer", tested, module=translator(averaging=Averaging(3, 4)))
    found.test(found.model, datamodule=found.datamodule, verbose=False)
    check_close(tested.found, averaged.mean)
    check_close(found.model.network.state_dict(), averaged.after[averaged.total])


def test_what_was_trained_before_is_not_tested_in_the_place_of_a_checkpoint(averaged, tree):
    module = translator(averaging=Averaging(3, 4))
    other = trained(tree, "transformer", module=module, max_epochs=1)
    other.test(module, datamodule=data(tree), ckpt_path=averaged.path, verbose=False)
    check_close(module.network.state_dict(), averaged.mean)


def test_nor_in_that_of_a_checkpoint_from_before_any_mean(averaged, tree, tmp_path):
    module = translator(averaging=Averaging(3, 4))
    found = trained(tree, "transformer", Stop(1, tmp_path / "first.ckpt"), module=module)
    found.test(module, datamodule=data(tree), ckpt_path=tmp_path / "first.ckpt", verbose=False)
    check_close(module.network.state_dict(), averaged.after[1])


def test_without_averaging_the_last_weights_are_tested(tree, tmp_path):
    found = trained(tree, max_epochs=1)
    found.save_checkpoint(tmp_path / "last.ckpt")
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert AVERAGE not in checkpoint
    module = translator()
    trainer().test(module, datamodule=data(tree), ckpt_path=tmp_path / "last.ckpt", verbose=False)
    check_close(module.network.state_dict(), found.model.network.state_dict())
    assert module.subwords.model == Subwords(checkpoint[SUBWORDS].numpy().tobytes()).model == found.model.subwords.model


class Stop(Callback):
    """Writes a checkpoint after a step."""

    def __init__(self, step, path):
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


@pytest.mark.parametrize("before", [9, 8, 5, 1])
def test_a_resumed_training_ends_with_the_same_mean(averaged, tree, tmp_path, before):
    """From before the first moment, right after it, between two and right before the last."""
    path, total = tmp_path / "middle.ckpt", averaged.total
    trained(tree, "transformer", Stop(total - before, path), module=translator(averaging=Averaging(3, 4)))
    module = translator(averaging=Averaging(3, 4))
    again = trainer()
    again.fit(module, datamodule=data(tree), ckpt_path=path)
    assert again.global_step == total
    assert module.mean.count == 3
    check_close(module.network.state_dict(), averaged.after[total])
    check_close(module.mean.weights, averaged.mean)


def test_a_mean_from_a_checkpoint_follows_the_network_to_its_device():
    """Lightning restores a module before it moves it; `meta` stands for a GPU."""
    network, begun, mean = nn.Linear(2, 2), MeanWeights(), MeanWeights()
    begun.take(network)
    mean.restore(begun.state())
    mean.take(network.to("meta"))
    assert mean.count == 2
    assert {weight.device.type for weight in mean.weights.values()} == {"meta"}


def test_a_mean_keeps_no_hold_of_the_weights():
    network, mean = nn.Linear(2, 2), MeanWeights()
    with torch.no_grad():
        for value in (1.0, 2.0, 6.0):
            network.weight.fill_(value)
            mean.take(network)
    assert mean.weights["weight"].tolist() == [[3.0, 3.0]] * 2
    assert network.weight.tolist() == [[6.0, 6.0]] * 2
