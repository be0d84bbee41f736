"""A record that contradicts itself, its recipe or another record is found; honest ones are left alone."""

import json
import subprocess
from dataclasses import replace

import pytest

from benchmarks.schema import Examples, StoredFile
from benchmarks.strict import load_claim, load_record
from results.consistency import consistent, twins, unlike
from results.stored import records_of
from tests.conftest import ROOT
from tests.results.records import copy_committed, record, sealed

RECORDS = ROOT / "results/records/locomotion_walk"
RUN = "full-hopper-ppo-s2-de3eff10c1ff"
CLAIM = load_claim("locomotion_walk")
HONEST = load_record(RECORDS / f"{RUN}.json")


def of_seed(seed):
    data = HONEST.config["data"]
    return HONEST.config | {"data": data | {"init_args": data["init_args"] | {"seed": seed}}}


def with_interval(low, high):
    return {key: replace(value, ci95=(low, high)) for key, value in HONEST.metrics.items()}


def found(changed, claim=CLAIM):
    return [*consistent(claim, changed)]


def test_weights_that_score_otherwise_than_in_their_run_are_told():
    elsewhere = replace(HONEST.environment, cpu="another")
    values = {key: replace(each, value=each.value + 5) for key, each in HONEST.metrics.items()}
    again = replace(HONEST, metrics=values, environment=elsewhere)
    assert [*unlike(HONEST, replace(HONEST, environment=elsewhere))] == []
    here, there = "another, 1 process a run, 32-true", "AMD EPYC x 2, 1 process a run, 32-true"
    assert [*unlike(HONEST, again)] == [
        f"Hopper-v5/return is 3377.67 here ({here}), 3372.67 in the record of its run ({there})"
    ]
    hardly = replace(HONEST, metrics={key: replace(each, value=3372.67) for key, each in HONEST.metrics.items()})
    (told,) = unlike(HONEST, hardly)
    assert "3372.670000000000 here" in told
    assert "3372.666251251831 in the record of its run" in told


def test_an_honest_record_is_left_alone():
    assert found(HONEST) == []
    assert found(replace(HONEST, run_id=f"{RUN}-2")) == [], "a run that was started with FRESH"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"examples": Examples(100, 99, 99)}, "it expected 100, scored 99 and told apart 99 examples"),
        ({"examples": Examples(100, 100, 99)}, "it expected 100, scored 100 and told apart 99 examples"),
        ({"examples": Examples(7, 7, 7)}, "it expected 7 examples and measured 100"),
        ({"finished": "2020-01-01T00:00:00+00:00"}, f"it took {HONEST.seconds:g} s, from {HONEST.started} to 2020-"),
        ({"seconds": -5.0}, "it took -5 s, from"),
        ({"config": of_seed(99)}, "its seed is 2, in its configuration 99"),
        ({"config": of_seed(None)}, "its seed is 2, in its configuration None"),
        ({"predictions": ()}, "it names no predictions"),
        ({"checkpoint": None}, "it was trained and names no weights"),
        ({"config": None}, "it was trained and names no configuration"),
        ({"environment": replace(HONEST.environment, dirty=True)}, "it is official, which"),
        ({"deviations": ("trainer.max_epochs: 5 -> 6",)}, "it is official, which"),
        ({"official": False}, "it is unofficial, which"),
        ({"seed": 3}, "its run id is not full-hopper-ppo-s3-de3eff10c1ff"),
        ({"variant": "walker2d-ppo"}, "its run id is not full-walker2d-ppo-s2-de3eff10c1ff"),
        ({"config_hash": "0" * 12}, "its run id is not full-hopper-ppo-s2-000000000000"),
        ({"run_id": f"{RUN}-again"}, "its run id is not"),
        ({"finished": "zzz"}, f"it took {HONEST.seconds:g} s, from {HONEST.started} to zzz"),
        ({"started": ""}, f"it took {HONEST.seconds:g} s, from  to"),
        ({"finished": "9999-01-01"}, f"it took {HONEST.seconds:g} s, from"),
        ({"metrics": with_interval(9e3, -9e3)}, "the interval of Hopper-v5/return, (9000.0, -9000.0), does not hold"),
        ({"metrics": with_interval(1.0, 2.0)}, "the interval of Hopper-v5/return, (1.0, 2.0), does not hold its value"),
        ({"predictions": HONEST.predictions * 2}, "it names a file of predictions twice"),
        ({"mode": "validate"}, f"it is a validation, and {RUN} is the id of a run that trains"),
        ({"between_starts": ("torch: 2.9.0, then 2.11.0",)}, "it is official, and was continued with another version"),
        ({"environment": replace(HONEST.environment, commit=None)}, "it is official, and of the commit None"),
        ({"environment": replace(HONEST.environment, commit="zzz")}, "it is official, and of the commit zzz"),
    ],
)
def test_a_record_that_contradicts_itself(changes, words):
    contradictions = [said for kind, said in found(replace(HONEST, **changes)) if kind == "contradicts"]
    assert any(said.startswith(words) for said in contradictions), contradictions


