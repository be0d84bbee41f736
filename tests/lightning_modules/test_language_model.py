"""Masked-language pretraining: its loss, its groups and its failures by hand, and training by a real trainer."""

import math
from functools import partial
from types import SimpleNamespace

import lightning
import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from benchmarks.errors import Failure, UserError
from benchmarks.evaluation import quiet
from datamodules.imdb import encoded
from datamodules.layouts.imdb import plain
from datamodules.subwords import BEGIN, MASK, Subwords, padded
from lightning_modules.language_model import MaskedLanguageModel
from lightning_modules.networks.encoder import Encoder
from lightning_modules.schedules import Cosine
from lightning_modules.vocabulary import SUBWORDS

SIZE = 300
NETWORK = partial(Encoder, width=16, heads=2, feedforward=32, layers=2, dropout=0.0)
ADAM = partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1)
SUBJECTS, VERBS = ("film", "story", "cast", "script", "ending"), ("was", "seemed")
WORDS = {0: ("awful", "boring", "silly", "weak"), 1: ("great", "superb", "touching", "brilliant")}


def reviews(count=48, seed=0):
    """Texts of one to four sentences of the same opinion, and their labels."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(choices):
        return choices[int(torch.randint(len(choices), (), generator=generator))]

    labels = [place % 2 for place in range(count)]
    sentences = [drawn((1, 2, 3, 4)) for _ in labels]
    return [
        " ".join(f"the {drawn(SUBJECTS)} {drawn(VERBS)} {drawn(WORDS[label])}" for _ in range(number))
        for label, number in zip(labels, sentences, strict=True)
    ], labels


VOCABULARY = Subwords.for_reviews(reviews()[0], SIZE)


def masked(rows):
    """Every fifth token but the beginning is hidden."""
    tokens = padded(rows)
    places = [row * tokens.shape[1] + place for row, ids in enumerate(rows) for place in range(2, len(ids), 5)]
    targets = tokens.flatten()[places]
    tokens.view(-1)[places] = MASK
    return {"tokens": tokens, "counts": [len(ids) for ids in rows], "places": torch.tensor(places), "targets": targets}


class MaskedTexts(LightningDataModule):
    """Four batches an epoch."""

    num_subwords, subwords, steps_per_epoch = SIZE, VOCABULARY, 4

    def __init__(self):
        super().__init__()
        rows = [[BEGIN, *VOCABULARY.encode(text)] for text in reviews()[0]]
        self.batches = [masked(rows[start::4]) for start in range(4)]
        self.step_targets = sum(len(batch["targets"]) for batch in self.batches) / 4

    def train_dataloader(self):
        return torch.utils.data.DataLoader(self.batches, batch_size=None)


def model(optimizer=ADAM, network=NETWORK, schedule=None):
    return MaskedLanguageModel(network, optimizer, schedule or Cosine(0.1))


def trainer(*callbacks, **changes):
    settings = {
        "accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False,
        "use_distributed_sampler": False, "num_sanity_val_steps": 0,
    } | quiet() | changes  # fmt: skip
    return Trainer(callbacks=list(callbacks), **settings)


def alone(monkeypatch, module=None, world=1, accumulate=1, step=0, step_targets=1.0):
    """A module with no trainer but what it asks one for, and what it logs."""
    torch.manual_seed(0)
    module, logged = module or model(), {}
    monkeypatch.setattr(type(module), "log", lambda _, name, value, **__: logged.update({name: float(value)}))
    datamodule = SimpleNamespace(
        step_targets=step_targets, num_subwords=SIZE, subwords=VOCABULARY, steps_per_epoch=5, num_classes=2,
        plain=plain, encoded=partial(encoded, longest=64),
    )  # fmt: skip
    module._trainer = SimpleNamespace(
        world_size=world, accumulate_grad_batches=accumulate, global_step=step, max_epochs=2, max_steps=-1,
        datamodule=datamodule, state=SimpleNamespace(fn=TrainerFn.FITTING), ckpt_path=None,
    )  # fmt: skip
    module.configure_model()
    return module, logged


# Loss


def test_the_loss_by_hand(monkeypatch):
    """The head says 1/2, 1/4, 1/8, 1/8 whatever it reads; ids 0, 1, 3 and 0 were there: (1 + 2 + 3 + 1) ln 2 over 14.

    Guessed right are those of id 0.
    """
    module, logged = alone(monkeypatch, step_targets=14.0)
    with torch.no_grad():
        module.network.embedding.weight.zero_()
        module.head.bias.fill_(-torch.inf)
        module.head.bias[:4] = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
    batch = masked([[BEGIN, 7, 8, 9], [BEGIN, 7, 8, 9, 7, 8, 9, 7]]) | {
        "places": torch.tensor([1, 2, 9, 12]), "targets": torch.tensor([0, 1, 3, 0]),
    }  # fmt: skip
    assert module.training_step(batch, 0).item() == pytest.approx(math.log(2) / 2)
    assert logged == pytest.approx({"train/loss": math.log(2) / 2, "train/masked_accuracy": 0.5})


@torch.no_grad()
def test_logits_are_those_of_the_masked_places(monkeypatch):
    module, _ = alone(monkeypatch)
    batch = masked([[BEGIN, 7, 8, 9, 6, 7, 8, 9], [BEGIN, 5, 6]])
    assert batch["places"].tolist() == [2, 7, 10]
    found = module(batch["tokens"], batch["counts"], batch["places"])
    vectors = module.network(batch["tokens"], batch["counts"])
    expected = module.head(torch.stack([vectors[0, 2], vectors[0, 7], vectors[1, 2]]), module.network.embedding.weight)
    torch.testing.assert_close(found, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert module(batch["tokens"], batch["counts"], batch["places"]).dtype == torch.float32


ROWS = [[BEGIN, *VOCABULARY.encode(text)] for text in reviews(4)[0]]


@pytest.mark.parametrize(
    ("world", "accumulate", "shares"),
    [(1, 2, [[0, 1], [2, 3]]), (2, 1, [[0, 2, 3], [1]]), (2, 2, [[0], [1], [2], [3]])],
)
def test_every_masked_token_weighs_the_same_however_a_step_is_shared(monkeypatch, world, accumulate, shares):
    """Lightning averages what batches give; the sum over tokens must come out."""
    whole, _ = alone(monkeypatch, step_targets=11.0)
    loss = whole.training_step(masked(ROWS), 0)
    loss.backward()
    parts, gradients = 0.0, [torch.zeros_like(weight) for weight in whole.parameters()]
    for share in shares:
        module, _ = alone(monkeypatch, world=world, accumulate=accumulate, step_targets=11.0)
        part = module.training_step(masked([ROWS[row] for row in share]), 0)
        part.backward()
        parts += part.item() / len(shares)
        gradients = [sum_ + w.grad / len(shares) for sum_, w in zip(gradients, module.parameters(), strict=True)]
    assert parts == pytest.approx(loss.item(), rel=1e-5)
    for found, weight in zip(gradients, whole.parameters(), strict=True):
        torch.testing.assert_close(found, weight.grad, atol=1e-5, rtol=1e-4)


def test_a_batch_without_masks_teaches_nothing(monkeypatch):
    module, logged = alone(monkeypatch)
    module.training_step(masked([[BEGIN, 7]]) | {"places": torch.empty(0, dtype=torch.int64)}, 0).backward()
    assert logged == {"train/loss": 0.0, "train/masked_accuracy": 0.0}
    assert all(weight.grad is not None and not weight.grad.any() for weight in module.parameters())


def test_a_loss_that_is_not_finite_ends_the_run_with_the_step(monkeypatch):
    module, _ = alone(monkeypatch, step=7)
    with torch.no_grad():
        module.head.bias[6] = torch.nan
    batch = masked(ROWS)
    module.training_step(batch, 0)
    with pytest.raises(Failure, match=r"^at step 7 the loss is not finite$") as caught:
        module.on_after_backward()
    assert caught.value.state["step"] == 7
    for name in ("tokens", "places", "targets"):
        assert caught.value.state[name].equal(batch[name])


# Training


def test_weight_decay_spares_norms_and_biases(monkeypatch):
    module, _ = alone(monkeypatch)
    decayed, spared = module.configure_optimizers()["optimizer"].param_groups
    names = {id(weight): name for name, weight in module.named_parameters()}
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    decayed, spared = ({names.pop(id(weight)) for weight in group["params"]} for group in (decayed, spared))
    assert not names, "each is in one group"
    assert {"network.embedding.weight", "head.dense.weight", "network.layers.1.attention.project.weight"} <= decayed
    assert all(name.endswith("weight") and "norm" not in name for name in decayed)
    assert all(name.endswith("bias") or "norm" in name for name in spared)


class Steps(Callback):
    """Learning rate, loss and accuracy of each step."""

    def __init__(self):
        self.rates, self.losses, self.accuracies = [], [], []

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(self, trainer, *_):
        self.losses.append(trainer.callback_metrics["train/loss"].item())
        self.accuracies.append(trainer.callback_metrics["train/masked_accuracy"].item())


def test_it_learns_from_what_stands_around(tmp_path):
    """Without it no guess has a loss below the entropy of the hidden tokens, and 17 % are right at best.

    A checkpoint has the vocabulary, and each weight once.
    """
    lightning.seed_everything(0, verbose=False)
    steps, data = Steps(), MaskedTexts()
    found = trainer(steps, max_epochs=40)
    found.fit(model(), datamodule=data)
    assert steps.rates == pytest.approx([0.01 * Cosine(0.1)(step, 160) for step in range(160)])
    shares = torch.cat([batch["targets"] for batch in data.batches]).bincount() / (4 * data.step_targets)
    assert shares.max() < 0.18
    assert sum(steps.losses[:4]) / 4 == pytest.approx(math.log(SIZE), abs=0.5)
    assert sum(steps.losses[-4:]) / 4 < 0.5 * torch.special.entr(shares).sum()
    assert sum(steps.accuracies[-4:]) / 4 > 0.5
    found.save_checkpoint(tmp_path / "last.ckpt")
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint[SUBWORDS].numpy().tobytes() == VOCABULARY.model
    assert [name for name in checkpoint["state_dict"] if "embedding" in name] == ["network.embedding.weight"]


def test_a_network_that_cannot_be(monkeypatch):
    message = r"^model.init_args.network: the width of 16 cannot be shared out among 3 heads\. Change it in ARGS\.$"
    with pytest.raises(UserError, match=message):
        alone(monkeypatch, model(network=partial(NETWORK, heads=3)))


def test_the_head_starts_at_a_guess(monkeypatch):
    """Near the entropy of guessing among all subwords."""
    module, logged = alone(monkeypatch, model(network=partial(NETWORK, width=64)))
    batch = masked(ROWS)
    module._trainer.datamodule.step_targets = float(len(batch["targets"]))
    module.training_step(batch, 0)
    assert abs(logged["train/loss"] - math.log(SIZE)) < 1.0
