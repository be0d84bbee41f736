"""The text classifier that begins with a pretraining: its first weights, what it refuses, and what it learns."""

from functools import partial

import lightning
import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule

from benchmarks.checkpointing import SUITE
from benchmarks.errors import UserError
from benchmarks.paths import ROOT
from datamodules.imdb import encoded
from datamodules.layouts.imdb import plain
from datamodules.subwords import Subwords
from lightning_modules import transfer
from lightning_modules.vocabulary import SUBWORDS
from tests.lightning_modules.test_language_model import NETWORK, SIZE, VOCABULARY, MaskedTexts, model, reviews, trainer
from tests.lightning_modules.text_classifiers import LONGEST, asked, classifier, labelled


class Judged(LightningDataModule):
    """Four batches an epoch, and other reviews to be tested on, with a round in which this rank has none."""

    num_subwords, subwords, num_classes, steps_per_epoch, step_targets = SIZE, VOCABULARY, 2, 4, 12.0
    plain, encoded = staticmethod(plain), partial(encoded, longest=LONGEST)

    def __init__(self):
        super().__init__()
        texts, labels = reviews()
        self.train = [labelled(texts[start : start + 12], labels[start : start + 12]) for start in range(0, 48, 12)]
        texts, labels = reviews(10, seed=1)
        self.held_out = [asked(texts[:7], labels[:7]), asked([], []), asked(texts[7:], labels[7:], 7)]

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self.train, batch_size=None)

    def val_dataloader(self):
        return torch.utils.data.DataLoader(self.held_out, batch_size=None)

    test_dataloader = val_dataloader


def saved(path, module, data, **changes):
    """A checkpoint of a module after one epoch."""
    found = trainer(max_epochs=1, limit_val_batches=0)
    found.fit(module, datamodule=data)
    found.save_checkpoint(path)
    torch.save(torch.load(path, weights_only=True) | {SUITE: {}} | changes, path)
    return path


@pytest.fixture(scope="module")
def pretraining(tmp_path_factory):
    lightning.seed_everything(1, verbose=False)
    return saved(tmp_path_factory.mktemp("pretraining") / "last.ckpt", model(), MaskedTexts())


def state(module):
    return {name: weight.clone() for name, weight in module.state_dict().items()}


class First(Callback):
    """Weights as training begins."""

    def on_train_start(self, trainer, module):
        self.found = state(module)


def began_with(init_from):
    lightning.seed_everything(0, verbose=False)
    first = First()
    fitted = trainer(first, max_epochs=1, limit_train_batches=1, limit_val_batches=0)
    fitted.fit(classifier(init_from=init_from), datamodule=Judged())
    return first.found


def test_the_encoder_begins_with_its_pretraining(pretraining):
    """All of it, and the head as it would have begun without."""
    scratch, found = began_with(None), began_with(str(pretraining))
    expected = torch.load(pretraining, weights_only=True)["state_dict"]
    assert scratch.keys() == found.keys()
    for name, weight in found.items():
        if name.startswith("network."):
            assert weight.equal(expected[name]), name
            assert name.endswith("rates") or not weight.equal(scratch[name]), name
        else:
            assert weight.equal(scratch[name]), name


def test_a_resume_and_a_test_have_weights_of_their_own(pretraining, tmp_path):
    """A test does not even look for the file."""
    path = saved(tmp_path / "tuned.ckpt", classifier(init_from=str(pretraining)), Judged())
    expected = torch.load(path, weights_only=True)["state_dict"]
    first, module = First(), classifier(init_from=str(pretraining))
    trainer(first, max_epochs=2, limit_val_batches=0).fit(module, datamodule=Judged(), ckpt_path=path)
    assert all(weight.equal(expected[name]) for name, weight in first.found.items())
    assert not all(weight.equal(expected[name]) for name, weight in module.state_dict().items()), "it went on"
    module = classifier(init_from="gone.ckpt")
    trainer().test(module, datamodule=Judged(), ckpt_path=path, verbose=False)
    assert all(weight.equal(expected[name]) for name, weight in module.state_dict().items())
    assert module.subwords.model == VOCABULARY.model


