"""`verify`: what is committed agrees with itself and with foreign tools, and a lie is found."""

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.paths import benchmarks
from benchmarks.strict import load_claim, load_record
from results.collect import rows_of
from results.consistency import twins
from results.foreign import runs
from results.render import several
from results.verify import check, interquartile_means, verify
from tests.conftest import ROOT
from tests.results.records import copy_committed, record, sealed, whole

RUN = "full-hopper-ppo-s2-de3eff10c1ff"
RECORDS = "results/records/locomotion_walk"


def absent(*_):
    raise ModuleNotFoundError


def test_every_record_of_this_clone_agrees(monkeypatch):
    monkeypatch.setattr(runs, "interquartile_means", absent)
    told, agreed = verify()
    assert agreed, told
    lines = told.splitlines()
    verdicts = {line.split()[2].rstrip(":"): line.split()[0] for line in lines[:-2]}
    committed = [load_record(path) for path in (ROOT / "results/records").glob("*/full-*.json")]
    assert sum(map(whole, committed)) >= 40
    assert {verdicts[each.run_id] for each in committed if whole(each)} == {"ok"}
    assert {verdicts[each.run_id] for each in committed} <= {"ok", "unchecked"}
    assert lines[-2] == "unchecked interquartile means: rliable is not installed (make peers)"
    counted = (
        rf"{len(lines) - 2} records and \d+ interquartile means over runs, 0 of them contradicted by what is stored"
    )
    assert re.fullmatch(counted, lines[-1])


@pytest.fixture
def kept(workshop):
    """A workshop with one record and what is stored beside it."""
    return copy_committed(workshop, "locomotion_walk", RUN)


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(sealed(content))


def another_return(folder):
    path = folder / RUN / "episodes.csv"
    lines = path.read_text().splitlines()
    parts = lines[7].split(",")
    lines[7] = ",".join([*parts[:3], "9999.0", parts[4]])
    path.write_text("\n".join(lines) + "\n")


def another_value(folder):
    edit(folder / f"{RUN}.json", lambda content: content["metrics"]["Hopper-v5/return"].update(value=1400.0))


def another_interval(folder):
    edit(folder / f"{RUN}.json", lambda content: content["metrics"]["Hopper-v5/return"].update(ci95=[3139.0, 3141.0]))


def another_unit(folder):
    edit(folder / f"{RUN}.json", lambda content: content["metrics"]["Hopper-v5/return"].update(unit="points"))


def other_metrics(folder):
    def rename(content):
        content["metrics"]["Hopper-v5/made_up"] = content["metrics"].pop("Hopper-v5/return")

    edit(folder / f"{RUN}.json", rename)


def a_file_twice(folder):
    edit(folder / f"{RUN}.json", lambda content: content["predictions"].append(content["predictions"][0]))


def another_claim_hash(folder):
    edit(folder / f"{RUN}.json", lambda content: content.update(claim_hash="0" * 12))


def one_file_less(folder):
    (folder / RUN / "episodes.csv").unlink()


def one_episode_less(folder):
    path = folder / RUN / "episodes.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def no_number(folder):
    path = folder / RUN / "episodes.csv"
    path.write_text(path.read_text() + "Hopper-v5,1,100,many,7\n")


def nothing_stored(folder):
    shutil.rmtree(folder / RUN)


def another_claim(folder):
    path = folder.parents[2] / "benchmarks/locomotion_walk/claim.yaml"
    text = path.read_text()
    assert "target: 2500\n" in text
    path.write_text(text.replace("target: 2500\n", "target: 2600\n"))


@pytest.mark.parametrize(
    ("change", "code", "verdict", "words"),
    [
        (None, 0, "ok", ["3 of 3 files as recorded", "3372.67 by Python", "3372.67 by our own scoring"]),
        (another_return, 1, "FAILED", ["episodes.csv is not the file that was recorded", "by Python"]),
        (another_value, 1, "FAILED", ["1400.0 in the record and 3372.6", "by Python", "by our own scoring"]),
        (another_interval, 1, "FAILED", ["the interval of Hopper-v5/return is (3139.0, 3141.0)"]),
        (a_file_twice, 1, "FAILED", ["it names a file of predictions twice"]),
        (another_claim_hash, 0, "unchecked", ["the claim has changed since", "not comparable"]),
        (another_unit, 1, "FAILED", ["the unit of Hopper-v5/return: points in the record, reward by our own scoring"]),
        (
            other_metrics,
            1,
            "FAILED",
            [
                "Hopper-v5/made_up is in the record, and not by our own scoring",
                "Hopper-v5/return is by our own scoring alone",
            ],
        ),
        (
            one_file_less,
            1,
            "FAILED",
            ["2 of 3 files as recorded", f"{RUN}/episodes.csv is gone", "; nothing of Hopper"],
        ),
        (one_episode_less, 1, "FAILED", ["our own scoring refuses the predictions"]),
        (no_number, 1, "FAILED", ["Python cannot score the predictions", "our own scoring refuses the predictions"]),
        (
            nothing_stored,
            1,
            "FAILED",
            [
                f"{RUN}/episodes.csv is gone (if it was committed, `git checkout",
                "nothing of Hopper-v5 was scored again",
            ],
        ),
        (another_claim, 0, "unchecked", ["the claim has changed since", "not comparable"]),
    ],
)
def test_what_is_said_of_a_record(workshop, kept, change, code, verdict, words):
    if change:
        change(kept)
    found, out, err = workshop.call("verify")
    assert (found, err) == (code, ""), (out, err)
    line, last = out.splitlines()
    assert line.split()[:3] == [verdict, "locomotion_walk", f"{RUN}:"]
    assert [each for each in words if each not in line] == []
    assert last == f"1 records and 0 interquartile means over runs, {code} of them contradicted by what is stored"


