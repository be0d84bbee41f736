"""Records made by hand -> rows: which records count, and what is said of them."""

from dataclasses import replace

import pytest

from benchmarks.claim import Miniature
from benchmarks.errors import UserError
from benchmarks.schema import Measurement, StoredFile
from benchmarks.strict import load_claim, write_record
from results import stored
from results.collect import (
    judge,
    measured_by,
    miniature_rows_of,
    rows_of,
    standard_error_of,
    trained_row,
    verdicts,
)
from results.groups import newest_group
from tests.results.records import FULL, measurement, miniature_record, put, record

CLAIM = load_claim("imagenet")
TOP5, TOP1 = CLAIM.readings  # target 91.3, margin 0.2, rounding 0.05: the floor is 91.05, the ceiling 91.55


def row(*records, reading=TOP5):
    return trained_row("imagenet", CLAIM, reading, records)


def seeds(*values, **changes):
    return [record(seed, value, **changes) for seed, value in enumerate(values)]


# One run: +- 1.96 e.


@pytest.mark.parametrize(
    ("top5", "error", "expected"),
    [
        (91.76, 0.1, "exceeded"),  # 91.564 to 91.956
        (91.74, 0.1, "reproduced"),  # 91.544 to 91.936
        (91.25, 0.1, "reproduced"),  # 91.054 to 91.446
        (91.24, 0.1, "inconclusive"),  # 91.044 to 91.436
        (90.86, 0.1, "inconclusive"),  # 90.664 to 91.056
        (90.85, 0.1, "not reproduced"),  # 90.654 to 91.046
    ],
)
def test_verdicts_on_one_run(top5, error, expected):
    found = row(record(0, top5, error=error))
    assert found.verdict == expected
    assert found.interval.low == pytest.approx(top5 - 1.959964 * error)
    assert "training variance not covered" in found.note
    assert found.run_ids == ("full-s0-aaaaaaaaaaaa",)
    assert found.origin == "trained"


def test_three_seeds_are_crossed_with_the_examples():
    found = row(*seeds(91.4, 91.5, 91.6, error=0.1))
    # s = 0.1, so s^2 / 3 = 1/300 and e^2 = 1/100; degrees of freedom (4/300)^2 / ((1/300)^2 / 2) = 32; t = 2.036933
    half = 2.036933 * (1 / 300 + 1 / 100) ** 0.5
    assert (found.interval.low, found.interval.high) == pytest.approx((91.5 - half, 91.5 + half), abs=1e-5)
    assert found.verdict == "reproduced"
    assert found.note == ""
    assert found.interval.seeds == 3


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ((91.2,), 0.1, "training variance not covered; at least 3 seeds are needed to say how many"),
        ((91.2, 91.0), 0.1, "at least 3 seeds are needed to say how many"),
        ((91.1, 91.1, 91.2), 0.1, "the test set is too small"),
        # s = 0.2: 2.245 * sqrt(0.04 / 10 + 0.0001) < 0.15
        ((91.0, 91.2, 91.4), 0.01, "about 10 seeds would settle it, if mean and spread stay"),
    ],
)
def test_an_inconclusive_verdict_says_what_would_settle_it(values, error, words):
    found = row(*seeds(*values, error=error))
    assert found.verdict == "inconclusive"
    assert found.note.partition("; seeds")[0] == words  # fewer than the claim fixed have a note of their own


# What is not comparable.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n": 37}, "37 examples were scored, the claim is about 50000"),
        (
            {"signature": FULL | {"crop": 288, "interpolation": "bicubic"}},
            "the protocol differs: crop 288 instead of 224, interpolation bicubic instead of bilinear",
        ),
        (
            {"signature": {key: value for key, value in FULL.items() if key != "views"}},
            "the protocol differs: views None instead of 1",
        ),
        ({"claim_hash": "0" * 12}, f"the claim has changed since ({'0' * 12} -> {CLAIM.hash})"),
    ],
)
@pytest.mark.parametrize("official", [True, False])
def test_what_differs_is_not_comparable(changes, words, official):
    found = row(*(record(seed, 99.0, official=official, **changes) for seed in (0, 1, 2)))
    assert (found.verdict, found.note) == ("not comparable", words)
    assert found.interval.mean == 99.0  # the number stands


def test_an_official_record_counts_before_one_that_is_not_comparable():
    later = record(1, 99.0, n=37, official=False, finished="2027-01-01T00:00:00+00:00")
    assert row(record(0, 91.5), later).run_ids == ("full-s0-aaaaaaaaaaaa",)