def test_where_it_begins(pretraining, tmp_path, monkeypatch):
    assert classifier().initialised_from is None
    assert classifier(init_from=str(pretraining)).initialised_from == pretraining
    monkeypatch.setattr(transfer, "ROOT", pretraining.parents[1])
    assert classifier(init_from=f"{pretraining.parent.name}/last.ckpt").initialised_from == pretraining


def refusal(init_from, **network):
    with pytest.raises(UserError) as caught:
        trainer(max_epochs=1).fit(
            classifier(init_from=str(init_from), network=partial(NETWORK, **network)), datamodule=Judged()
        )
    return str(caught.value)


def test_no_such_file():
    expected = "model.init_args.init_from=results/gone.ckpt: there is no file results/gone.ckpt."
    assert not (ROOT / "results/gone.ckpt").exists()
    assert refusal("results/gone.ckpt") == expected


@pytest.mark.parametrize(
    ("network", "difference"),
    [
        ({"feedforward": 24}, "6 of 28 weights differ, first layers.0.feedforward.0.weight: 32 x 16 there, 24 x 16"),
        ({"layers": 1}, "12 of 28 weights differ, first layers.1.attention_norm.weight: 16 there, none here"),
        ({"layers": 3}, "12 of 40 weights differ, first layers.2.attention_norm.weight: none there, 16 here"),
        ({"heads": 4}, "1 of 28 weights differ, first rates: 4 there, 2 here"),
    ],
)
def test_weights_of_another_network(pretraining, network, difference):
    found = refusal(pretraining, **network)
    assert found.startswith(f"init_from={pretraining} holds another network: {difference}")
    assert found.endswith("Width, heads, feedforward, layers and the number of subwords must be the same in both.")


def test_weights_of_no_encoder(pretraining, tmp_path):
    known = torch.load(pretraining, weights_only=True)
    for name, changes in {"words": {SUBWORDS: None}, "network": {"state_dict": {"head.bias": torch.zeros(1)}}}.items():
        torch.save({key: value for key, value in (known | changes).items() if value is not None}, tmp_path / name)
        assert refusal(tmp_path / name) == (
            f"init_from={tmp_path / name} holds no encoder of texts. Give the checkpoint of a masked-language "
            "pretraining."
        )


def test_weights_for_another_vocabulary(pretraining, tmp_path):
    other = Subwords.for_reviews(reviews(seed=5)[0], SIZE).model
    changed = {SUBWORDS: torch.frombuffer(bytearray(other), dtype=torch.uint8)}
    torch.save(torch.load(pretraining, weights_only=True) | changed, tmp_path / "other.ckpt")
    assert refusal(tmp_path / "other.ckpt") == (
        f"init_from={tmp_path / 'other.ckpt'} was trained with another vocabulary than this run's. Pretrain on the "
        "very data that DATA names, with the same data.init_args.subwords."
    )


def test_what_is_no_checkpoint(tmp_path):
    (tmp_path / "text.ckpt").write_text("no weights")
    assert "is no" in refusal(tmp_path / "text.ckpt")


class Predictions(Callback):
    def __init__(self):
        self.found = {}

    def on_test_batch_end(self, trainer, module, outputs, *_):
        self.found |= dict(zip(outputs["index"], outputs["predictions"], strict=True))


def test_it_learns_and_is_scored(pretraining):
    """Accuracy in percent of all reviews, however they are cut into rounds; the next time begins anew."""
    lightning.seed_everything(0, verbose=False)
    predictions, data = Predictions(), Judged()
    module = classifier(init_from=str(pretraining), layer_decay=0.9)
    fitted = trainer(predictions, max_epochs=8)
    fitted.fit(module, datamodule=data)
    assert fitted.callback_metrics["val/accuracy"].item() == 100
    assert 0 < fitted.callback_metrics["val/loss"].item() < 0.3
    fitted.test(module, datamodule=data, verbose=False)
    assert fitted.callback_metrics["test/accuracy"].item() == 100
    labels = reviews(10, seed=1)[1]
    assert [predictions.found[place]["classes"][0] for place in range(10)] == labels
    assert not any("words" in each for each in predictions.found.values()), "no mistake"
    for batch in data.held_out[:1]:
        batch["label"] = 1 - batch["label"]
    fitted.test(module, datamodule=data, verbose=False)
    assert fitted.callback_metrics["test/accuracy"].item() == pytest.approx(30)
    assert [place for place in range(10) if "words" in predictions.found[place]] == list(range(7))
