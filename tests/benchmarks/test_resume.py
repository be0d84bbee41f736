"""A run that is killed, stopped or finished, started again with the same command."""

import json
import os
import signal
import time

import pytest
import torch

from tests.benchmarks.ended import differences, finish, interrupt
from tests.conftest import STEPS, cut, short

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT


def command(tree, *extra, seed=0, name="run", **changes):
    return (name, "imagenet", "--profile=mini", f"--data={tree}", f"--seeds={seed}", short(**changes), *extra)


class Finished:
    """What a finished run left behind."""

    def __init__(self, workshop):
        run = workshop.only_run()
        record = next(path for path in workshop.records() if path.stem == run.name)
        self.record = json.loads(record.read_text())
        self.run_id = run.name
        self.started = json.loads((run / "run.json").read_text())["states"][0]
        self.checkpoint = torch.load(run / "last.ckpt", weights_only=True)
        self.metrics = (run / "metrics.csv").read_text()
        self.predictions = (run / "predictions" / "predictions.csv").read_text()
        self.files = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())


def assert_same(one, other):
    assert one.run_id == other.run_id
    assert one.metrics == other.metrics
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "loops", "epoch", "global_step"):
        assert differences(one.checkpoint[key], other.checkpoint[key]) == [], key
    assert one.predictions == other.predictions
    for key in ("metrics", "curves", "baselines", "examples", "config", "config_hash"):
        assert one.record[key] == other.record[key], key
    assert one.files == other.files


def step_of_last(workshop):
    return torch.load(workshop.only_run() / "last.ckpt", weights_only=True)["global_step"]


@pytest.fixture(scope="module")
def undisturbed(workshops, small_tree):
    workshop = workshops("undisturbed")
    out = finish(workshop, *command(small_tree))
    finished = Finished(workshop)
    finished.workshop, finished.tree, finished.out = workshop, small_tree, out
    return finished


