"""The same command on a run folder that holds what is not its own, or no longer all of it, or that another works on."""

import os
import shlex
import shutil
import subprocess
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import paths, run
from benchmarks.errors import UserError
from benchmarks.order import Order, work_out
from benchmarks.strict import write_record
from benchmarks.training import require_own_checkpoints
from tests.benchmarks.ended import finish, interrupt
from tests.benchmarks.test_resume import TERM, Finished, command, step_of_last
from tests.conftest import STEPS
from tests.results.records import miniature_record

OWN = {
    "benchmark": "imdb", "profile": "mini", "variant": None, "seed": 0, "settings": {"threads": 1},
    "config_hash": "abc", "run_id": "mini-s0-abc-2", "stage": "pretraining", "remarks": [],
}  # fmt: skip


def stopped(workshop, tree, seed):
    """The folder of a run with checkpoints of steps 4 and 7."""
    assert interrupt(workshop, "step:6", TERM, *command(tree, seed=seed))[0] == 128 + TERM
    (folder,) = (workshop.root / "results/runs/imagenet").glob(f"mini-s{seed}-*")
    return folder


def refusal(workshop, tree):
    """What seed 0 is refused with, before it trains; the one line of it."""
    code, out, err = workshop.call(*command(tree))
    assert (code, out, err.count("\n"), err[:7]) == (2, "", 1, "error: "), (out, err)
    return err


def test_the_checkpoint_of_another_run_is_not_gone_on_from(workshops, small_tree):
    """What the message says to do then continues the run."""
    workshop = workshops("foreign")
    own, other = (stopped(workshop, small_tree, seed) for seed in (0, 1))
    shutil.copyfile(other / "last.ckpt", own / "last.ckpt")  # through a hard link: into step-00000007.ckpt too
    before = {path: path.read_bytes() for path in own.iterdir() if path.is_file()}
    err = refusal(workshop, small_tree)
    assert f"{own.relative_to(workshop.root)}/last.ckpt is a checkpoint of {other.relative_to(workshop.root)}" in err
    assert before == {path: path.read_bytes() for path in own.iterdir() if path.is_file()}
    _, advice, _ = err.split("`")
    assert "step-00000004.ckpt" in advice
    subprocess.run(shlex.split(advice), cwd=workshop.root, check=True)
    assert step_of_last(SimpleNamespace(only_run=lambda: own)) == 4
    assert "continuing from" in finish(workshop, *command(small_tree))
    assert Finished(SimpleNamespace(only_run=lambda: own, records=workshop.records)).checkpoint["global_step"] == STEPS


def waits(process):
    """Whether it has come to the lock of a run's folder."""
    links = (link for pid in process.members() for link in Path(f"/proc/{pid}/fd").iterdir())
    return any(os.path.realpath(link).endswith("/.lock") for link in links)


def test_a_run_that_another_process_finishes_meanwhile_is_shown(workshops, small_tree):
    """The same command, started twice: the second comes to the folder while the first has not written its record."""
    workshop, arguments = workshops("twice"), command(small_tree, **{"trainer.max_epochs": 1})
    finish(workshop, *arguments)
    folder, (record,) = workshop.only_run(), workshop.records()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"}
    held = record.rename(workshop.root / "held")
    with (folder / ".lock").open() as lock:
        flock(lock, LOCK_EX)
        process = workshop.start(*arguments)
        process.until(lambda: waits(process))
        held.rename(record)
    code, out, err = process.wait()
    assert (code, err) == (0, "")
    assert f"{folder.name} is finished" in out
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"}


@pytest.fixture
def unseen(desk, monkeypatch):
    """A run whose record is written once its folder is held, and what is trained for all that."""
    order = Order("imagenet", "mini", None, 0, str(desk.tree), {})
    file = paths.record_file("imagenet", work_out(order).run_id)
    trained = []

    @contextmanager
    def occupied(folder):
        write_record(miniature_record(run_id=file.stem), file)
        yield

    monkeypatch.setattr(run, "occupied", occupied)
    monkeypatch.setattr(run, "train_and_test", lambda plan: trained.append(plan.run_id))
    return SimpleNamespace(file=file, trained=trained, run=lambda: run.run(order))


def test_under_a_launcher_whose_ranks_wait_already_a_run_that_is_finished_meanwhile_ends_them(unseen, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(UserError, match=r"has just finished .* Run the same command again, which shows it"):
        unseen.run()


def test_a_rank_that_the_first_started_leaves_the_record_to_it(unseen, monkeypatch):
    """Or it would end, and the first wait for it."""
    write_record(miniature_record(run_id=unseen.file.stem), unseen.file)
    monkeypatch.setenv("LOCAL_RANK", "1")
    unseen.run()
    assert unseen.trained == [unseen.file.stem]


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """The stage of `OWN`, in a repository of its own."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    folder = tmp_path / "results/runs/imdb/mini-s0-abc-2/pretraining"
    folder.mkdir(parents=True)
    return SimpleNamespace(folder=folder, name="pretraining", tested=False)


def put(path: Path, **changes):
    torch.save({"suite": OWN | changes, "state_dict": {}}, path)


@pytest.mark.parametrize("changes", [{}, {"settings": {"threads": 2}}, {"remarks": ["dirty"]}])
def test_a_checkpoint_of_ones_own_is_gone_on_from(stage, changes):
    """Whatever machine wrote it, and wherever the repository was then."""
    require_own_checkpoints(stage)
    for name in ("last.ckpt", "best.ckpt"):
        put(stage.folder / name, **changes)
    require_own_checkpoints(stage)


@pytest.mark.parametrize("changes", [{"run_id": "mini-s0-abc"}, {"benchmark": "wmt_rnn"}, {"stage": None}])
@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_checkpoint_of_another_run_or_stage_is_refused(stage, name, changes):
    put(stage.folder / "last.ckpt")
    put(stage.folder / name, **changes)
    put(stage.folder / "step-00000009.ckpt", **changes)
    with pytest.raises(UserError, match=r"Remove every \.ckpt in results/runs/.*, and the same command begins anew"):
        require_own_checkpoints(stage)
    (stage.folder / "stage.json").touch()  # it has ended: its weights are what the next one goes by
    require_own_checkpoints(stage)


def test_one_that_was_cut_short_is_told_of_with_the_newest_whole_one(stage):
    for step in (4, 8, 12):
        put(stage.folder / f"step-{step:08d}.ckpt")
    os.link(stage.folder / "step-00000012.ckpt", stage.folder / "last.ckpt")
    os.truncate(stage.folder / "last.ckpt", 500)
    with pytest.raises(UserError, match=r"cut short.*`cp .*/step-00000008\.ckpt .*/last\.ckpt`"):
        require_own_checkpoints(stage)
