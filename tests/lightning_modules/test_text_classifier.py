"""The text classifier: its loss, rates, first weights, scores and words by hand, and training by a real trainer."""

from functools import partial

import lightning
import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule

from benchmarks.checkpointing import SUITE
from benchmarks.errors import Failure, UserError
from benchmarks.paths import ROOT
from datamodules.imdb import encoded
from datamodules.subwords import BEGIN, Subwords, padded
from lightning_modules import transfer
from lightning_modules.networks.encoder import pooled
from lightning_modules.schedules import Cosine
from lightning_modules.text_classifier import SHOWN, TextClassifier, ranked
from lightning_modules.vocabulary import SUBWORDS
from tests.lightning_modules.test_language_model import (
    ADAM,
    NETWORK,
    SIZE,
    VOCABULARY,
    MaskedTexts,
    alone,
    model,
    reviews,
    trainer,
)

LONGEST = 24


def classifier(optimizer=ADAM, network=NETWORK, **changes):
    return TextClassifier(
        network, optimizer, **({"schedule": Cosine(0.1), "layer_decay": 0.5, "dropout": 0.0} | changes)
    )


def labelled(texts, labels):
    rows = [encoded(VOCABULARY, text, LONGEST) for text in texts]
    return {"tokens": padded(rows), "counts": list(map(len, rows)), "label": torch.tensor(labels)}


def asked(texts, labels, first=0):
    return {"texts": texts, "label": torch.tensor(labels), "index": list(range(first, first + len(texts)))}


class Judged(LightningDataModule):
    """Four batches an epoch, and other reviews to be tested on, with a round in which this rank has none."""

    num_subwords, subwords, steps_per_epoch, step_targets, longest = SIZE, VOCABULARY, 4, 12.0, LONGEST

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
    with pytest.raises(Failure, match=r"^at step 7 the loss is not finite$") as caught:
        module.training_step(batch, 0)
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


# First weights


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


# Scores


def test_ties_fall_to_the_first_class(monkeypatch):
    """For the metric and for the file."""
    scores, classes = ranked(torch.tensor([[0.0, 0.0], [1.0, 3.0], [1e-9, 2e-9]]))
    assert classes.tolist() == [[0, 1], [1, 0], [0, 1]]
    assert scores[1].tolist() == pytest.approx([0.880797, 0.119203], abs=1e-6)
    module, _ = alone(monkeypatch, classifier())
    with torch.no_grad():
        module.head.weight.zero_()
    found = module.eval().test_step(asked(["a", "b", "c"], [0, 1, 0], 5), 0)
    assert found["index"] == [5, 6, 7]
    assert [(each["classes"], each["scores"]) for each in found["predictions"]] == [([0, 1], [0.5, 0.5])] * 3
    assert module.test_accuracy.compute().item() == pytest.approx(2 / 3)


@torch.no_grad()
def test_scores_are_in_float32_and_do_not_depend_on_neighbours(monkeypatch):
    module, _ = alone(monkeypatch, classifier())
    batch = asked(*reviews(6, seed=1))
    expected = module.eval().test_step(batch, 0)["predictions"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        module.on_test_start()
        assert module.test_step(batch, 0)["predictions"] == expected
        module.validation_step(batch, 0)
    single = [module.test_step(asked([text], [int(label)]), 0)["predictions"][0] for text, label in
              zip(batch["texts"], batch["label"], strict=True)]  # fmt: skip
    for one, other in zip(single, expected, strict=True):
        assert one["classes"] == other["classes"]
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-6)
    right = [each["scores"][each["classes"].index(int(label))] for each, label in
             zip(expected, batch["label"], strict=True)]  # fmt: skip
    assert module.val_loss.compute().item() == pytest.approx(-torch.tensor(right).log().mean().item(), rel=1e-5)