def test_one_run_of_another_protocol_makes_a_group_not_comparable():
    """As where GNU Go was upgraded between two seeds, which is in no configuration."""
    found = row(record(0, 91.5), record(1, 91.5, signature=FULL | {"views": 10}))
    assert (found.verdict, found.interval.seeds) == ("not comparable", 2)
    assert found.note.startswith("the protocol differs: views 10 instead of 1")


def test_a_claim_that_changed_starts_a_new_group():
    old = [record(seed, 90.0, claim_hash="0" * 12) for seed in (0, 1, 2)]
    new = record(0, 91.5, finished="2027-01-01T00:00:00+00:00", run_id="full-s0-aaaaaaaaaaaa-2")
    found = row(*old, new)
    assert (found.verdict, found.run_ids) == ("reproduced", ("full-s0-aaaaaaaaaaaa-2",))


def test_predictions_are_of_the_variant_that_their_maker_names():
    """IMDB's readings share a metric: without a name a file is held against all of them, and weights are of one."""
    claim = load_claim("imdb")
    for variant, found in {None: [None, "scratch", "context-1024"], "default": [None], "scratch": ["scratch"]}.items():
        made = record(mode="validate", variant=variant, checkpoint=None, metrics={"test/accuracy": measurement(91.0)})
        assert [reading.variant for reading in measured_by(claim, made)] == found
        of_weights = replace(made, checkpoint=record().checkpoint)
        assert [reading.variant for reading in measured_by(claim, of_weights)] == [found[0]]


# What does not run or does not count.


def test_nothing_was_run():
    found = row()
    assert (found.verdict, found.interval, found.note, found.run_ids) == ("not run", None, "", ())


def test_unofficial_runs_do_not_count():
    short = [record(seed, 99.0, official=False, deviations=("trainer.max_epochs: 32 -> 5",)) for seed in (0, 1)]
    found = row(*short)
    assert (found.verdict, found.note) == ("not run", "2 unofficial run(s)")
    assert row(*short, record(2, 91.5)).run_ids == ("full-s2-aaaaaaaaaaaa",)


def test_an_ill_posed_reading():
    reading = replace(TOP5, ill_posed="top-5 of what")
    found = trained_row("imagenet", CLAIM, reading, seeds(91.3))
    assert (found.verdict, found.note, found.interval) == ("ill-posed", "top-5 of what", None)


def test_a_run_of_another_variant_says_nothing():
    other = record(0, 99.0, variant="wide")
    assert row(other).verdict == "not run"
    assert trained_row("imagenet", CLAIM, replace(TOP5, variant="wide"), [other]).verdict == "exceeded"
    assert verdicts(CLAIM, other) == {}


def test_where_all_examples_agree_the_interval_has_a_width():
    """Wilson's of 0 in 500: 3.841459 / (500 + 3.841459) = 0.7624 %; and none is beyond 100 %."""
    found = row(record(0, 100.0, error=0.0, n=500))
    assert (found.interval.low, found.interval.high) == pytest.approx((100 - 0.7624, 100.0), abs=1e-4)
    assert row(*seeds(0.1, 0.2, 0.3, error=0.2)).interval.low == 0.0


@pytest.mark.parametrize(("unit", "higher", "high"), [("%", True, 100.0), ("%", False, 100.98), ("BLEU", True, 100.98)])
def test_only_what_cannot_be_above_100_ends_there(unit, higher, high):
    reading = replace(TOP5, unit=unit, higher_is_better=higher)
    measured = replace(measurement(99.0, 1.0101), unit=unit)
    found = judge(CLAIM, reading, [record(metrics={TOP5.metric: measured})])
    assert found.interval.high == pytest.approx(high, abs=1e-2)


@pytest.mark.parametrize(
    ("value", "low"),
    [
        (0.5, 0.0),  # 0.5 - 1.96 * 0.5 is below
        (-0.5, -1.48),  # 100 less a word error rate of 100.5
        (-7.0, -7.98),
    ],
)
def test_only_what_is_above_0_ends_there(value, low):
    found = judge(CLAIM, TOP5, [record(0, value, error=0.5)])
    assert found.interval.low == pytest.approx(low, abs=1e-2)
    assert found.interval.low < found.interval.mean < found.interval.high
    assert found.verdict == "not reproduced"


def test_a_difference_of_shares_has_a_width_too_and_a_return_has_none():
    points, reward = (Measurement(0.0, unit, (0.0, 0.0), 500, FULL) for unit in ("points", "reward"))
    assert standard_error_of(points) == pytest.approx(0.7624 / 1.96, abs=1e-4)
    assert standard_error_of(reward) == 0.0


