"""Trivial systems for reviews: on data whose answer is known by hand, and in the field's format."""

import numpy as np
import pytest

from benchmarks.errors import UserError
from datamodules.baselines.imdb import RAREST, STRENGTHS, baselines
from datamodules.layouts.imdb import truth
from results.scoring import classification

GOOD, BAD = "a joy to see number", "a bore to see number"


def write(root, train, test):
    """Folder of a class -> its texts."""
    for split, classes in (("train", train), ("test", test)):
        for name, texts in classes.items():
            folder = root / "aclImdb" / split / name
            folder.mkdir(parents=True)
            for number, text in enumerate(texts):
                (folder / f"{number}_{4 if name == 'neg' else 7}.txt").write_text(text)
    return str(root)


def reviews(text, count):
    return [f"{text} {number}" for number in range(count)]


def first(rows):
    return [row["classes"][0] for row in rows]


def test_the_commoner_class_is_the_answer_to_everything_with_its_share(tmp_path):
    root = write(tmp_path, {"neg": reviews(BAD, 12), "pos": reviews(GOOD, 4)}, {"neg": [BAD], "pos": [GOOD]})
    assert baselines(root, "test")["majority_class"] == [{"classes": [0, 1], "scores": [0.75, 0.25]}] * 2


def test_of_equal_classes_the_first_is_taken(tmp_path):
    root = write(tmp_path, {"neg": reviews(BAD, 6), "pos": reviews(GOOD, 6)}, {"neg": [BAD], "pos": [GOOD]})
    assert baselines(root, "test")["majority_class"] == [{"classes": [0, 1], "scores": [0.5, 0.5]}] * 2


def test_words_are_told_apart(tmp_path):
    train = {"neg": reviews(BAD, 12), "pos": reviews(GOOD, 12)}
    root = write(tmp_path, train, {"neg": ["What a bore.", "BORE"], "pos": ["joy", "What a joy"]})
    rows = baselines(root, "test")["bag_of_words"]
    assert first(rows) == [0, 0, 1, 1]
    assert all(row["scores"][0] > 0.5 and sum(row["scores"]) == pytest.approx(1) for row in rows)


def test_pairs_of_words_tell_what_single_ones_do_not(tmp_path):
    bad, good = "not good and very bad number", "very good and not bad number"
    train = {"neg": reviews(bad, 12), "pos": reviews(good, 12)}
    root = write(tmp_path, train, {"neg": ["not good, very bad"], "pos": ["very good, not bad"]})
    assert first(baselines(root, "test")["bag_of_words"]) == [0, 1]


def test_breaks_part_words_and_are_none(tmp_path):
    train = {"neg": reviews("a<br /><br />bore", 12), "pos": reviews("a br joy", 12)}
    root = write(tmp_path, train, {"neg": ["so<br />bore<br />"], "pos": ["joy"]})
    assert first(baselines(root, "test")["bag_of_words"]) == [0, 1]


def test_a_word_of_one_review_is_not_learnt(tmp_path):
    assert RAREST == 2
    train = {"neg": [*reviews("the film", 11), "the bore"], "pos": [*reviews("the film", 11), "the joy"]}
    root = write(tmp_path, train, {"neg": ["bore"], "pos": ["joy"]})
    rows = baselines(root, "test")["bag_of_words"]
    assert rows[0] == rows[1]


def test_the_penalty_is_chosen_among_three_and_nothing_by_chance(tmp_path):
    assert len(STRENGTHS) == 3
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["joy", "bore", "film", "plot", "cast"], 8)) for _ in range(80)]
    root = write(tmp_path, {"neg": texts[:30], "pos": texts[30:60]}, {"neg": texts[60:70], "pos": texts[70:]})
    assert baselines(root, "test") == baselines(root, "test")


def test_rows_are_written_and_read_as_predictions(tmp_path):
    train = {"neg": reviews(BAD, 12), "pos": reviews(GOOD, 12)}
    root = write(tmp_path, train, {"neg": [BAD], "pos": [GOOD, BAD]})
    known = truth(root, "test")
    for name, accuracy in (("majority_class", 100 / 3), ("bag_of_words", 200 / 3)):
        classification.write(tmp_path, baselines(root, "test")[name], known)
        assert classification.score(classification.read(tmp_path, known), known) == {"accuracy": accuracy}


def test_a_set_without_training_is_refused(tmp_path):
    root = write(tmp_path, {}, {"neg": [BAD], "pos": [GOOD]})
    with pytest.raises(UserError, match="has no train"):
        baselines(root, "test")