def with_epochs(config, number):
    return config | {"trainer": config["trainer"] | {"max_epochs": number}}


def test_a_configuration_that_is_not_that_of_its_hash():
    changed = with_epochs(HONEST.config, 77)
    assert found(replace(HONEST, config=changed)) == [
        ("contradicts", "its configuration is not that of de3eff10c1ff, its hash")
    ]


def test_a_run_that_says_where_it_deviates_is_not_held_against_the_recipe():
    deviating = {"deviations": ("trainer.max_epochs: 5 -> 77",), "official": False}
    assert found(replace(HONEST, config=with_epochs(HONEST.config, 77), **deviating)) == []


def test_a_recipe_that_has_changed_since_contradicts_nothing(monkeypatch):
    """With the same keys the hash follows from the record's own values; with others nobody can tell."""
    from results import consistency

    resolve = consistency.resolve_settings
    monkeypatch.setattr(consistency, "resolve_settings", lambda *asked: with_epochs(resolve(*asked), 77))
    assert found(HONEST) == []
    monkeypatch.setattr(consistency, "resolve_settings", lambda *asked: resolve(*asked) | {"novel": 1})
    ((kind, words),) = found(HONEST)
    assert (kind, words.partition(",")[0]) == ("unchecked", "the recipe has changed since")
    monkeypatch.undo()
    gone = replace(HONEST, variant="gone", run_id=RUN.replace("hopper-ppo", "gone"))
    assert found(gone) == [(kind, words)]


def test_a_claim_that_has_changed_says_nothing_of_official():
    assert found(replace(HONEST, claim_hash="0" * 12, official=False)) == []


def test_a_validation_has_neither_recipe_nor_seed():
    scored = record(
        None, mode="validate", run_id="full-validate-x", checkpoint=None, config=None, config_hash=None, variant=None
    )
    assert found(scored, load_claim("imagenet")) == []


def test_a_validated_checkpoint_is_of_the_recipe():
    scored = replace(HONEST, mode="validate", run_id="full-validate-abcabcabcabc")
    assert found(scored) == []
    ((kind, said),) = found(replace(scored, config=with_epochs(HONEST.config, 77)))
    assert (kind, said) == ("contradicts", "its configuration is not that of de3eff10c1ff, its hash")


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_official_record_is_of_the_official_data(split):
    from datamodules.layouts.imagenet import OFFICIAL

    said = f"it is official, and yet {split}: 10 examples, officially {OFFICIAL[split]:,}"
    claim = load_claim("imagenet")
    assert ("contradicts", said) in found(record(data=OFFICIAL | {split: 10}), claim)
    assert not [words for _, words in found(record(data=dict(OFFICIAL)), claim) if "it is official, and" in words]


# The seeds that the claim fixed.


