"""What keeps a run from being official, beside its settings, follows it into its record and its checkpoints."""

import json
import shutil
import signal
from types import SimpleNamespace

import pytest
import torch

from benchmarks import run
from benchmarks.order import Order, work_out
from benchmarks.strict import load_record
from datamodules.layouts import imagenet
from tests.benchmarks.ended import finish, interrupt
from tests.conftest import short

TINY = {
    "trainer.max_epochs": 1, "trainer.accelerator": "cpu", "trainer.precision": "32-true",
    "data.init_args.smallest": 32, "data.init_args.largest": 32, "data.init_args.ramp": "[0,0]",
    "data.init_args.resize": 36, "data.init_args.crop": 32,
}  # fmt: skip
LESS = "train: 160 examples, officially 1,281,167"
UNKNOWN = (
    "code: its commit is not known (no git, no git checkout, another user's, or an earlier version; `make doctor` says "
    "more)"
)


@pytest.fixture(scope="module")
def trained(workshops, small_tree):
    """A run of the full profile on few images, by code of no commit."""
    workshop = workshops("unofficial")
    command = ("run", "imagenet", "--profile=full", f"--data={small_tree}", "--seeds=0", short(**TINY))
    code, workshop.said, err = workshop.call(*command)
    assert (code, err) == (0, ""), (workshop.said, err)
    return workshop


def record_of(workshop, mode):
    (found,) = (each for each in map(load_record, workshop.records()) if each.mode == mode)
    return found


def test_training_data_are_measured_by_the_claims_own_layout(monkeypatch):
    """Whoever wrote the datamodule: it only says what it has."""
    plan = work_out(Order("imagenet", "full", None, 0, "nowhere", {}))
    monkeypatch.setattr(run, "torch_remarks", lambda folder: ())
    monkeypatch.setattr(plan.last.assembly, "datamodule", SimpleNamespace(trained_on={"train": 160, "extra": 7}))
    code = SimpleNamespace(remarks=())
    assert run.remarks_on(plan, code) == (LESS, "extra: 7 examples, officially no such split")
    monkeypatch.setattr(imagenet, "OFFICIAL", {"train": 160, "extra": 7})
    assert run.remarks_on(plan, code) == ()


def test_a_run_says_so_when_it_starts_and_in_its_record(trained):
    found = record_of(trained, "train")
    for remark in (UNKNOWN, LESS):
        assert trained.said.index(f"note: unofficial ({remark})") < trained.said.index(": training")
    assert (found.official, found.environment.commit, found.environment.dirty) == (False, None, True)
    assert found.deviations[-2:] == (UNKNOWN, LESS)
    assert (found.data["train"], found.data["val"]) == (160, 37)


def test_whoever_asks_for_it_again_is_told_how_to_get_an_official_one(trained, small_tree):
    out = finish(trained, "run", "imagenet", "--profile=full", f"--data={small_tree}", "--seeds=0", short(**TINY))
    (line,) = (line for line in out.splitlines() if "is finished" in line)
    assert "is finished, but unofficial (" in line
    assert line.endswith(f"; {UNKNOWN}; {LESS}); once that is mended, FRESH=1 SEEDS=0 makes an official one.")


def test_so_is_a_run_that_went_on_with_another_torch(workshop, small_tree):
    command = ("run", "imagenet", "--profile=full", f"--data={small_tree}", "--seeds=0", short(**TINY))
    assert interrupt(workshop, "step:3", signal.SIGTERM, *command)[0] == 128 + signal.SIGTERM
    begun = workshop.only_run() / "run.json"
    known = json.loads(begun.read_text())
    (state,) = known["states"]
    now = state["packages"]["torch"]
    state["packages"] |= {"torch": "1.0", "pillow": "1.0"}
    begun.write_text(json.dumps(known))
    out = finish(workshop, *command)
    remark = f"packages: torch: 1.0, then {now} between starts"
    assert out.index(f"note: unofficial ({remark})") < out.index(": continuing from")
    found = record_of(workshop, "train")
    assert found.deviations[-3:] == (UNKNOWN, remark, LESS), "other packages are told of and spoil nothing"
    assert {line.partition(":")[0] for line in found.between_starts} == {"torch", "pillow"}
    weights = torch.load(workshop.only_run() / "weights.ckpt", weights_only=True)
    assert remark in weights["suite"]["remarks"]


@pytest.mark.parametrize("name", ["weights.ckpt", "last.ckpt"])
def test_whoever_validates_its_checkpoint_is_told_too(trained, small_tree, tmp_path, name):
    """And that one to continue from may be of any moment. Its run had more machines than this one."""
    checkpoint = torch.load(trained.only_run() / name, weights_only=True)
    checkpoint["suite"]["settings"]["trainer"] |= {"devices": 16, "num_nodes": 2, "accumulate_grad_batches": 3}
    torch.save(checkpoint, tmp_path / name)
    finish(trained, "validate", "imagenet", f"--data={small_tree}", f"--checkpoint={tmp_path / name}")
    found = record_of(trained, "validate")
    shutil.move(trained.root / f"results/records/imagenet/{found.run_id}.json", tmp_path)
    any_moment = "checkpoint: last -> one of any moment; give the weights.ckpt of its run"
    few = "val: 37 examples, officially 50,000"
    assert found.deviations == (*record_of(trained, "train").deviations, *[any_moment] * (name == "last.ckpt"), few)
    assert found.metrics == record_of(trained, "train").metrics
