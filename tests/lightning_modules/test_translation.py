"""The translator: its loss, schedules, mean of weights, metrics and translations, by hand and under a real trainer."""

import math
import warnings
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import lightning
import pytest
import sacrebleu
import torch
from lightning.pytorch import Callback, Trainer
from torch import nn

from benchmarks.errors import Failure
from benchmarks.evaluation import quiet
from datamodules import tokenised
from datamodules.subwords import BEGIN, END, PAD, Subwords
from lightning_modules.averaging import Averaging, MeanWeights
from lightning_modules.networks.gnmt import Gnmt
from lightning_modules.networks.transformer import Transformer
from lightning_modules.schedules import Cosine, Halvings, InverseSquareRoot
from lightning_modules.search import Search
from lightning_modules.translation import AVERAGE, Translator, smoothed_loss
from lightning_modules.translation_metric import TranslationMetric
from lightning_modules.vocabulary import SUBWORDS
from tests.datamodules.test_wmt import SIZE, TESTS, data, planted

NETWORKS = {
    "transformer": partial(Transformer, width=16, heads=2, feedforward=32, layers=1, dropout=0.0),
    "gnmt": partial(Gnmt, width=16, layers=2, dropout=0.0),
}
SEARCH = {"transformer": Search(3, 0.6), "gnmt": Search(3, 0.6, 0.1)}
SGD = partial(torch.optim.SGD, lr=0.5)
ADAM, FAST = partial(torch.optim.Adam, lr=0.01), partial(torch.optim.Adam, lr=0.03)


