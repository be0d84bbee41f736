"""The predictions format and its scores, against scikit-learn and against every mistake a file can hold."""

import re
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, top_k_accuracy_score

from benchmarks.errors import UserError
from results.scoring import classification
from tests.refusals import assert_told

HEADER = "id,label,pred1,pred2,pred3,pred4,pred5,score1,score2,score3,score4,score5"
ROWS = [
    "cat/a,0,0,1,2,3,4,0.5,0.2,0.1,0.05,0.05",  # first
    "cat/b,0,1,2,0,3,4,0.4,0.3,0.2,0.05,0.05",  # third
    "dog/a,5,0,1,2,3,4,0.9,0.02,0.02,0.02,0.02",  # not among the five
    "dog/b,5,5,4,3,2,1,1,0,0,0,0",  # first
]


@pytest.fixture
def truth() -> classification.Truth:
    labels = np.array([0, 0, 5, 5])
    return classification.Truth(ids=("cat/a", "cat/b", "dog/a", "dog/b"), labels=labels, num_classes=6)


def text_of(rows: list[str], header: str = HEADER) -> bytes:
    return "".join(f"{line}\n" for line in (header, *rows)).encode()


def replaced(row: int, field: int, value: str) -> bytes:
    """Return the good file with one field of one row (line row + 2) changed."""
    fields = ROWS[row].split(",")
    fields[field] = value
    return text_of([*ROWS[:row], ",".join(fields), *ROWS[row + 1 :]])


def saved(folder: Path, data: bytes) -> Path:
    file = folder / "predictions.csv"
    file.write_bytes(data)
    return file


def random_case(examples: int, num_classes: int) -> tuple[classification.Truth, np.ndarray, list[dict]]:
    """Return a truth, probabilities [examples, classes] that are right more often than chance, and their best five."""
    generator = np.random.default_rng(examples)
    labels = generator.integers(num_classes, size=examples)
    logits = generator.normal(size=(examples, num_classes))
    logits[np.arange(examples), labels] += 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    best = np.argsort(-probabilities, axis=1)[:, :5]
    scores = np.take_along_axis(probabilities, best, axis=1)
    predictions = [{"classes": row.tolist(), "scores": p.tolist()} for row, p in zip(best, scores, strict=True)]
    ids = tuple(f"n{label:08d}/val_{index:08d}" for index, label in enumerate(labels))
    return classification.Truth(ids, labels, num_classes), probabilities, predictions


# Scores


def test_scores_by_hand(tmp_path, truth):
    predictions = classification.read(saved(tmp_path, text_of(ROWS)), truth)
    # Top-1 is right twice of four, top-5 once more.
    assert classification.score(predictions, truth) == {"top1": 50.0, "top5": 75.0}
    assert (predictions.scored, predictions.unique) == (4, 4)


@pytest.mark.parametrize(("examples", "num_classes"), [(997, 20), (3_001, 7), (64, 5)])
def test_counts_are_those_of_scikit_learn(tmp_path, examples, num_classes):
    truth, probabilities, rows = random_case(examples, num_classes)
    classification.write(tmp_path, rows, truth)
    predictions = classification.read(tmp_path, truth)
    first = accuracy_score(truth.labels, probabilities.argmax(axis=1), normalize=False)
    counts = {"top1": int(first), "top5": examples}
    if num_classes > 5:  # with five classes scikit-learn warns that each of the five is right
        known = range(num_classes)
        counts["top5"] = int(top_k_accuracy_score(truth.labels, probabilities, k=5, normalize=False, labels=known))
    assert classification.score(predictions, truth) == {name: 100 * n / examples for name, n in counts.items()}


def test_two_classes_have_two_columns_and_no_top5(tmp_path):
    truth = classification.Truth(("pos/1_7", "neg/0_2"), np.array([1, 0]), num_classes=2)
    rows = [{"classes": [1, 0], "scores": [0.75, 0.25]}, {"classes": [1, 0], "scores": [0.5, 0.5]}]
    (file,) = classification.write(tmp_path, rows, truth)
    assert file.read_text() == "id,label,pred1,pred2,score1,score2\npos/1_7,1,1,0,0.75,0.25\nneg/0_2,0,1,0,0.5,0.5\n"
    predictions = classification.read(file, truth)
    assert classification.score(predictions, truth) == {"accuracy": 50.0}


