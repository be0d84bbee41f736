"""What every system says for itself, and which settings of a Trainer it refuses."""

import pytest
from lightning.pytorch import Trainer

from benchmarks.evaluation import quiet
from lightning_modules.interface import BenchmarkModule, require_own_order
from tests.lightning_modules import translators
from tests.lightning_modules.translators import data, translator
from tests.refusals import refusal


def trainer(**changes):
    """As somebody would make it who knows Lightning alone."""
    settings = {"accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False} | quiet() | changes
    return Trainer(**settings)


def test_a_system_that_says_nothing_of_its_own_has_no_published_weights_and_hands_on_none():
    assert "WEIGHTS=A.V1: nobody publishes weights" in refusal(BenchmarkModule.published, "A.V1")
    assert refusal(BenchmarkModule().shapes, None) == "a BenchmarkModule hands on no weights. Train it in one stage."


def test_how_weights_are_loaded_is_said_where_lightning_could_not():
    said = refusal(type(translator()).load_from_checkpoint, "weights.ckpt")
    assert "a Translator builds its network for a datamodule" in said
    assert "ckpt_path=" in said


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"max_epochs": 2, "limit_train_batches": 10}, "trainer.limit_train_batches cuts epochs short"),
        ({"max_epochs": 2, "limit_train_batches": 1}, "trainer.limit_train_batches cuts epochs short"),
        ({"max_epochs": 2, "limit_train_batches": 0.5}, "trainer.limit_train_batches cuts epochs short"),
        ({"max_epochs": 2, "overfit_batches": 3}, "trainer.overfit_batches cuts epochs short"),
    ],
)
def test_epochs_are_whole_ones(settings, key):
    assert key in refusal(require_own_order, trainer(**settings), "fit")
    require_own_order(trainer(**settings), "test")


def test_one_cut_epoch_is_harmless():
    require_own_order(trainer(max_epochs=1, limit_train_batches=10), "fit")
    require_own_order(trainer(fast_dev_run=True), "fit")
    require_own_order(trainer(max_epochs=3), "fit")


@pytest.mark.parametrize("stage", ["fit", "validate", "test"])
def test_lightning_deals_out_nothing_itself(stage):
    said = refusal(require_own_order, trainer(devices=2, strategy="ddp"), stage)
    assert "use_distributed_sampler is true" in said
    require_own_order(trainer(devices=2, strategy="ddp", use_distributed_sampler=False), stage)
    require_own_order(trainer(), stage)


def test_steps_alone_are_no_length_that_a_learning_rate_could_go_by(wmt_tree, own_place):
    """A schedule of -1 epochs was one of rates near 0 or below, without a word."""
    fit = translators.trainer(max_epochs=-1, max_steps=40).fit
    said = refusal(fit, translator(), datamodule=data(wmt_tree))
    assert "trainer.max_epochs is -1, but the learning rate goes by the epochs of the whole training" in said
