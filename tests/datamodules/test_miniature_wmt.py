"""The miniature WMT: the same bytes every time, nothing leaks, and neither copying nor a dictionary translates it."""

import time

import pytest

from datamodules.baselines.wmt import baselines
from datamodules.layouts import wmt as layout
from datamodules.miniature import wmt as miniature
from results.scoring import translation
from tests.datamodules.archives import digests

OTHERS = ("newstest2013", "newstest2014", "newstest2015")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("wmt")
    start = time.process_time()
    miniature.write(root)
    assert time.process_time() - start < 8
    return root


@pytest.fixture(scope="module")
def training(tree):
    text = layout.open_training(str(tree))
    return [text.pair(index) for index in range(len(text))]


def held_out(tree, name):
    text = layout.open_test(str(tree), name)
    return [text.pair(index) for index in range(len(text))]


def test_writes_the_same_bytes_again(tree, tmp_path):
    miniature.write(tmp_path)
    assert digests(tmp_path) == digests(tree)


def test_counts_are_those_promised(tree, training):
    assert {name: len(held_out(tree, name)) for name in OTHERS} | {"train": len(training)} == miniature.COUNTS
    assert all(path.read_bytes().endswith(b"\n") for path in tree.iterdir())


def test_no_sentence_is_in_two_places_in_either_language(tree, training):
    pairs = [pair for name in OTHERS for pair in held_out(tree, name)] + training
    for sentences in zip(*pairs, strict=True):
        assert len(set(sentences)) == len(sentences)


def test_sentences_are_short_but_no_fragments(tree):
    lengths = [len(side.split()) for name in OTHERS for pair in held_out(tree, name) for side in pair]
    assert min(lengths) >= 3
    assert max(lengths) <= 18


@pytest.mark.parametrize("trap", miniature.TRAPS)
def test_traps_survive_reading(training, trap):
    assert trap in training


def bleu(hypotheses, truth):
    return translation.score(translation.compared(hypotheses, truth), truth)["bleu"]


@pytest.mark.parametrize(
    "split", ["newstest2014.en-de", "newstest2014.de-en", "newstest2015.en-de", "newstest2015.de-en"]
)
def test_copying_and_word_by_word_translation_score_low(tree, split):
    truth = layout.truth(str(tree), split)
    found = {name: bleu(hypotheses, truth) for name, hypotheses in baselines(str(tree), split).items()}
    assert found["copy"] < 1
    assert 5 < found["word_by_word"] < 25
