"""Which reviews IMDB's batches hold and which not, and how they are cut."""

from collections import Counter

import numpy as np
import pytest

from datamodules.imdb import encoded
from datamodules.imdb_choice import labelled, name
from datamodules.layouts.imdb import open_reviews
from datamodules.layouts.imdb_reviews import by_text
from datamodules.subwords import BEGIN, Subwords
from tests.datamodules import imdb_batches
from tests.datamodules.fitting import ready
from tests.datamodules.imdb_batches import LONGEST, MASKED, SIZE, TEXTS, data, listed, restored, rows_of
from tests.datamodules.imdb_trees import WORDS, hashed, reviews

pytestmark = pytest.mark.usefixtures("own_place")
tree = imdb_batches.tree


# How a review is cut


@pytest.fixture(scope="module")
def subwords():
    return Subwords.for_reviews(reviews().values(), SIZE)


def test_a_review_begins_with_its_symbol_and_has_no_html(subwords):
    assert encoded(subwords, "a film<br /><br />of the plot", 99) == [BEGIN, *subwords.encode("a film  of the plot")]
    assert encoded(subwords, "<br />", 99) == [BEGIN]


ODD = [
    "", "\t", "x\ty", "two\nlines", "a\u00a0b", "10/10", "caf\u00e9", "\u65e5\u672c", "\U0001f642", "\x85", "&amp;",
]  # fmt: skip
MARKED = ["a\u2581", "\u2581", "\u2581b", "a\u2581b"]


@pytest.mark.parametrize("kinds", [ODD, ODD + MARKED])
def test_words_that_are_read_one_by_one_give_what_the_whole_text_gives(subwords, kinds):
    generator = np.random.default_rng(0)
    for count in range(200):
        text = " ".join(generator.choice([*WORDS, *kinds], count))
        assert encoded(subwords, text, 999) == [BEGIN, *subwords.encode(text)]


def test_a_word_is_read_once_however_often_a_review_is_looked_into(subwords, monkeypatch):
    read = []
    monkeypatch.setattr(Subwords, "encode", lambda self, text: read.append(text) or [len(text)])
    words = [f"unseen{place}" for place in range(300)]
    for place in range(300):
        encoded(subwords, " ".join(words[:place] + words[place + 1 :]), 512)
    assert sorted(read) == sorted(words)


@pytest.mark.parametrize(
    ("longest", "kept"),
    [(2, [0, 9]), (3, [0, 1, 9]), (4, [0, 1, 8, 9]), (5, [0, 1, 2, 8, 9]), (9, [0, 1, 2, 3, 4, 6, 7, 8, 9]),
     (10, range(10)), (11, range(10))],
)  # fmt: skip
def test_of_a_long_review_head_and_tail_are_kept(subwords, longest, kept):
    text = " ".join([word for word in WORDS if f"▁{word}" in subwords.pieces][:9])
    ids = [BEGIN, *subwords.encode(text)]
    assert len(ids) == 10
    assert encoded(subwords, text, longest) == [ids[place] for place in kept]


def test_training_cuts_as_evaluation_does(tree):
    datamodule = ready(data(tree))
    expected = [datamodule.encoded(datamodule.subwords, text) for text in TEXTS.values()]
    assert expected == [encoded(datamodule.subwords, text, LONGEST) for text in TEXTS.values()]
    assert max(map(len, expected)) == LONGEST
    assert {tokens for tokens, _ in rows_of(datamodule.train_dataloader())} <= set(map(tuple, expected))


# Which reviews are used


def used_by_hand(names):
    return [name for name in TEXTS if name.startswith(names)]