@pytest.mark.parametrize(("metric", "num_classes"), [("top1", 20), ("top5", 20), ("accuracy", 2)])
def test_standard_errors_are_binomial(tmp_path, metric, num_classes):
    truth, _, rows = random_case(2_000, num_classes)
    classification.write(tmp_path, rows, truth)
    predictions = classification.read(tmp_path, truth)
    score = classification.score(predictions, truth)[metric]
    expected = np.sqrt(score * (100 - score) / 2_000)
    errors = classification.standard_errors(predictions, truth, [metric])
    assert errors == {metric: pytest.approx(expected, rel=0.05)}


# Writing


def test_what_is_written_is_read(tmp_path):
    truth, _, rows = random_case(500, 12)
    truth = classification.Truth(('comma, "quote"/ü', *truth.ids[1:]), truth.labels, 12)
    assert classification.write(tmp_path, rows, truth) == [tmp_path / "predictions.csv"]
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]
    (tmp_path / ".DS_Store").write_bytes(b"\0\0")
    predictions = classification.read(tmp_path, truth)
    assert predictions.classes.tolist() == [row["classes"] for row in rows]
    np.testing.assert_allclose(predictions.scores, [row["scores"] for row in rows], rtol=5e-7)


def test_scores_have_seven_significant_digits(tmp_path):
    truth = classification.Truth(("a",), np.array([1]), num_classes=3)
    # 1.0000001 is what a float32 softmax may give.
    row = {"classes": [1, 0, 2], "scores": [np.float32(1.0000001), 0.000123456789, 1.5e-12]}
    (file,) = classification.write(tmp_path, [row], truth)
    assert file.read_text().splitlines()[1] == "a,1,1,0,2,1,0.0001234568,1.5e-12"


@pytest.mark.parametrize(("count", "depth"), [(3, 5), (5, 5), (4, 4), (4, 6)])
def test_predictions_that_do_not_fit_are_refused(tmp_path, truth, count, depth):
    with pytest.raises(ValueError, match=r"zip\(\)|expected 12 fields for 'cat/a'"):
        classification.write(tmp_path, [{"classes": list(range(depth)), "scores": [0.1] * depth}] * count, truth)
    assert not list(tmp_path.iterdir())


# Reading what others wrote


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(text_of(ROWS[::-1]), id="rows in another order"),
        pytest.param(b"\xef\xbb\xbf" + text_of(ROWS), id="byte order mark"),
        pytest.param(text_of(ROWS).replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(text_of(ROWS).rstrip(), id="no last newline"),
        pytest.param(text_of([*ROWS, "", ""]), id="blank lines at the end"),
        pytest.param(text_of(ROWS).replace(b"cat/a", b'"cat/a"'), id="quoted id"),
        pytest.param(replaced(3, 7, "1.0000001192092896"), id="one and a float32 ulp"),
    ],
)
def test_harmless_variation_is_accepted(tmp_path, truth, data):
    predictions = classification.read(saved(tmp_path, data), truth)
    assert predictions.classes[:, 0].tolist() == [0, 1, 0, 5]
    assert predictions.scores[:, 1].tolist() == [0.2, 0.3, 0.02, 0.0]


INDEX = "index into the sorted class names, from 0 to 5"
PROBABILITY = "expected a probability from 0 to 1"