def test_every_step_has_its_rows_once(undisturbed):
    rows = [line.split(",") for line in undisturbed.metrics.splitlines()[1:]]
    for name in ("train/loss", "train/learning_rate"):
        assert [int(step) for step, key, _ in rows if key == name] == list(range(1, STEPS + 1))
    assert [(int(step), key) for step, key, _ in rows if key.startswith("val/")] == [
        (step, key) for step in (10, 20, 30) for key in ("val/top1", "val/top5")
    ]
    assert undisturbed.record["curves"]["train/loss"][-1][0] == STEPS
    for k in (1, 5):  # the last validation saw the weights that were tested
        assert float(rows[k // 5 - 2][2]) == pytest.approx(undisturbed.record["metrics"][f"test/top{k}"]["value"])


def test_killed_three_times_and_stopped_once(workshops, small_tree, undisturbed):
    """Mid-epoch, while a checkpoint is written, by SIGTERM, in the middle of validation: at the end nothing differs."""
    workshop, arguments = workshops("chain"), command(small_tree)

    assert interrupt(workshop, "step:6", signal.SIGKILL, *arguments)[0] == -signal.SIGKILL
    assert step_of_last(workshop) == 4  # steps 5 and 6 have rows without a checkpoint, which must go
    assert (workshop.only_run() / "metrics.csv").read_text().count("train/loss") == 6

    # The checkpoints after step 4 are those of steps 8, 10 and 12.
    assert interrupt(workshop, "save:2", signal.SIGKILL, *arguments)[0] == -signal.SIGKILL
    assert list(workshop.only_run().glob(".step-*")), "the kill was in the middle of a write"
    assert step_of_last(workshop) == 8

    code, out, err = interrupt(workshop, "step:13", signal.SIGTERM, *arguments)
    assert code == 128 + signal.SIGTERM
    assert "continuing from" in out
    assert err.count("\n") == 1
    assert "the same command continues" in err
    assert step_of_last(workshop) == 14

    out = finish(workshop, *arguments)
    assert "continuing from" in out
    assert_same(Finished(workshop), undisturbed)
    assert list(workshop.only_run().glob(".step-*")) == []


def test_killed_where_there_are_no_hard_links(workshops, small_tree, undisturbed):
    """As on exFAT, SMB and buckets: checkpoints are copied to their names, and what goes by one is always whole."""
    workshop, arguments = workshops("copied"), command(small_tree)

    assert interrupt(workshop, "step:6", KILL, *arguments, NO_LINKS="EPERM")[0] == -KILL
    assert step_of_last(workshop) == 4

    # The checkpoints after step 4 are those of steps 8, 10 and 12.
    assert interrupt(workshop, "copy:2", KILL, *arguments, NO_LINKS="EOPNOTSUPP")[0] == -KILL
    assert list(workshop.only_run().glob(".last.*")), "the kill was in the middle of a copy"
    assert step_of_last(workshop) == 8

    finish(workshop, *arguments, pause="never", NO_LINKS="EPERM")
    assert_same(Finished(workshop), undisturbed)
    assert [path.stat().st_nlink for path in workshop.only_run().glob("*.ckpt")] == [1] * 5


def test_a_finished_run_is_shown(undisturbed):
    workshop, before = undisturbed.workshop, undisturbed.files
    times = [(workshop.only_run() / name).stat().st_mtime_ns for name in before]
    again = finish(workshop, *command(undisturbed.tree))
    assert again.splitlines()[0].endswith("is finished; FRESH=1 would start another.")
    assert again.splitlines()[1:] == undisturbed.out.splitlines()[1:], "the same summary"
    assert times == [(workshop.only_run() / name).stat().st_mtime_ns for name in Finished(workshop).files]


def test_its_record_says_on_which_data_it_was_made(undisturbed):
    data = dict(undisturbed.record["data"])
    assert {len(data.pop(f"{split} digest")) for split in ("train", "val")} == {12}
    assert data == {"train": 160, "val": 37}


def test_a_finished_run_is_not_shown_for_other_data(undisturbed, miniature_tree, tmp_path):
    """Such as those of before some were missing: its number would pass for one of what DATA holds now."""
    other = cut(miniature_tree, tmp_path, 8, 36)
    code, out, err = undisturbed.workshop.call(*command(other))
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert f"the record of {undisturbed.run_id} was made on other data than DATA now holds (val: 37 then, 36 now" in err
    assert "FRESH=1" in err


def test_a_run_is_not_continued_where_classes_changed_places(workshops, copied_tree):
    """In training and in validation, which changes no count and no name of a class."""
    workshop, arguments = workshops("swapped"), command(copied_tree)
    assert interrupt(workshop, "step:6", signal.SIGKILL, *arguments)[0] == -signal.SIGKILL
    for split in ("train", "val"):
        one, other, *_ = sorted((copied_tree / split).iterdir())
        one.rename(copied_tree / "moved")
        other.rename(one)
        (copied_tree / "moved").rename(other)
    code, _, err = workshop.call(*arguments)
    assert (code, err.count("\n")) == (2, 1), err
    assert "was begun on other data than DATA now holds (train digest: " in err
    assert "val digest: " in err


@pytest.mark.slow
def test_fresh_starts_another_run(workshops, small_tree):
    workshop, few = workshops("fresh"), {"trainer.max_epochs": 1}
    finish(workshop, *command(small_tree, **few))
    (record,) = workshop.records()
    assert "training" in finish(workshop, *command(small_tree, "--fresh", **few))
    assert [run.name for run in workshop.runs()] == [record.stem, f"{record.stem}-2"]
    first, second = (json.loads(path.read_text()) for path in sorted(workshop.records()))
    assert first["metrics"] == second["metrics"]
    assert "-2 is finished" in finish(workshop, *command(small_tree, **few)), "the newest one is shown"


def disturb(workshop, arguments, moments):
    """Ends one start after the other: (moment, signal, step of the checkpoint that is the last one afterwards)."""
    for moment, number, step in moments:
        code, _, err = interrupt(workshop, moment, number, *arguments)
        if number == signal.SIGKILL:
            assert (code, err) == (-number, ""), moment
        else:
            assert (code, err.count("\n")) == (128 + number, 1), (moment, err)
            assert "the same command continues" in err
        assert (step_of_last(workshop) if (workshop.only_run() / "last.ckpt").exists() else None) == step, moment
    assert "continuing from" in finish(workshop, *arguments)


@pytest.mark.slow
def test_killed_before_between_and_after_checkpoints(workshops, small_tree, undisturbed):
    """Checkpoints are due at steps 4, 8, 10, 12, 16, 20, 24, 28 and 30; validation comes before those of 10, 20, 30."""
    workshop = workshops("killed")
    moments = [
        ("step:0", KILL, None), ("save:1", KILL, None), ("save:3", KILL, 8), ("validation:10", KILL, 8),
        ("step:10", KILL, 10), ("step:29", KILL, 28), ("validation:30", KILL, 28), ("test", KILL, 30),
    ]  # fmt: skip
    disturb(workshop, command(small_tree), moments)
    assert_same(Finished(workshop), undisturbed)


@pytest.mark.slow
def test_stopped_by_signals_everywhere(workshops, small_tree, undisturbed):
    """Training stops after a checkpoint; before it and after it there is nothing to save."""
    workshop = workshops("stopped")
    moments = [
        ("sanity", TERM, None), ("step:0", INT, 1), ("step:9", TERM, 10), ("validation:20", INT, 20),
        ("step:22", TERM, 23), ("step:29", INT, 30), ("test", TERM, 30),
    ]  # fmt: skip
    disturb(workshop, command(small_tree), moments)
    assert_same(Finished(workshop), undisturbed)


@pytest.mark.slow
def test_with_two_workers(workshops, small_tree, undisturbed):
    """A signal to the whole group, as from a terminal or a scheduler, reaches the workers too; they change nothing."""
    workshop = workshops("workers")
    moments = [("step:5", KILL, 4), ("step:13", TERM, 14), ("step:17", INT, 18)]
    disturb(workshop, command(small_tree, **{"data.init_args.workers": 2}), moments)
    one = Finished(workshop)
    one.record["config"]["data"]["init_args"]["workers"] = 0
    assert_same(one, undisturbed)


@pytest.mark.slow
def test_killed_workers_let_go_of_the_run(workshops, small_tree):
    """Workers hold the run's lock open as long as they live, so they must not outlive it."""
    workshop, arguments = workshops("lock"), command(small_tree, **{"data.init_args.workers": 2})
    process = workshop.start(*arguments, pause="step:2")
    process.until_paused()
    assert len(process.members()) > 2
    os.kill(process.popen.pid, signal.SIGKILL)
    process.popen.wait()
    time.sleep(0.5)
    assert process.members() == []


@pytest.mark.slow
def test_accumulated_batches(workshops, small_tree):
    arguments = command(small_tree, **{"trainer.accumulate_grad_batches": 2})
    plain, disturbed = workshops("plain"), workshops("disturbed")
    finish(plain, *arguments)
    disturb(disturbed, arguments, [("step:6", KILL, 4), ("step:12", TERM, 13)])
    assert_same(Finished(disturbed), Finished(plain))


@pytest.mark.slow
def test_another_accumulation_continues_at_the_same_step(workshops, small_tree):
    """It is a machine key, so the run is the same one: ten steps an epoch, then a validation."""
    workshop, twice = workshops("accumulation"), {"trainer.accumulate_grad_batches": 2}
    assert interrupt(workshop, "step:6", TERM, *command(small_tree))[0] == 128 + TERM
    assert step_of_last(workshop) == 7
    assert interrupt(workshop, "step:14", TERM, *command(small_tree, **twice))[0] == 128 + TERM
    assert step_of_last(workshop) == 15
    finish(workshop, *command(small_tree))
    rows = [line.split(",") for line in Finished(workshop).metrics.splitlines()[1:]]
    assert [int(step) for step, key, _ in rows if key == "train/loss"] == list(range(1, STEPS + 1))
    assert [int(step) for step, key, _ in rows if key == "val/top1"] == [10, 20, 30]


def test_a_record_tells_of_starts_on_another_machine(workshops, small_tree):
    """The last one alone would pass for the whole run."""
    workshop, other = workshops("machine"), {"trainer.precision": "bf16-mixed", "trainer.accumulate_grad_batches": 2}
    assert interrupt(workshop, "step:6", TERM, *command(small_tree, **other))[0] == 128 + TERM
    out = finish(workshop, *command(small_tree))
    done = Finished(workshop).record
    assert (done["environment"]["precision"], done["environment"]["normalised_batch"]) == ("32-true", 16)
    told = ["precision: bf16-mixed, then 32-true", "normalised_batch: 8, then 16"]
    assert done["between_starts"] == told
    for line in told:
        assert f"machine    between starts, {line}" in out


def test_a_record_tells_of_a_start_that_only_tested(workshops, small_tree):
    """As after a power cut between the last step and the record."""
    workshop, other = workshops("tested"), {"trainer.max_epochs": 1}
    finish(workshop, *command(small_tree, **other))
    (record,) = workshop.records()
    record.unlink()
    out = finish(workshop, *command(small_tree, **other, **{"trainer.precision": "bf16-mixed"}))
    assert "machine    between starts, precision: 32-true, then bf16-mixed" in out
    assert Finished(workshop).record["between_starts"] == ["precision: 32-true, then bf16-mixed"]


def test_a_record_tells_nothing_of_starts_that_were_alike(undisturbed):
    assert undisturbed.record["between_starts"] == []
    (state,) = json.loads((undisturbed.workshop.only_run() / "run.json").read_text())["states"]
    known = {"python", "packages", "cpu", "gpus", "world_size", "precision", "normalised_batch", "compiled"}
    assert state == {key: undisturbed.record["environment"][key] for key in known}


def test_a_child_whose_parent_is_gone_does_not_begin(workshop, small_tree):
    """`reproduce` may be killed before its child has asked to die with it."""
    assert workshop.call(*command(small_tree), BENCHMARKS_PARENT="1") == (-KILL, "", "")


@pytest.mark.slow
def test_reproduce_leaves_no_orphan_and_hands_signals_on(workshops, small_tree):
    workshop, long = workshops("reproduce"), {"trainer.max_epochs": 500}
    arguments = command(small_tree, name="reproduce", **long)

    def training():
        return any(list(run.glob("last.ckpt")) for run in workshop.runs())

    process = workshop.start(*arguments)
    process.until(training)
    assert len(process.members()) == 2
    os.kill(process.popen.pid, signal.SIGKILL)
    process.popen.wait()
    time.sleep(0.5)
    assert process.members() == []

    begun = step_of_last(workshop)
    process = workshop.start(*arguments)
    process.until(lambda: step_of_last(workshop) > begun)
    os.kill(process.popen.pid, signal.SIGTERM)
    code, out, err = process.wait()
    assert code == 128 + signal.SIGTERM
    assert "continuing from" in out
    assert "the same command continues" in err
    assert process.members() == []
    assert len(workshop.runs()) == 1

    process = workshop.start(*arguments)  # Ctrl-C reaches the whole group, and the child once more from its parent
    begun = step_of_last(workshop)
    process.until(lambda: step_of_last(workshop) > begun)
    process.kill_group(signal.SIGINT)
    code, _, err = process.wait()
    assert code == 128 + signal.SIGINT
    assert err.count("\n") == 1, err
