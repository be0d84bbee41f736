"""The translator's metrics, translations and attention, by hand and under a real trainer."""

import math
from functools import partial

import pytest
import sacrebleu
import torch
from lightning.pytorch import Callback

from datamodules.subwords import BEGIN, END
from lightning_modules.beam_search import BeamSearch
from lightning_modules.translation_metric import TranslationMetric
from tests.datamodules import wmt_batches
from tests.datamodules.wmt_batches import SIZE, TESTS, data
from tests.lightning_modules.translators import NETWORKS, trained, trainer, translator

FAST = partial(torch.optim.Adam, lr=0.03)
pytestmark = pytest.mark.usefixtures("own_place")
tree = wmt_batches.tree


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
    assert hypotheses == ready._decoded(ready._searched(source, counts, BeamSearch(beam=1)))
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