@pytest.mark.parametrize(("crashes", "upper"), [(0, 0.7624), (1, 0.2 + 0.7624), (5, 1.0 + 0.8721), (250, 54.383)])
def test_an_event_that_was_seen_is_no_more_certain_than_one_that_never_was(crashes, upper):
    """Of 500 drives: 1.96 sqrt(p (1 - p) / 500), or Wilson's of none, 0.7624, where that is more."""
    value, half = crashes / 5, 196 * (crashes / 500 * (1 - crashes / 500) / 500) ** 0.5
    found = Measurement(value, "points", (value - half, value + half), 500, FULL)
    assert value + 1.96 * standard_error_of(found) == pytest.approx(upper, abs=1e-3)


def test_games_of_one_opening_are_no_two_examples():
    """No win in 200 games of 100 openings: Wilson's 3.70 of none in 100, not the 1.88 of none in 200."""
    games = Measurement(0.0, "%", (0.0, 0.0), 200, FULL)
    assert standard_error_of(games, 2) == pytest.approx(3.6995 / 1.96, abs=1e-3)
    assert standard_error_of(games) == pytest.approx(1.8846 / 1.96, abs=1e-3)


def test_a_row_of_games_counts_its_openings():
    """As above: 200 lost games are 100 openings."""
    claim = load_claim("go")
    reading = claim.testable[0]
    lost = record(metrics={reading.metric: measurement(0.0, error=0.0, n=200)})
    assert judge(claim, reading, [lost]).interval.high == pytest.approx(3.6995, abs=1e-3)


def test_the_episodes_of_one_run_are_its_error_and_those_of_several_are_in_their_spread():
    claim = load_claim("locomotion_walk")
    reading = claim.testable[0]
    runs = [record(seed, metrics={reading.metric: measurement(value, 5.0)}) for seed, value in enumerate((99.0, 101.0))]
    assert [judge(claim, reading, runs[:count]).interval.example_error for count in (1, 2)] == pytest.approx([5.0, 0.0])


# Groups.


def test_the_newest_configuration_is_the_group():
    old = seeds(80.0, 80.1, 80.2, config_hash="b" * 12, finished="2025-01-01T00:00:00+00:00")
    new = seeds(91.5, 91.6)
    assert newest_group(old + new) == new


def test_of_two_records_of_one_seed_the_newest_counts():
    first, second = seeds(90.0, 91.5)
    again = record(0, 91.4, finished="2026-02-01T00:00:00+00:00", run_id="full-s0-aaaaaaaaaaaa-2")
    assert newest_group([first, second, again]) == [again, second]


def test_the_seeds_of_a_group_are_in_the_order_of_their_numbers():
    group = [record(seed) for seed in (10, 2, None, 0, 1)]
    assert [each.seed for each in newest_group(group)] == [0, 1, 2, 10, None]


def test_runs_on_other_data_are_no_group():
    old, new = seeds(80.0, 80.1, 80.2, data={"val digest": "a"}), seeds(91.5, 91.6, data={"val digest": "b"})
    assert newest_group(old + new) == new


@pytest.mark.parametrize("key", ["subwords", "training text", "pretraining/reviews"])
def test_runs_of_other_subwords_are_no_group(key):
    """As another version of SentencePiece learns them from the same text."""
    old, new = seeds(80.0, 80.1, data={key: "a"}), seeds(91.5, data={key: "b"})
    assert newest_group(old + new) == new


def test_runs_are_one_group_where_one_says_less_of_its_data_or_names_another_package():
    old = seeds(91.4, 91.5, 91.6, data={})
    new = record(3, 91.5, data={"val digest": "b", "gymnasium": "1.2"}, finished="2026-02-01T00:00:00+00:00")
    assert newest_group([*old, new]) == [*old, new]
    newer = record(4, 91.5, data={"val digest": "b", "gymnasium": "1.3"}, finished="2026-03-01T00:00:00+00:00")
    assert newest_group([*old, new, newer]) == [*old, new, newer]


def test_no_records_are_no_group():
    assert newest_group([]) == []


# Rows of a folder of records.


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the test's own, whose records count."""
    monkeypatch.setattr(stored, "records_folder", lambda benchmark: tmp_path / "results/records" / benchmark)
    return tmp_path


def validation(run_id, top5, checkpoint=None, **changes):
    known = {"mode": "validate", "run_id": run_id, "checkpoint": checkpoint, "finished": "2026-03-01T00:00:00+00:00"}
    return record(None, top5, **known | changes)