def test_seeds_that_were_fixed_after_the_run_are_told_of(workshop):
    """Or ten seeds, five of which were added until the claim was met, would be those that it fixed."""
    folder = copy_committed(workshop, "locomotion_walk", RUN)

    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        return subprocess.check_output(["git", *who, *words], cwd=workshop.root, text=True).strip()

    def run_at(commit):
        content = json.loads((folder / f"{RUN}.json").read_text())
        content["environment"]["commit"] = commit
        (folder / f"{RUN}.json").write_text(sealed(content))

    def verified():
        code, out, err = workshop.call("verify")
        assert (code, err) == (0, "")
        return out.splitlines()[0]

    claim = workshop.root / "benchmarks/locomotion_walk/claim.yaml"
    for words in (("init", "-q"), ("add", str(claim)), ("commit", "-q", "-m", "before the run")):
        git(*words)
    run_at(git("rev-parse", "HEAD"))
    assert verified().startswith("ok ")
    text = claim.read_text()
    assert "seeds: [0, 1, 2, 3, 4]\n" in text
    claim.write_text(text.replace("seeds: [0, 1, 2, 3, 4]", "seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"))
    line = verified()
    assert line.startswith("unchecked ")
    assert "the claim fixes the seeds 0 to 9, and fixed 0 to 4 at the commit of the run" in line
    run_at("c" * 40)
    assert verified().startswith("ok "), "git does not know"


# Copies.


def copied(folder, seed, change=lambda content: None):
    """Seed 2 under another number, as somebody would write it by hand."""
    content = json.loads((RECORDS / f"{RUN}.json").read_text())
    content |= {"seed": seed, "run_id": RUN.replace("-s2-", f"-s{seed}-")}
    change(content)
    (folder / f"{content['run_id']}.json").write_text(sealed(content))
    return content["run_id"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, "its weights (SHA-256) are those of"),
        ({"checkpoint": None}, "it was trained and names no weights"),
        ({"checkpoint": None}, "its predictions (path) are those of"),
        ({"checkpoint": None}, "its predictions (SHA-256) are those of"),
        ({"checkpoint": None}, "its episodes do not begin from the resets of seed 7"),
    ],
)
def test_a_seed_under_another_number_is_no_seed_more(workshop, how, words):
    name = copied(copy_committed(workshop, "locomotion_walk", RUN), 7, lambda content: content.update(how))
    code, out, err = workshop.call("verify")
    assert (code, err) == (1, "")
    (line,) = (line for line in out.splitlines() if f" {name}: " in line)
    assert line.startswith("FAILED ")
    assert words in line


def test_a_run_under_the_name_of_another_variant_is_a_copy_too():
    other = replace(HONEST, variant="walker2d-ppo", run_id="other", predictions=())
    assert [*twins(other, [HONEST, other])] == [
        ("contradicts", f"its weights (SHA-256) are those of {RUN}, of another seed or variant")
    ]


def test_copies_of_files_are_found_by_their_content():
    moved = tuple(StoredFile(f"elsewhere/{number}", each.sha256) for number, each in enumerate(HONEST.predictions))
    other = replace(HONEST, seed=7, run_id="other", checkpoint=None, predictions=moved)
    assert [*twins(other, [HONEST, other])] == [
        ("contradicts", f"its predictions (SHA-256) are those of {RUN}, of another seed or variant")
    ]


def test_what_honest_runs_have_in_common():
    """Lost games, and in miniature all that a model predicts which has learnt nothing."""
    games = records_of("go", "full")
    assert any({a.sha256 for a in one.predictions} & {b.sha256 for b in two.predictions}
               for one in games for two in games if one is not two)  # fmt: skip
    assert not [each for one in games for each in twins(one, games)]
    small = [
        record(seed, profile="mini", checkpoint=StoredFile("w", str(seed)), predictions=(StoredFile(str(seed), "1"),))
        for seed in (0, 1)
    ]
    assert not [*twins(small[0], small)]