@pytest.fixture(scope="module", autouse=True)
def _own_place(tmp_path_factory):
    """For what is tokenised, and quiet."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr(tokenised, "ROOT", tmp_path_factory.mktemp("root"))
        quiet()
        yield


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("wmt"))


def translator(name="transformer", optimizer=ADAM, averaging=None, **changes):
    settings = {"schedule": InverseSquareRoot(4), "label_smoothing": 0.1, "search": SEARCH[name]} | changes
    return Translator(NETWORKS[name], optimizer, averaging=averaging, **settings)


def trainer(*callbacks, **changes):
    settings = {
        "accelerator": "cpu", "devices": 1, "max_epochs": 2, "logger": False, "enable_checkpointing": False,
        "use_distributed_sampler": False, "num_sanity_val_steps": 0, "limit_val_batches": 0,
    } | quiet() | changes  # fmt: skip
    return Trainer(callbacks=list(callbacks), **settings)


def trained(tree, name="transformer", *callbacks, module=None, **changes):
    """A trainer that has trained a little."""
    lightning.seed_everything(0, verbose=False)
    found = trainer(*callbacks, **changes)
    found.fit(module or translator(name), datamodule=data(tree))
    return found


# Loss


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
def test_accumulated_batches_give_the_step_of_one(tree, accumulate):
    """By a real trainer on real batches: the same weights after two epochs of plain gradient descent."""
    one, other = (
        trained(tree, module=translator(optimizer=SGD), accumulate_grad_batches=count) for count in (1, accumulate)
    )
    assert one.global_step == other.global_step > 10
    found = other.model.network.state_dict()
    for name, weight in one.model.network.state_dict().items():
        torch.testing.assert_close(found[name], weight, atol=1e-5, rtol=1e-4)


def test_a_loss_that_is_not_finite_ends_the_run_with_the_step(monkeypatch):
    module = alone(monkeypatch, step=7)
    with torch.no_grad():
        module.network.table[6, 3] = torch.nan
    module.training_step(batch_of(TARGETS[:1]), 0)
    batch = batch_of(TARGETS)
    with pytest.raises(Failure, match=r"^at step 7 the loss is not finite$") as caught:
        module.training_step(batch, 0)
    assert caught.value.state["step"] == 7
    assert caught.value.state["target"].equal(batch["target"])
    assert caught.value.state["source"].equal(batch["source"])


# Schedules


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


@pytest.mark.parametrize("warm_up", [-0.1, 1, 1.5, math.nan])
def test_a_warm_up_that_is_no_share(warm_up):
    with pytest.raises(
        ValueError, match=f"^warm_up is {warm_up}; it is a share of all steps, at least 0 and less than 1$"
    ):
        Cosine(warm_up)


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


# Mean of the weights


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


def test_a_mean_keeps_no_hold_of_the_weights():
    network, mean = nn.Linear(2, 2), MeanWeights()
    with torch.no_grad():
        for value in (1.0, 2.0, 6.0):
            network.weight.fill_(value)
            mean.take(network)
    assert mean.weights["weight"].tolist() == [[3.0, 3.0]] * 2
    assert network.weight.tolist() == [[6.0, 6.0]] * 2


# Metric

HYPOTHESES = ["The man reads the book.", "a cat", "", "On Monday, the cook “works”.", "A\tb\N{LINE SEPARATOR}c d e f"]
REFERENCES = ["The man reads a book.", "the cat sat", "nothing", "On Monday the cook works.", "A b c d e f g"]


def official(hypotheses, references):
    bleu, chrf = sacrebleu.corpus_bleu(hypotheses, [references]), sacrebleu.corpus_chrf(hypotheses, [references])
    return {"bleu": bleu.score, "chrf": chrf.score}


def updated(*spans):
    metric = TranslationMetric()
    for span in spans:
        metric.update(HYPOTHESES[span], REFERENCES[span])
    return metric


@pytest.mark.parametrize("spans", [[slice(0, 5)], [slice(0, 2), slice(2, 3), slice(3, 5)]])
def test_the_metric_is_sacrebleus(spans):
    expected = official(HYPOTHESES, REFERENCES)
    assert 10 < expected["bleu"] < 90
    assert updated(*spans).compute() == pytest.approx(expected, abs=1e-9)


def test_two_metrics_merge_into_one_of_all():
    """As ranks do: every state is summed, so a metric that saw nothing counts nothing."""
    metric, other = updated(slice(0, 2)), updated(slice(2, 5))
    assert all(reduce(torch.ones(2, 3)).tolist() == [2.0] * 3 for reduce in metric._reductions.values())
    metric.merge_state(other)
    metric.merge_state(TranslationMetric())
    assert metric.compute() == pytest.approx(official(HYPOTHESES, REFERENCES), abs=1e-9)
    metric.reset()
    metric.update(HYPOTHESES[:2], REFERENCES[:2])
    assert metric.compute() == pytest.approx(official(HYPOTHESES[:2], REFERENCES[:2]), abs=1e-9)


# Translations


@pytest.fixture(scope="module", params=NETWORKS)
def ready(request, tree):
    """Each system, trained so little that it still babbles, but not the same of every sentence."""
    found = trained(tree, request.param, module=translator(request.param, FAST), max_epochs=8)
    module = found.model.eval()
    module.network.requires_grad_(False)
    return module


def asked(name="newstest2014"):
    """All sentences of a test set as one batch, from English to German."""
    german, english = zip(*TESTS[name], strict=True)
    return {"sources": list(english), "references": list(german), "index": list(range(len(english)))}


def rows_of(batch, rows):
    return {key: [values[row] for row in rows] for key, values in batch.items()}


def texts(outputs):
    return [each if isinstance(each, str) else each["hypothesis"] for each in outputs["predictions"]]


def by_hand(module, text, longest=None):
    """Greedily, with the whole prefix at every step."""
    source = [*module.subwords.encode(text), END]
    tokens = [BEGIN]
    for _ in range(longest or len(source) + 50):
        logits = module.network(torch.tensor([source]), [len(source)], torch.tensor([tokens]))
        tokens.append(int(logits[0, -1].argmax()))
        if tokens[-1] == END:
            return module.subwords.decode(tokens[1:-1])
    return module.subwords.decode(tokens[1:])


@torch.no_grad()
def test_a_translation_does_not_depend_on_its_batch(ready):
    batch = asked()
    together = texts(ready.test_step(batch, 0))
    assert len(set(together)) > 5, "or a wrong memory would not show"
    assert [text for row in batch["index"] for text in texts(ready.test_step(rows_of(batch, [row]), 0))] == together
    turned = [*range(22, 6, -1), 0, 3]
    assert texts(ready.test_step(rows_of(batch, turned), 0)) == [together[row] for row in turned]


@torch.no_grad()
def test_translations_are_searched_in_float32_whatever_is_asked_for(ready):
    expected = ready.test_step(asked(), 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ready.test_step(asked(), 0) == expected


@torch.no_grad()
def test_validation_is_greedy(ready, monkeypatch):
    seen = []
    monkeypatch.setattr(ready.scores["val"], "update", lambda *given: seen.append(given))
    batch = asked("newstest2013")
    ready.validation_step(batch, 0)
    ((hypotheses, references),) = seen
    assert references == batch["references"]
    assert hypotheses == [by_hand(ready, text) for text in batch["sources"]]
    source, counts = ready._encoded(batch["sources"])
    assert hypotheses == ready._decoded(ready._searched(source, counts, Search(beam=1)))
    assert len(set(hypotheses)) > 3


@torch.no_grad()
def test_perplexity_is_of_the_references_tokens_alone(ready):
    """Of all tokens but the begin symbol, the end included, however sentences are cut into batches."""
    batch = asked("newstest2013")
    total, count = 0.0, 0
    for source, reference in zip(batch["sources"], batch["references"], strict=True):
        ids = [*ready.subwords.encode(source), END]
        target = torch.tensor([[BEGIN, *ready.subwords.encode(reference), END]])
        found = ready.network(torch.tensor([ids]), [len(ids)], target[:, :-1]).log_softmax(dim=2)
        total -= found.gather(2, target[:, 1:, None]).sum().item()
        count += target.shape[1] - 1
    ready.perplexity.reset()
    for rows in ([0, 5, 7], [1, 2, 3, 4, 6], [8, 9, 10, 11]):
        ready.validation_step(rows_of(batch, rows), 0)
    ready.validation_step(rows_of(batch, []), 0)
    assert ready.perplexity.compute().item() == pytest.approx(math.exp(total / count), rel=1e-4)
    ready.perplexity.reset()
    ready.scores["val"].reset()


@torch.no_grad()
def test_the_first_sentence_comes_with_its_attention(ready):
    """Wherever it stands in its batch, and no other does."""
    whole, pieces = asked("newstest2015"), ready.subwords.pieces
    lengths = [len(ready.subwords.encode(text)) for text in whole["sources"]]
    longest = lengths.index(max(lengths))
    assert longest not in (0, 4, 1), "the first sentence is padded"
    batch = rows_of(whole, [4, longest, 0, 1])
    outputs = ready.test_step(batch, 0)
    assert outputs["index"] == [4, longest, 0, 1]
    assert [isinstance(each, str) for each in outputs["predictions"]] == [True, True, False, True]
    found = outputs["predictions"][2]
    (alone,) = ready.test_step(rows_of(batch, [2]), 0)["predictions"]
    assert found["hypothesis"] == alone["hypothesis"]
    assert found["source"] == [pieces[token] for token in ready.subwords.encode(batch["sources"][2])] + ["</s>"]
    assert found["target"][-1] == "</s>"
    assert ready.subwords.processor.decode_pieces(found["target"][:-1]) == found["hypothesis"]
    weights = torch.tensor(found["attention"])
    assert weights.shape == (len(found["target"]), len(found["source"]))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(len(weights)))
    torch.testing.assert_close(weights, torch.tensor(alone["attention"]), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_rank_without_sentences_has_no_predictions(ready):
    assert ready.test_step(rows_of(asked(), []), 0) == {"index": [], "predictions": []}


class Outputs(Callback):
    """What was predicted, by test set and sentence."""

    def __init__(self):
        self.found = {}

    def on_test_batch_end(self, trainer, module, outputs, batch, batch_idx, dataloader_idx=0):
        for index, text in zip(outputs["index"], texts(outputs), strict=True):
            self.found[dataloader_idx, index] = text


def test_test_metrics_are_sacrebleus_of_the_predictions(ready, tree):
    """By a real trainer, whose batches are cut by length; and each set by itself."""
    outputs = Outputs()
    tester = trainer(outputs)
    for metric in ready.scores.values():
        metric.reset()
    tester.test(ready, datamodule=data(tree), verbose=False)
    for place, name in enumerate(("newstest2014", "newstest2015")):
        references = [german for german, _ in TESTS[name]]
        hypotheses = [outputs.found[place, index] for index in range(len(references))]
        expected = official(hypotheses, references)
        assert expected["chrf"] > 1, "they have something in common"
        for metric, value in expected.items():
            assert tester.callback_metrics[f"{name}/{metric}"].item() == pytest.approx(value, abs=1e-4)


def test_training_looks_at_newstest2013(tree):
    found = trained(tree, max_epochs=1, limit_val_batches=None)
    assert {"train/loss", "val/perplexity", "val/bleu", "val/chrf"} <= found.callback_metrics.keys()
    assert 1 < found.callback_metrics["val/perplexity"] < SIZE
    assert not found.model.scores["val"].bleu.any(), "the next time begins anew"
    assert not found.model.perplexity.count