BAD = {
    # what is wrong: (the file, what the message must say: where, what, and what to do)
    "empty": (b"", ["line 1", "got ''", f"expected the columns {HEADER}"]),
    "no header": (text_of(ROWS[1:], ROWS[0]), ["line 1", "cat/a,0,0", f"expected the columns {HEADER}"]),
    "no scores": (text_of(ROWS, HEADER[: HEADER.index(",score1")]), ["line 1", "pred5'", HEADER]),
    "other order": (text_of(ROWS, HEADER.replace("id,label", "label,id")), ["line 1", "'label,id", HEADER]),
    "semicolons": (text_of(ROWS).replace(b",", b";"), ["line 1", "id;label", HEADER]),
    "header only": (text_of([]), ["4 of 4 examples", "'cat/a', 'cat/b', 'dog/a'", "write one row for each"]),
    "latin-1": (text_of(ROWS).replace(b"cat/b", b"caf\xe9"), ["line 3", "not UTF-8", "save it in UTF-8"]),
    "utf-16": (text_of(ROWS).decode().encode("utf-16"), ["text in UTF-16; save it in UTF-8"]),
    "NUL": (text_of(ROWS).replace(b"dog/a", b"dog\0a"), ["line 4", "NUL byte", "save it"]),
    "open quote": (text_of(ROWS).replace(b"cat/b", b'"cat/b'), ["line 3", "not CSV", "close each quotation mark"]),
    "stray quote": (
        text_of(ROWS).replace(b"cat/b", b'"cat"/b'),
        ["line 3", "not CSV", "write one inside a field twice"],
    ),
    "long field": (text_of(ROWS).replace(b"cat/b", b"x" * 200_000), ["line 3", "not CSV", "field larger"]),
    "short row": (text_of([ROWS[0], "cat/b,0,1"]), ["line 3", "3 fields", f"expected 12: {HEADER}"]),
    "long row": (text_of([ROWS[0] + ","]), ["line 2", "13 fields", f"expected 12: {HEADER}"]),
    "unquoted comma": (text_of(ROWS).replace(b"dog/b", b"dog,b"), ["line 5", "13 fields", "expected 12"]),
    "below a blank line": (text_of(["", "cat/b,0,1"]), ["line 3", "3 fields"]),
    "label no number": (replaced(0, 1, "cat"), ["line 2", "label is 'cat'", INDEX]),
    "label of another class": (replaced(2, 1, "0"), ["line 4", "label is 0", "DATA says 5", "sorted class names"]),
    "label out of range": (replaced(2, 1, "6"), ["line 4", "label is '6'", INDEX]),
    "class out of range": (replaced(1, 4, "6"), ["line 3", "pred3 is '6'", INDEX]),
    "negative class": (replaced(1, 2, "-1"), ["line 3", "pred1 is '-1'", INDEX]),
    "fractional class": (replaced(1, 2, "1.0"), ["line 3", "pred1 is '1.0'", INDEX]),
    "no class": (replaced(1, 6, ""), ["line 3", "pred5 is ''", INDEX]),
    "underscored class": (replaced(1, 2, "0_1"), ["line 3", "pred1 is '0_1'", INDEX]),
    "other digits": (replaced(1, 2, "\u0661"), ["line 3", "pred1 is '\u0661'", INDEX]),
    "superscript": (replaced(1, 2, "²"), ["line 3", "pred1 is '²'", INDEX]),
    "endless class": (replaced(1, 2, "9" * 5_000), ["line 3", "pred1 is '999", "...'", INDEX]),
    "class twice": (replaced(1, 3, "1"), ["line 3", "predicted twice (1, 1, 0, 3, 4)", "each must stand once"]),
    "nan": (replaced(3, 8, "nan"), ["line 5", "score2 is 'nan'", PROBABILITY]),
    "inf": (replaced(3, 7, "inf"), ["line 5", "score1 is 'inf'", PROBABILITY]),
    "underscored score": (replaced(3, 7, "0_1"), ["line 5", "score1 is '0_1'", PROBABILITY]),
    "no number": (replaced(3, 7, "high"), ["line 5", "score1 is 'high'", PROBABILITY]),
    "no score": (replaced(3, 11, ""), ["line 5", "score5 is ''", PROBABILITY]),
    "logit": (replaced(3, 7, "17.25"), ["line 5", "score1 is '17.25'", PROBABILITY]),
    "log-probability": (replaced(3, 11, "-0.5"), ["line 5", "score5 is '-0.5'", PROBABILITY]),
    "sum far above 1": (
        text_of([",".join([*ROWS[0].split(",")[:7], *["0.9"] * 5]), *ROWS[1:]]),
        ["line 2", "the scores sum to 4.5", "at most 1", "write a softmax's"],
    ),
    "worst first": (replaced(0, 11, "0.6"), ["line 2", "the scores rise", "0.6)", "best prediction first"]),
    "one missing": (text_of([ROWS[0], *ROWS[2:]]), ["1 of 4 examples", "no row, first 'cat/b';", "write one row"]),
    "doubled": (text_of([*ROWS, ROWS[1]]), ["line 6", "'cat/b' was on line 3 already", "keep one row"]),
    "unknown": (replaced(2, 0, "dog/a.JPEG"), ["line 4", "'dog/a.JPEG' is not in DATA", "no", "such as 'cat/a'"]),
    "control characters": (replaced(2, 0, "dog\x1b[2J"), ["line 4", r"'dog\x1b[2J' is not in DATA"]),
}


@pytest.mark.parametrize(("data", "parts"), BAD.values(), ids=BAD.keys())
def test_mistakes_are_named_with_their_place_and_remedy(tmp_path, truth, data, parts):
    file = saved(tmp_path, data)
    for path in (file, tmp_path):
        assert_told([str(file), *parts], classification.read, path, truth)


def test_lines_are_counted_through_an_id_of_two_lines(tmp_path):
    truth = classification.Truth(("a\nb", "c"), np.array([0, 0]), num_classes=1)
    file = saved(tmp_path, text_of(['"a\nb",0,0,1', "d,0,0,1"], "id,label,pred1,score1"))
    with pytest.raises(UserError, match="line 4: the id 'd' is not in DATA"):
        classification.read(file, truth)