def test_a_yardstick_that_was_made_worse_contradicts_its_record(workshop):
    """With the hash of the file set right, nothing else would tell."""
    name = "full-s0-e32402ef0a1f"
    file = copy_committed(workshop, "driving", name) / name / "episodes.csv"
    file.write_text(re.sub(r"idm,[\d.]+", "idm,20.5", file.read_text(), count=1))
    code, out, err = workshop.call("verify")
    assert (code, err) == (1, "")
    said = "by the predictions themselves {'yardstick': 'an IDM that drives 1 of 500 episodes unlike"
    assert said in out.splitlines()[0]


def test_no_record_goes_without_its_folder(workshop, kept):
    """A seed that somebody would rather not have had."""
    (kept / f"{RUN}.json").unlink()
    code, out, err = workshop.call("verify")
    assert (code, err) == (1, "")
    assert out.splitlines()[0].startswith(f"FAILED locomotion_walk {RUN}: its record is not here")


def test_a_record_that_cannot_be_read_hides_no_other(workshop, kept):
    """Edited by hand, half-copied or a conflict of git: each is named, and all others are checked."""
    edited, half = kept / f"{RUN.replace('-s2-', '-s3-')}.json", kept / f"{RUN.replace('-s2-', '-s4-')}.json"
    edited.write_text((kept / f"{RUN}.json").read_text().replace('"seed": 2', '"seed": 3'))
    half.write_text((kept / f"{RUN}.json").read_text()[:500])
    code, out, err = workshop.call("verify")
    assert (code, err) == (1, "")
    *lines, last = out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"FAILED locomotion_walk {edited.stem}", f"FAILED locomotion_walk {half.stem}", f"ok     locomotion_walk {RUN}",
    ]  # fmt: skip
    assert [line.partition(": ")[2].count(".json") > 0 for line in lines[:2]] == [True, True]
    assert last == "3 records and 0 interquartile means over runs, 2 of them contradicted by what is stored"


def test_weights_are_those_of_one_seed(workshop, kept):
    """A copy under a name and a seed of its own would be a run more, and its files are as recorded."""
    copy = kept / f"{RUN.replace('-s2-', '-s7-')}.json"
    shutil.copy(kept / f"{RUN}.json", copy)
    edit(copy, lambda content: content.update(run_id=copy.stem, seed=7))
    code, out, err = workshop.call("verify")
    assert (code, err) == (1, "")
    for line, other in zip(out.splitlines()[:2], (copy.stem, RUN), strict=True):
        assert line.startswith("FAILED locomotion_walk ")
        assert f"its weights (SHA-256) are those of {other}, of another seed or variant" in line


def test_a_seed_that_is_run_again_and_a_validation_may_have_the_same_weights():
    first = record()
    again, scored = replace(first, run_id="again"), replace(first, run_id="scored", mode="validate", seed=None)
    assert not [*twins(first, [first, again, scored]), *twins(scored, [first, again, scored])]


def test_a_record_that_no_reading_is_about_has_no_verdict():
    claim = load_claim("imagenet")
    changed = record(claim_hash="0" * 12)
    assert any("not comparable" in words for _, words in check(claim, changed))
    assert not any("not comparable" in words for _, words in check(claim, replace(changed, variant="ablation")))


def test_a_game_that_openspiel_refuses_contradicts_its_record_and_ends_nothing(workshop):
    pytest.importorskip("pyspiel")
    run = next((ROOT / "results/records/go").glob("full-dqn-s0-*.json"))
    game = min((copy_committed(workshop, "go", run.stem) / run.stem).rglob("*.sgf"))
    text = game.read_text()
    game.write_text(re.sub(r";[BW]\[[a-z]*\]\s*\)\s*$", ")", text))
    assert game.read_text() != text
    code, out, err = workshop.call("verify")
    assert (code, err) == (1, "")
    assert out.startswith(f"FAILED go {run.stem}: ")
    assert "by OpenSpiel the game is not over" in out


