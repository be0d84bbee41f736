"""The miniature WMT: the same bytes every time, nothing leaks, and neither copying nor a dictionary translates it."""

import hashlib
import time

import numpy as np
import pytest

from datamodules.layouts import wmt as layout
from datamodules.miniature import wmt as miniature
from results.scoring import translation

ROUNDS = 5
OTHERS = ("newstest2013", "newstest2014", "newstest2015")


def digest(root):
    total = hashlib.sha256()
    for path in sorted(root.iterdir()):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


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
    assert digest(tmp_path) == digest(tree)


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


def dictionary(pairs):
    """IBM model 1 by EM; the best translation of each source word, which may be none."""
    sides = [[sorted({word for pair in pairs for word in pair[side].split()}), {}] for side in (0, 1)]
    for words, ids in sides:
        ids.update({word: index for index, word in enumerate(words)})
    links = [
        (sentence, sides[0][1][source], sides[1][1][target], place)
        for sentence, pair in enumerate(pairs)
        for place, target in enumerate(pair[1].split())
        for source in pair[0].split()
    ]
    sentence, source, target, place = np.array(links).T
    keys, link = np.unique(source * len(sides[1][0]) + target, return_inverse=True)
    _, token = np.unique(sentence * 100 + place, return_inverse=True)
    owner, table = keys // len(sides[1][0]), np.ones(len(keys))
    for _ in range(ROUNDS):
        share = table[link] / np.bincount(token, table[link])[token]
        counts = np.bincount(link, share)
        table = counts / np.bincount(owner, counts)[owner]
    order = np.argsort(table)
    return {sides[0][0][owner[i]]: sides[1][0][keys[i] % len(sides[1][0])] for i in order}


def tokens(text):
    return "".join(f" {mark} " if mark in ",.?" else mark for mark in text).strip()


def bleu(hypotheses, truth):
    return translation.score(translation.compared(hypotheses, truth), truth)["bleu"]


@pytest.mark.parametrize(
    "split", ["newstest2014.en-de", "newstest2014.de-en", "newstest2015.en-de", "newstest2015.de-en"]
)
def test_copying_and_word_by_word_translation_score_low(tree, training, split):
    truth = layout.truth(str(tree), split)
    order = (1, 0) if split.endswith("en-de") else (0, 1)
    pairs = [tuple(tokens(pair[side]) for side in order) for pair in training if 0 < len(pair[0]) < 200]
    best = dictionary(pairs)
    words = [[best.get(word, word) for word in tokens(text).split()] for text in truth.sources]
    by_word = [" ".join(line).replace(" ,", ",").replace(" .", ".").replace(" ?", "?") for line in words]
    figures = {"copied": bleu(truth.sources, truth), "by word": bleu(by_word, truth)}
    print(split, figures)
    assert figures["copied"] < 10
    assert figures["by word"] < 30
