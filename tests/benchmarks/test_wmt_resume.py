"""WMT's runs that must end alike: killed and continued, averaged, with workers, by two processes."""

import itertools
import shutil

import pytest
import torch

from tests.benchmarks import wmt_runs
from tests.benchmarks.ended import STATE, assert_same_checkpoint, differences, finish, kill
from tests.benchmarks.wmt_runs import (
    BENCHMARKS,
    COUNTS,
    NETWORK,
    STEPS,
    command,
    folder_of,
    predictions_of,
    validate,
)

no_copy, trained = wmt_runs.no_copy, wmt_runs.trained


def other_text(tree, tmp_path):
    """The same tree with another word in training."""
    tree = shutil.copytree(tree, tmp_path / "other")
    (tree / "train.en").write_bytes((tree / "train.en").read_bytes().replace(b"not", b"never", 1))
    return tree


def test_a_killed_run_ends_with_the_same_weights_and_numbers(workshops, wmt_tree, trained, tmp_path):
    workshop = workshops("killed")
    steps = STEPS["wmt_transformer"]
    # The weights after steps 106 and 108 are averaged: the second kill is between the two.
    for moment, last, averaged in ((f"step:{steps + 3}", steps + 2, 0), ("step:107", 106, 1), ("test", 108, 2)):
        kill(workshop, moment, *command(wmt_tree))
        kept = torch.load(folder_of(workshop) / "last.ckpt", weights_only=True)
        assert kept["global_step"] == last
        assert kept.get("average", {"count": 0})["count"] == averaged
    code, _, err = workshop.call(*command(other_text(wmt_tree, tmp_path)))
    assert (code, err.count("\n")) == (2, 1), err
    assert "was begun on other data than DATA now holds" in err
    assert "continuing from" in finish(workshop, *command(wmt_tree))
    assert_same_checkpoint("last.ckpt", map(folder_of, (workshop, trained)), *STATE, "subwords", "average")
    (record,), (undisturbed,) = (each.contents("wmt_transformer", "mini-s0-*") for each in (workshop, trained))
    for key in ("metrics", "curves", "examples", "baselines"):
        assert record[key] == undisturbed[key], key
    for name in COUNTS:
        ours, theirs = (predictions_of(each, name) / "hyp.txt" for each in (workshop, trained))
        assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.slow
def test_a_killed_recurrent_network_too(workshops, wmt_tree, trained):
    workshop = workshops("killed")
    arguments = command(wmt_tree, benchmark="wmt_rnn")
    kill(workshop, "step:15", *arguments)
    assert torch.load(folder_of(workshop, "wmt_rnn") / "last.ckpt", weights_only=True)["global_step"] == 14
    finish(workshop, *arguments)
    folders = [folder_of(each, "wmt_rnn") for each in (workshop, trained)]
    assert_same_checkpoint("last.ckpt", folders, *STATE, "subwords")
    assert "average" not in torch.load(folders[0] / "last.ckpt", weights_only=True)
    (record,), (undisturbed,) = (each.contents("wmt_rnn", "mini-s0-*") for each in (workshop, trained))
    assert record["metrics"] == undisturbed["metrics"]
    assert record["curves"] == undisturbed["curves"]


def test_the_mean_of_the_last_weights_is_kept_and_tested(workshop, trained, wmt_tree):
    before, last = (
        torch.load(folder_of(trained) / name, weights_only=True)
        for name in ("step-00000106.ckpt", "step-00000108.ckpt")
    )
    weights = torch.load(folder_of(trained) / "weights.ckpt", weights_only=True)
    assert differences(weights["average"], last["average"]) == []
    assert (before["average"]["count"], last["average"]["count"]) == (1, 2)
    names = [f"network.{name}" for name in last["average"]["weights"]]
    assert names == list(last["state_dict"])
    for name, mean in zip(names, last["average"]["weights"].values(), strict=True):
        one, other = (each["state_dict"][name] for each in (before, last))
        torch.testing.assert_close(mean, (one + other) / 2, rtol=1e-5, atol=1e-6)
    del weights["average"]
    torch.save(weights, workshop.root / "unaveraged.ckpt")
    finish(workshop, *validate(wmt_tree, f"--checkpoint={workshop.root / 'unaveraged.ckpt'}"))
    (record,), (whole,) = (
        workshop.contents("wmt_transformer", "mini-validate-*"),
        trained.contents("wmt_transformer", "mini-s0-*"),
    )
    assert record["metrics"]["newstest2014/chrf"]["value"] != whole["metrics"]["newstest2014/chrf"]["value"]


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_workers_change_nothing(workshops, wmt_tree, trained, benchmark):
    workshop = workshops("workers")
    finish(workshop, *command(wmt_tree, benchmark=benchmark, more="--data.init_args.workers=2"))
    assert_same_checkpoint("weights.ckpt", [folder_of(each, benchmark) for each in (workshop, trained)], "state_dict")
    (record,), (alone,) = (each.contents(benchmark, "mini-s0-*") for each in (workshop, trained))
    assert (record["metrics"], record["curves"]) == (alone["metrics"], alone["curves"])


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_two_processes_or_accumulated_batches_take_the_same_steps(workshops, wmt_tree, benchmark):
    """Of the same token batches, but for rounding; and validation inside fit, with unequal shares."""
    records = {}
    for name, more in {"alone": "", "pair": "", "accumulated": "--trainer.accumulate_grad_batches=2"}.items():
        workshop, devices = workshops(name), ["--devices=2"] if name == "pair" else []
        finish(workshop, *command(wmt_tree, *devices, benchmark=benchmark, more=f"--{NETWORK}.dropout=0 {more}"))
        (records[name],) = workshop.contents(benchmark, "mini-s0-*")
        assert records[name]["environment"]["world_size"] == 1 + len(devices)
        assert records[name]["examples"] == {"expected": 26, "scored": 26, "unique": 26}
    for name, key in itertools.product(("pair", "accumulated"), ("train/loss", "val/perplexity", "val/bleu")):
        ours, alone = (torch.tensor(records[each]["curves"][key]).T for each in (name, "alone"))
        assert torch.equal(ours[0], alone[0])
        if (name, key) != ("accumulated", "train/loss"):  # which is that of the last of the accumulated batches
            torch.testing.assert_close(ours[1, 0], alone[1, 0], rtol=1e-5, atol=0)
        if key == "val/perplexity":
            torch.testing.assert_close(ours[1], alone[1], rtol=5e-3, atol=0)