def test_a_record_whose_files_are_elsewhere_is_not_checked():
    found = list(check(load_claim("imagenet"), record(official=False, deviations=("data.init_args.resize: 1 -> 2",))))
    assert found == [
        ("unchecked", "2 of 2 files are not in this clone"), ("unscored", "nothing of test was scored again"),
    ]  # fmt: skip


# Interquartile means over runs.

HOPPER = "locomotion_walk, Hopper by PPO"


@pytest.fixture
def five(workshop):
    """A workshop with five runs of Hopper by PPO: 9, 1, 2, 7 and 100, the mean of whose middle three is 6.

    What is stored of them is not here.
    """
    there = sorted((ROOT / RECORDS).glob("full-hopper-ppo-s*.json"))[:5]
    for path, value in zip(there, (9, 1, 2, 7, 100), strict=True):
        (workshop.root / RECORDS).mkdir(parents=True, exist_ok=True)
        copy = Path(shutil.copy(path, workshop.root / RECORDS))
        copy.write_text(copy.read_text().replace(f'"{RECORDS}/', '"results/runs/'))
        measured = {"value": float(value), "ci95": [float(value), float(value)]}
        edit(copy, lambda content, measured=measured: content["metrics"]["Hopper-v5/return"].update(measured))
    return workshop


def peers(root, answer):
    """A peers' interpreter that answers always the same, and keeps what it was asked."""
    python = root / ".venv-peers/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ncat > '{root}/asked.json'\necho '{json.dumps(answer)}'\n")
    python.chmod(0o755)


@pytest.mark.parametrize(
    ("theirs", "code", "line"),
    [
        (6.0, 0, f"ok     {HOPPER}: interquartile mean 6.00 of 5 runs by rliable 1.2.0"),
        (6.000001, 1, f"FAILED {HOPPER}: the interquartile mean of 5 runs is 6.0 by us and 6.000001 by rliable 1.2.0"),
    ],
)
def test_the_interquartile_mean_is_held_against_rliable(five, theirs, code, line):
    peers(five.root, ["1.2.0", {HOPPER: theirs}])
    found, out, err = five.call("verify")
    assert (found, err) == (code, ""), (out, err)
    assert out.splitlines()[5:] == [
        line, f"5 records and 1 interquartile means over runs, {code} of them contradicted by what is stored",
    ]  # fmt: skip
    assert json.loads((five.root / "asked.json").read_text()) == {HOPPER: [9, 1, 2, 7, 100]}


@pytest.mark.parametrize("installed", [False, True])
def test_without_rliable_it_is_said_that_no_mean_was_checked(five, installed):
    if installed:
        peers(five.root, None)  # the environment is there, and rliable is not in it
    code, out, err = five.call("verify")
    assert (code, err) == (0, ""), (out, err)
    assert out.splitlines()[5] == "unchecked interquartile means: rliable is not installed (make peers)"


def test_an_rliable_that_fails_takes_no_record_with_it(five):
    peers(five.root, None)
    python = five.root / ".venv-peers/bin/python"
    python.write_text("#!/bin/sh\necho 'ImportError: numpy is of another age' >&2\nexit 1\n")
    code, out, err = five.call("verify")
    assert (code, err) == (0, ""), (out, err)
    assert out.splitlines()[5] == "unchecked interquartile means: rliable fails: ImportError: numpy is of another age"


def test_an_interpreter_without_rliable_says_so(monkeypatch):
    monkeypatch.setattr(runs, "PEERS", Path(sys.executable))
    with pytest.raises(ModuleNotFoundError):
        runs.interquartile_means({"a": [1.0, 2.0]})


def test_rliable_in_this_interpreter_is_used(monkeypatch, tmp_path):
    (tmp_path / "rliable").mkdir()
    (tmp_path / "rliable/metrics.py").write_text("def aggregate_iqm(scores):\n    return scores.sum()\n")
    (tmp_path / "rliable-9.dist-info").mkdir()
    (tmp_path / "rliable-9.dist-info/METADATA").write_text("Name: rliable\nVersion: 9\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(runs, "PEERS", tmp_path / "none")
    assert runs.interquartile_means({"a": [1.0, 2.0]}) == ("9", {"a": 3.0})


@pytest.mark.slow
def test_rliable_finds_the_interquartile_means_of_the_table():
    assert runs.PEERS.exists(), "make peers installs what this test compares with"
    rows = several(row for name in benchmarks() for row in rows_of(name))
    found = dict(interquartile_means(rows))
    table = (ROOT / "results/tables/seeds.md").read_text().splitlines()[2:]
    assert len(found) == len(table) >= 14
    for line in table:
        benchmark, reading, _, middle, _, each = (cell.strip() for cell in line.strip("| ").split(" | "))
        ((kind, words),) = found[f"{benchmark}, {reading}"]
        assert kind == "agrees", words
        told = f"interquartile mean {middle.split()[0]} of {len(each.split(', '))} runs by rliable "
        assert words.startswith(told), words