@pytest.mark.parametrize(
    "changes", [{"config_hash": "b" * 12}, {"claim_hash": "b" * 12}, {"data": {"val digest": "a"}}]
)
def test_official_runs_that_are_not_counted_are_told_of(folder, changes):
    """Or one that missed the claim could be replaced, by another seed of another recipe, without a word."""
    before = [
        replace(each, run_id=f"full-s{each.seed}-{'b' * 12}", finished="2025-01-01T00:00:00+00:00", **changes)
        for each in seeds(80.0, 80.1, 80.2)
    ]
    put(folder, *before, record(7, 91.5, data={"val digest": "b"}))
    first = rows_of("imagenet")[0]
    assert (first.verdict, first.interval.seeds) == ("reproduced", 1)
    assert "3 more official run(s), of other seeds, settings, data or claims, are not counted" in first.note


def test_the_newest_run_is_the_one_that_ended_last_whatever_its_name(folder):
    last = record(0, 91.5, finished="2027-01-01T00:00:00+00:00")
    put(folder, last, record(0, 99.0, run_id="full-s0-bbbbbbbbbbbb", config_hash="b" * 12))
    assert rows_of("imagenet")[0].run_ids == (last.run_id,)


def test_a_validation_adds_no_seed_and_stands_apart(folder):
    put(folder, *seeds(91.4, 91.5, 91.6), validation("full-validate-x", 99.0, config_hash=None))
    trained5, trained1, re5, re1 = rows_of("imagenet")
    assert (trained5.origin, trained5.interval.seeds, trained5.interval.mean) == ("trained", 3, 91.5)
    assert (re5.origin, re5.verdict, re5.run_ids) == ("re-evaluated", "exceeded", ("full-validate-x",))
    assert "protocol as stated" not in re5.note
    assert (trained1.reading.name, re1.reading.name) == ("top-1", "top-1")


def test_of_foreign_predictions_the_protocol_is_their_makers_word():
    foreign = validation("full-validate-x", 91.5, config=None, config_hash=None)
    assert "protocol as stated by the predictions' maker" in judge(CLAIM, TOP5, [foreign]).note


def test_a_checkpoint_of_the_same_configuration_adds_no_seed(folder):
    again = validation("full-validate-x", 99.0, checkpoint=record().checkpoint)
    put(folder, *seeds(91.4, 91.5, 91.6), replace(again, seed=3))
    assert rows_of("imagenet")[0].interval.seeds == 3


def test_a_validated_checkpoint_is_of_one_variant_and_predictions_are_of_none():
    readings = (replace(TOP5, variant="wide"), replace(TOP1, variant="deep"))
    claim = replace(CLAIM, readings=readings)
    of_model = validation("a", 99.0, checkpoint=record().checkpoint, variant="wide")
    assert [reading.name for reading in measured_by(claim, of_model)] == ["top-5"]
    assert [reading.name for reading in measured_by(claim, validation("b", 99.0))] == ["top-5", "top-1"]


def test_an_unofficial_validation_says_so(folder):
    put(folder, validation("full-validate-x", 91.5, official=False, deviations=("data.init_args.resize: 256 -> 232",)))
    found = rows_of("imagenet")[2]
    assert found.verdict == "unofficial"
    assert found.note.startswith("data.init_args.resize: 256 -> 232; of ")
    put(folder, validation("full-validate-y", 91.5, official=False))
    found = rows_of("imagenet")[4]
    assert found.verdict == "unofficial"
    assert found.note.startswith("uncommitted code; of ")


def test_what_is_scored_several_times_has_one_row(folder):
    """Of its newest record, but of an official one before others; another file, variant or way has a row of its own."""
    again = {"finished": "2026-03-02T00:00:00+00:00"}
    dirty = {"finished": "2026-03-03T00:00:00+00:00", "official": False}
    put(
        folder,
        validation("full-validate-x", 91.5), validation("full-validate-x-2", 91.6, **again),
        validation("full-validate-x-3", 91.7, **dirty), validation("full-validate-v", 91.5, variant="default"),
        validation("full-validate-w", 91.5, deviations=("decoder: greedy -> beam",), official=False),
        validation("full-validate-y", 91.5, predictions=(StoredFile("theirs.csv", "2" * 64),)),
        validation("full-validate-z", 91.5, checkpoint=record().checkpoint),
    )  # fmt: skip
    found = {each.run_ids[0][-3:]: each for each in rows_of("imagenet")[2::2]}
    assert sorted(found) == ["e-v", "e-w", "e-y", "e-z", "x-2"]
    assert "of results/runs/x/predictions/predictions.csv; 2 other record(s) of it" in found["x-2"].note
    assert found["e-y"].note.endswith("of theirs.csv")
    assert found["e-z"].note.endswith("of results/runs/x/last.ckpt")


