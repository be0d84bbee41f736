"""The text classifier's scores of reviews, and the words of its mistakes, by hand."""

from functools import partial

import pytest
import torch

from datamodules.imdb import encoded
from datamodules.subwords import BEGIN
from lightning_modules.text_classifier import SHOWN, ranked
from tests.lightning_modules.test_language_model import VOCABULARY, alone, reviews
from tests.lightning_modules.text_classifiers import asked, classifier

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
    """As the datamodule encodes it, with the vocabulary of the weights."""
    module, _ = alone(monkeypatch, classifier())
    seen = []
    module.network.register_forward_pre_hook(lambda _, given: seen.append(given))
    text = " ".join(reviews()[0])
    monkeypatch.setattr(module._trainer.datamodule, "encoded", partial(encoded, longest=20))
    module.test_step(asked([text, "the cast"], [0, 1]), 0)
    tokens, counts = seen[0]
    assert tokens.shape == (2, 20)
    assert tokens[0].tolist() == encoded(VOCABULARY, text, 20)
    assert tokens[1, : counts[1]].tolist() == [BEGIN, *VOCABULARY.encode("the cast")]


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
    """The first twelve; then whatever the sheet prefers to the least of the twelve. A new test begins anew."""
    assert SHOWN == 12
    module = counted(monkeypatch)

    def shown(*counts, first):
        batch = asked(["great " * count for count in counts], [0] * len(counts), first)
        return ["words" in each for each in module.test_step(batch, 0)["predictions"]]

    assert shown(*range(2, 8), first=100) == [True] * 6
    assert shown(*range(2, 8), first=106) == [True] * 6
    # The least known are 2, 2, 3, 3, ...
    assert shown(2, 1, 3, 3, 3, 4, 9, first=112) == [False, False, True, True, False, True, True]
    assert shown(3, 4, 4, 4, first=119) == [False, True, True, False]
    assert shown(4, first=50) == [True], "of two alike the earlier in the split, though the longest are read first"
    module.on_test_start()
    assert shown(1, first=123) == [True]


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