def test_fifty_thousand_rows_are_read_within_two_seconds(tmp_path):
    truth, _, rows = random_case(50_000, 12)
    classification.write(tmp_path, rows, truth)
    start = time.process_time()  # of the processor, so that a busy machine does not fail the test
    predictions = classification.read(tmp_path, truth)
    assert time.process_time() - start < 2
    assert predictions.scored == 50_000


def test_mistakes_come_with_the_most_confident_first(tmp_path, truth):
    """Rows 1 and 2 are wrong, with 0.4 and 0.9 on their best class."""
    predictions = classification.read(saved(tmp_path, text_of(ROWS)), truth)
    assert predictions.mistakes(truth.labels).tolist() == [2, 1]


# What is odd about them


def odd(best: np.ndarray, labels: np.ndarray, num_classes: int) -> list[str]:
    truth = classification.Truth(tuple(map(str, range(len(labels)))), labels, num_classes)
    classes, scores = np.stack([best, best], axis=1), np.full((len(best), 2), 0.5)
    return [*classification.notes(classification.Predictions(classes, scores, len(best), len(best)), truth)]


@pytest.mark.parametrize(("num_classes", "wrong"), [(20, 0.0), (20, 0.3), (20, 0.8), (2, 0.1), (2, 0.4)])
def test_a_classifier_that_learnt_something_is_not_doubted(num_classes, wrong):
    labels, generator = np.repeat(np.arange(num_classes), 1_000 // num_classes), np.random.default_rng(0)
    others = (labels + generator.integers(1, num_classes, 1_000)) % num_classes
    best = np.where(generator.random(1_000) < wrong, others, labels)
    assert odd(best, labels, num_classes) == []
    assert odd(best[:99], labels[:99], num_classes) == [], "few examples"


@pytest.mark.parametrize(
    ("num_classes", "other"),
    [
        (20, np.roll(np.arange(20), 1)),
        (20, np.random.default_rng(0).permutation(20)),
        (2, np.array([1, 0])),
    ],
    ids=["from another number on", "in another order", "swapped"],
)
def test_classes_that_are_numbered_in_another_way_are_told(num_classes, other):
    """Every tenth is another class than its label, so that 90 % would be right."""
    labels = np.tile(np.arange(num_classes), 1_000 // num_classes)
    best = np.where(np.arange(1_000) // num_classes % 10 == 0, (labels + 1) % num_classes, labels)
    (note,) = odd(other[best], labels, num_classes)
    found = 100 * accuracy_score(labels, other[best])
    assert note.startswith("classes seem to be numbered in another way: if each meant the label that it mostly stands")
    would = re.search(rf"(\d\d) % of the best would be right, not {found:.0f} %\. Number them from 0 in the", note)
    assert int(would[1]) == pytest.approx(90, abs=3), "of a half"


@pytest.mark.parametrize("num_classes", [20, 2])
def test_rows_that_tell_nothing_of_their_examples_are_told(num_classes):
    """Of 20 classes the same is right in 5 %; a standard deviation of 1,000 such guesses is 0.69 %."""
    labels = np.tile(np.arange(num_classes), 1_000 // num_classes)
    for best in (np.random.default_rng(0).permutation(labels), np.zeros(1_000, np.int64)):
        (note,) = odd(best, labels, num_classes)
        found, guess = 100 * accuracy_score(labels, best), 100 / num_classes
        assert note.startswith(
            f"no better than one class for all, which would be right in {guess:.1f} % (the best class is in {found:.1f}"
        )


def test_where_one_class_is_nearly_all_or_there_is_one_example_nothing_is_told():
    labels = np.repeat([0, 1], [190, 10])
    assert odd(np.where(np.arange(200) < 182, 0, 1), labels, 2) == []
    assert odd(np.zeros(200, np.int64), np.zeros(200, np.int64), 2) == []
    with warnings.catch_warnings(action="error"):
        assert odd(np.array([1]), np.array([0]), 2) == []


@pytest.mark.parametrize(("more", "doubted"), [(20, True), (21, False)])
def test_better_than_a_guess_is_better_by_three_standard_deviations(more, doubted):
    """Of 20 classes the same is right 50 times in 1,000, with a deviation of 6.89."""
    labels, best = np.tile(np.arange(20), 50), np.zeros(1_000, np.int64)
    best[1 : 20 * more : 20] = 1
    assert (best == labels).sum() == 50 + more
    assert bool(odd(best, labels, 20)) == doubted