def test_labelled_ones_come_once_with_their_labels_but_for_those_left_out(tree):
    datamodule = ready(data(tree))
    gone = {"train/neg/3_2", "train/pos/0_9"}  # in the test set; held out as well
    held: set[str] = set()
    for folder, count in {"train/neg": 4, "train/pos": 5}.items():  # a tenth
        held |= set(sorted(set(used_by_hand(folder)) - gone, key=lambda name: hashed(TEXTS[name]))[-count:])
    names = [each for each in used_by_hand(("train/neg", "train/pos")) if each not in held | gone]
    encode = datamodule.subwords
    expected = Counter((tuple(encoded(encode, TEXTS[each], LONGEST)), int("/pos/" in each)) for each in names)
    assert Counter(rows_of(datamodule.train_dataloader())) == expected
    assert datamodule.left_out == ("train/neg/3_2",)
    (loader,) = datamodule.val_dataloader()
    found = [
        (text, label) for batch in listed(loader) for text, label in zip(batch["texts"], batch["label"], strict=True)
    ]
    assert Counter(found) == Counter((TEXTS[each], int("/pos/" in each)) for each in held)


def test_masked_ones_are_all_but_those_in_the_test_set(tree):
    datamodule = ready(data(tree, **MASKED))
    left = ("train/neg/3_2", "unsupervised/7_0", "unsupervised/9_0")
    assert datamodule.left_out == left
    gone = {each.replace("unsupervised", "train/unsup") for each in left}
    names = [each for each in used_by_hand("train/") if each not in gone]
    expected = Counter(tuple(encoded(datamodule.subwords, TEXTS[each], LONGEST)) for each in names)
    assert Counter(restored(*row) for row in rows_of(datamodule.train_dataloader())) == expected
    assert datamodule.val_dataloader() == []


def test_the_held_out_part_is_of_each_class_and_the_same_for_every_seed(tree):
    found = [ready(data(tree, seed)).choice.held_out.tolist() for seed in (0, 1, 7)]
    assert found[0] == [*range(36, 40), *range(85, 90)] == found[1] == found[2]
    train = by_text(open_reviews(str(tree), "train"))
    nothing = np.empty(0, np.int64)
    for share, counts in {0.5: [20, 25], 0.25: [10, 12], 0.001: [1, 1]}.items():
        assert np.bincount(train.labels[labelled(train, nothing, share).held_out]).tolist() == counts


def test_of_labelled_reviews_none_but_labelled_ones_are_left_out(tree):
    """Places go on with those of `unsupervised`: the first of these and the last labelled one stand in the test set."""
    train = by_text(open_reviews(str(tree), "train"))
    last = len(train) - 1
    assert labelled(train, np.array([last, last + 1]), 0.1).left_out.tolist() == [last]


def test_no_text_is_on_both_sides_of_the_split_nor_in_the_test_set(tree):
    train, test = by_text(open_reviews(str(tree), "train")), open_reviews(str(tree), "test")
    choice = ready(data(tree)).choice
    normal = [" ".join(train.text(place).lower().split()) for place in range(len(train))]
    sides = [{normal[place] for place in places} for places in (choice.used, choice.held_out)]
    tested = {test.text(place).lower() for place in range(len(test))}
    assert sides[0].isdisjoint(sides[1])
    assert tested.isdisjoint(sides[0] | sides[1])
    every = np.sort(np.concatenate([choice.used, choice.held_out, choice.left_out, choice.duplicates]))
    assert every.tolist() == list(range(len(train)))
    assert [train.ids[place] for place in choice.duplicates] == ["pos/0_9"]


def test_names_of_both_forms():
    assert [name(place, ("neg/0_1", "pos/0_10"), ("unsup/0_0",)) for place in range(3)] == [
        "train/neg/0_1", "train/pos/0_10", "unsupervised/0_0",
    ]  # fmt: skip
    assert [name(place, ("train-0",), ("unsupervised-0",)) for place in range(2)] == ["train-0", "unsupervised-0"]


def test_it_says_in_a_line_what_is_used(tree, capfd):
    ready(data(tree, **MASKED))
    ready(data(tree))
    lines = [line for line in "".join(capfd.readouterr()).splitlines() if line.startswith("training on")]
    assert lines == [
        "training on 157 masked reviews; left out, as they stand in the test set: 3",
        "training on 79 labelled reviews; left out, as they stand in the test set: 1; held out: 9, and 1 that stand "
        "there twice",
    ]