def test_miniatures_and_full_runs_never_meet(folder):
    later = "2027-01-01T00:00:00+00:00"
    forged = miniature_record(99.9, official=True, n=50_000, signature=FULL, finished=later)
    validated = miniature_record(99.9, mode="validate", run_id="mini-validate-x")
    put(folder, record(0, 91.5), forged, validated)
    assert {each.origin for each in rows_of("imagenet")} == {"trained"}
    assert {run for each in rows_of("imagenet") for run in each.run_ids} == {"full-s0-aaaaaaaaaaaa"}
    assert {each.origin for each in miniature_rows_of("imagenet")} == {"miniature"}
    runs = {run for each in miniature_rows_of("imagenet") for run in each.run_ids}
    assert runs == {"mini-s0-aaaaaaaaaaaa", "mini-validate-x"}


def test_a_reading_that_was_not_measured_was_not_run(folder):
    put(folder, record(0, metrics={"test/top5": measurement(91.5)}))
    assert [each.verdict for each in rows_of("imagenet")] == ["reproduced", "not run"]


def test_a_record_in_the_folder_of_another_benchmark_is_named(folder):
    put(folder, record(0, benchmark="coco"))
    with pytest.raises(UserError, match=r"results/records/imagenet/full-s0-aaaaaaaaaaaa\.json is a record of 'coco'"):
        rows_of("imagenet")


def test_a_record_under_the_name_of_another_run_is_named(folder):
    put(folder, record(0))
    write_record(record(0, 99.0), folder / "results/records/imagenet/full-copy.json")
    with pytest.raises(UserError, match=r"imagenet/full-copy\.json is the record of full-s0-aaaaaaaaaaaa\. Move it"):
        rows_of("imagenet")


def test_a_folder_in_the_place_of_a_record_is_named_with_its_remedy(folder):
    (folder / "results/records/imagenet/full-x.json").mkdir(parents=True)
    with pytest.raises(UserError, match=r"full-x\.json cannot be read: Is a directory\. .*restore the file, or move"):
        rows_of("imagenet")


# Miniatures: a target of 80 and 25 above each baseline for top-5.


@pytest.mark.parametrize(
    ("top5", "linear", "expected"),
    [
        (95.0, 30.0, "pipeline ok"),
        (80.0, 55.0, "pipeline ok"),
        (79.9, 30.0, "pipeline short"),
        (80.0, 55.1, "pipeline short"),
        (5.0, 30.0, "pipeline short"),
    ],
)
def test_a_miniature_must_reach_its_target_and_clear_its_baselines(monkeypatch, top5, linear, expected):
    reading = replace(TOP5, miniature=Miniature(80.0, 25.0))
    found = judge(CLAIM, reading, [miniature_record(top5, linear5=linear)])
    assert (found.verdict, found.note) == (expected, "no evidence for the claim")


def test_a_baseline_of_another_metric_need_not_be_cleared():
    """25 above top-1's of 10 and 5 is reached, 25 above top-5's of 30 is not."""
    reading = replace(TOP1, miniature=Miniature(40.0, 25.0))
    assert judge(CLAIM, reading, [miniature_record(top1=50.0, linear5=30.0, linear1=10.0)]).verdict == "pipeline ok"


def test_a_miniature_has_no_other_verdict_whatever_its_number():
    for value in (0.0, 91.3, 100.0):
        for each in (miniature_record(value, official=True, n=50_000, signature=FULL), miniature_record(value)):
            assert judge(CLAIM, TOP5, [each]).verdict in ("pipeline ok", "pipeline short")


def test_a_validated_miniature_is_held_against_its_target():
    reading = replace(TOP5, miniature=Miniature(80.0, 25.0))
    for value, expected in ((95.0, "pipeline ok"), (50.0, "pipeline short")):
        again = miniature_record(value, mode="validate", baselines={})
        found = judge(CLAIM, reading, [again])
        assert (found.verdict, found.note) == (expected, "no evidence for the claim; no baselines, the target alone")


def test_a_reading_without_a_target_in_small_is_not_judged():
    found = judge(CLAIM, replace(TOP5, miniature=None), [miniature_record(5.0)])
    assert (found.verdict, found.note) == ("not judged", "no target set")


def test_the_verdicts_of_one_record():
    assert verdicts(CLAIM, record(0, 91.5, 75.0)) == {"top-5": "reproduced", "top-1": "not reproduced"}


def test_a_baseline_that_is_spared_need_not_be_beaten():
    goal = Miniature(target=1.0, distance=2.0, spared=("slow",))
    assert goal.against({"slow/return": 9.0, "random/return": 3.0}) == {"random/return": 3.0}