@torch.no_grad()
def test_a_long_text_is_cut(monkeypatch):
    """To the datamodule's number of tokens, as in training."""
    module, _ = alone(monkeypatch, classifier())
    seen = []
    module.network.register_forward_pre_hook(lambda _, given: seen.append(given))
    text = " ".join(reviews()[0])
    module._trainer.datamodule.longest = 20
    module.test_step(asked([text, "the cast"], [0, 1]), 0)
    tokens, counts = seen[0]
    assert tokens.shape == (2, 20)
    assert tokens[0].tolist() == encoded(VOCABULARY, text, 20)
    assert tokens[1, : counts[1]].tolist() == [BEGIN, *VOCABULARY.encode("the cast")]


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


def test_a_rank_without_texts(monkeypatch):
    module, _ = alone(monkeypatch, classifier())
    module.validation_step(asked([], []), 0)
    assert module.test_step(asked([], []), 0) == {"index": [], "predictions": []}


# Words of mistakes


def counted(monkeypatch):
    """A classifier whose logits are known."""
    module, _ = alone(monkeypatch, classifier())
    monkeypatch.setattr(module, "_logits", lambda texts: torch.tensor([[0.0, float(t.count("great"))] for t in texts]))
    module.on_test_start()
    return module


def sigmoid(value):
    return torch.tensor(value).sigmoid().item()


def test_words_of_a_mistake_by_hand(monkeypatch):
    """Two 'great' give the wrong class sigmoid(2), one sigmoid(1); where the answer is right there are no words."""
    found = counted(monkeypatch).test_step(asked(["a great<br /><br />great film", "great film"], [0, 1]), 0)
    change = pytest.approx(sigmoid(2.0) - sigmoid(1.0), abs=1e-6)
    assert found["predictions"][0]["words"] == [["a", 0.0], ["great", change], ["great", change], ["film", 0.0]]
    assert "words" not in found["predictions"][1]


def test_a_mistake_for_the_first_class(monkeypatch):
    """By the fall of the predicted class, which no word here speaks for."""
    module = counted(monkeypatch)
    monkeypatch.setattr(module, "_logits", lambda texts: torch.tensor([[float(t.count("bad")), 0.0] for t in texts]))
    (found,) = module.test_step(asked(["bad film"], [1]), 0)["predictions"]
    assert found["classes"] == [0, 1]
    assert found["words"] == [["bad", pytest.approx(sigmoid(1.0) - 0.5, abs=1e-6)], ["film", 0.0]]


def test_the_most_confident_mistakes_so_far_have_words(monkeypatch):
    """The first twelve; then whatever is more confident than the least of the twelve. A new test begins anew."""
    assert SHOWN == 12
    module = counted(monkeypatch)

    def shown(*counts):
        batch = asked(["great " * count for count in counts], [0] * len(counts))
        return ["words" in each for each in module.test_step(batch, 0)["predictions"]]

    assert shown(*range(2, 8)) == [True] * 6
    assert shown(*range(2, 8)) == [True] * 6
    # The least known are 2, 2, 3, 3, ...
    assert shown(2, 1, 3, 3, 3, 4, 9) == [False, False, True, True, False, True, True]
    assert shown(3, 4, 4, 4) == [False, True, True, False]
    module.on_test_start()
    assert shown(1) == [True]


@torch.no_grad()
def test_words_are_looked_into_with_the_network_itself(monkeypatch):
    """A word's change is the difference to the prediction for the text without it."""
    module, _ = alone(monkeypatch, classifier())
    (text, *_), _ = reviews(1, seed=3)
    module.eval()
    both = module.test_step(asked([text, text], [0, 1]), 0)["predictions"]
    (found,) = (each for each in both if "words" in each)  # one of the labels makes a mistake of it
    wrong, words = found["classes"][0], text.split()
    assert [word for word, _ in found["words"]] == words
    for place, (_, change) in enumerate(found["words"]):
        rest = " ".join(words[:place] + words[place + 1 :])
        (other,) = module.test_step(asked([rest], [0]), 0)["predictions"]
        expected = found["scores"][0] - other["scores"][other["classes"].index(wrong)]
        assert change == pytest.approx(expected, abs=1e-6)
    assert max(abs(change) for _, change in found["words"]) > 1e-3
