"""What a row says beside its verdict: seeds that nobody fixed, replaced runs, references that nobody compared."""

from dataclasses import replace

import pytest

from benchmarks.schema import References, StoredFile
from results import stored
from results.collect import rows_of
from tests.results.records import put, record
from tests.results.test_collect import row, seeds


def test_seeds_that_were_run_again_are_counted():
    """The newest run of each seed counts, so that one could roll until the claim is met."""
    later = "2027-01-01T00:00:00+00:00"
    once = seeds(90.0, 91.5, 91.5)
    predictions = (StoredFile("results/runs/y/predictions/predictions.csv", "2" * 64),)
    again = record(0, 91.5, finished=later, run_id="full-s0-aaaaaaaaaaaa-2", predictions=predictions)
    found = row(*once, again)
    assert found.run_ids == ("full-s0-aaaaaaaaaaaa-2", "full-s1-aaaaaaaaaaaa", "full-s2-aaaaaaaaaaaa")
    assert found.note == "other runs of the same seeds are not counted: seed 0 (90.00)"
    repeated = replace(again, predictions=once[0].predictions)
    assert row(*once, repeated).note == "other runs of the same seeds are not counted: seed 0 (the same predictions)"
    other = record(0, 91.5, finished="2027-02-01T00:00:00+00:00", run_id="full-s0-bbbbbbbbbbbb", config_hash="b" * 12)
    noted = row(*once, again, other).note
    assert noted.endswith(
        "; other runs of the same seeds are not counted: seed 0 (the same predictions), seed 0 (91.50); "
        "2 more official run(s), of other seeds, settings, data or claims, are not counted"
    ), "of another recipe too; those of other seeds apart"


def test_seeds_that_are_not_of_one_commit_are_noted():
    """As where the checkout is updated while some still wait for their turn."""
    first, *others = seeds(91.5, 91.5, 91.5)
    moved = [replace(each, environment=replace(each.environment, commit="d" * 40)) for each in others]
    assert row(first, *moved).note == "seeds are of 2 commits"
    assert row(*moved, record(0, 91.5, official=False)).note.startswith("seeds 1 to 2 instead"), "it is not counted"


BEFORE = {"gymnasium": "1.3", "mujoco": "3.9", "numpy": "2.4", "torch": "2.11"}


@pytest.mark.parametrize(
    ("after", "noted"),
    [
        ({}, ""),
        ({"sentencepiece": "0.2.3"}, ""),  # of which the first record says nothing
        ({"torch": "2.12"}, "seeds are of torch 2.11 and 2.12"),
        ({"torch": "2.12", "mujoco": "4.0"}, "seeds are of mujoco 3.9 and 4.0, torch 2.11 and 2.12"),
        (
            dict.fromkeys(BEFORE, "9"),
            "seeds are of gymnasium 1.3 and 9, mujoco 3.9 and 9, numpy 2.4 and 9, and others",
        ),
    ],
)
def test_seeds_that_are_not_of_the_same_packages_are_noted(after, noted):
    """As where others were installed while some still waited for their turn."""
    found = [
        replace(each, environment=replace(each.environment, packages=packages))
        for each, packages in zip(seeds(91.5, 91.5, 91.5), (BEFORE, BEFORE | after, BEFORE | after), strict=True)
    ]
    assert row(*found).note == noted


@pytest.mark.parametrize(
    ("ran", "noted"),
    [
        ((0, 1, 2), ""),
        ((2, 0, 1), ""),
        ((0, 1, 2, 3, 4), "seeds 0 to 4 instead of the claim's 0 to 2 (these alone: reproduced, 91.30 to 91.70)"),
        ((0, 1, 3, 4), "seeds 0, 1, 3, 4 instead of the claim's 0 to 2"),
        ((0, 1), "seeds 0 to 1 instead of the claim's 0 to 2"),
        ((3, 5, 7), "seeds 3, 5, 7 instead of the claim's 0 to 2"),
    ],
)
def test_seeds_that_the_claim_did_not_fix_are_named(ran, noted):
    assert row(*(record(seed, 91.5) for seed in ran)).note == noted


def test_what_the_claims_own_seeds_give_is_told_beside_more_of_them():
    """Alone s^2 / 3 = 0.04 / 3, e^2 = 0.0001, 2.03 degrees of freedom: 91.2 +- 4.242 sqrt(0.01343)."""
    few = [record(seed, value, error=0.01) for seed, value in enumerate((91.0, 91.2, 91.4))]
    more = [record(seed, 91.2, error=0.01) for seed in range(3, 10)]
    assert row(*few).verdict == "inconclusive"
    found = row(*few, *more)
    assert (found.verdict, found.interval.seeds) == ("reproduced", 10)
    assert found.note == ("seeds 0 to 9 instead of the claim's 0 to 2 (these alone: inconclusive, 90.71 to 91.69)"), (
        found.interval
    )


def test_runs_that_were_no_evidence_are_not_counted():
    later = "2027-01-01T00:00:00+00:00"
    again = record(0, 91.5, finished=later, run_id="full-s0-aaaaaaaaaaaa-2")
    for earlier in (
        record(0, 90.0, official=False),
        record(0, 90.0, claim_hash="0" * 12),
        record(1, 90.0, variant="x"),
    ):
        assert "earlier" not in row(earlier, again).note


def test_unofficial_runs_are_counted_beside_official_ones():
    """A seed that was run before its code was committed is shown as finished, and is no seed of the row."""
    unofficial = record(2, 91.5, official=False, run_id="full-s2-aaaaaaaaaaaa")
    assert row(record(0, 91.5), record(1, 91.5), unofficial).note.endswith("1 unofficial run(s)")


@pytest.mark.parametrize(("official", "noted"), [(None, True), (True, False)])
def test_references_that_nobody_compared_are_noted(official, noted):
    references = {"test": References("0" * 64, official, "somehow")}
    runs = [record(0, 91.5), record(1, 91.5), record(2, 91.5, references=references)]
    assert row(*runs).note == "references were not compared with the official ones" * noted
    elsewhere = [replace(each, references={"other": References("0" * 64, None, "")}) for each in runs]
    assert row(*elsewhere).note == ""


def test_what_is_odd_about_predictions_stands_beside_their_verdict(tmp_path, monkeypatch):
    """That of the reading's own test set, and no more than a table can hold."""
    monkeypatch.setattr(stored, "records_folder", lambda benchmark: tmp_path / "results/records" / benchmark)
    notes = ("val: rows are of other examples", "other: nothing to do with it", f"val: {'classes ' * 40}")
    validated = record(mode="validate", run_id="full-validate-x", checkpoint=None, notes=notes)
    put(tmp_path, record(notes=("val: odd",)), validated)
    trained, _, found, _ = rows_of("imagenet")
    first, second, third = found.note.split("; ")[-3:]
    assert (first, second) == ("of results/runs/x/predictions/predictions.csv", "rows are of other examples")
    assert third == "classes " * 14 + "..."
    assert found.records[0].notes == notes, "the record has them whole"
    assert "odd" not in trained.note
