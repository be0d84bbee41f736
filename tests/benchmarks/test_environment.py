"""What a record says of the code: a change of what runs makes it dirty, what a run writes does not.

It is that of the run's start, and of every start of a run that was continued.
"""

import importlib.metadata
import os
import shutil
import subprocess
import tempfile

import pytest

from benchmarks import doctor, environment
from benchmarks.errors import UserError
from benchmarks.runs import begin_or_continue
from tests.benchmarks.ended import finish, refused
from tests.conftest import ROOT, short
from tests.refusals import refusal

FAILING = """#!/bin/sh
case "$*" in
*{question}*) echo "fatal: sha1 file 'index.lock' write error. Out of diskspace" >&2; exit 128 ;;
esac
exec {git} "$@"
"""

# An edit that is gone as soon as it has been read.
PUT_BACK = """
import pathlib

pathlib.Path(__file__).write_text(pathlib.Path(__file__).read_text().partition("\\nimport pathlib\\n")[0])
"""
# What a colleague may do below a run: install another torch, and check out other code.
MEANWHILE = """
import sys

pathlib.Path("site/torch-9.9.9.dist-info").mkdir(parents=True)
pathlib.Path("site/torch-9.9.9.dist-info/METADATA").write_text("Name: torch\\nVersion: 9.9.9\\n")
sys.path.insert(0, "site")


def forward(self, x):
    for package in ("baselines", "sheets"):
        pathlib.Path("datamodules", package, "imagenet.py").write_text("raise SystemExit('imported too late')")
    return ResNet.forward(self, x)


Noisy.forward = forward
"""
EPISODES = "results/records/locomotion_walk/full-hopper-ppo-s0-*/episodes.csv"


@pytest.fixture
def repository(workshop, monkeypatch):
    """The packages, committed."""
    monkeypatch.setattr(environment, "ROOT", workshop.root)
    for key in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(key, raising=False)
    (workshop.root / "README.md").write_text("claims\n")
    (workshop.root / ".gitignore").write_text("__pycache__/\nresults/runs/\n")
    subprocess.run(["git", "-C", str(workshop.root), "init", "-q"], check=True)
    commit(workshop.root)
    return workshop.root


def commit(root):
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    for words in (("add", "."), (*who, "commit", "-q", "-m", "all")):
        subprocess.run(["git", "-C", str(root), *words], check=True)


def test_a_fresh_commit_is_clean(repository):
    code = environment.code()
    assert (code.dirty, len(code.commit), code.remarks) == (False, 40, ())


@pytest.mark.parametrize(
    ("name", "dirty"),
    [
        ("benchmarks/imagenet/config.yaml", True),
        ("benchmarks/imagenet/variants/new.yaml", True),
        ("lightning_modules/classification.py", True),
        ("results/statistics.py", True),
        ("requirements.lock", True),
        ("results/records/imagenet/full-s0.json", False),
        ("results/tables/claims.md", False),
        ("results/runs/imagenet/x/last.ckpt", False),
        ("README.md", False),
        ("benchmarks/imagenet/NOTES.md", False),
    ],
)
def test_what_makes_a_record_unofficial(repository, name, dirty):
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("changed\n")
    code = environment.code()
    assert code.dirty is dirty
    assert bool(code.remarks) is dirty


def test_what_a_file_held_at_a_commit(repository):
    known = environment.commit()
    (repository / "README.md").write_text("other claims\n")
    assert environment.content(known, "README.md") == "claims"
    assert environment.content(known, "absent.md") is None
    assert environment.content("c" * 40, "README.md") is None
    assert environment.content("--output=x", "README.md") is None
    assert not [*repository.glob("x*")]


def test_without_a_commit_nothing_is_official(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    code = environment.code()
    assert code == environment.Code(None, True)
    assert code.remarks == (f"code: its commit is not known ({environment.UNKNOWN})",)


def test_the_commit_of_another_repository_around_is_none(repository, monkeypatch):
    """As where somebody unpacks an archive within the repository of a home directory, which ignores what it has not."""
    (repository / ".gitignore").write_text("*\n")
    monkeypatch.setattr(environment, "ROOT", repository / "suite")
    (repository / "suite").mkdir()
    assert environment.code() == environment.Code(None, True)


@pytest.fixture
def failing_git(tmp_path):
    """Makes a folder for PATH with a git that has no room for what it is asked."""

    def make(question):
        path = tmp_path / "bin/git"
        path.parent.mkdir()
        path.write_text(FAILING.format(question=question, git=shutil.which("git")))
        path.chmod(0o755)
        return f"{path.parent}{os.pathsep}{os.environ['PATH']}"

    return make


@pytest.mark.parametrize("question", ["read-tree", "status"])
def test_a_comparison_that_fails_is_no_change_and_stops_a_run_before_it_trains(
    repository, workshop, failing_git, monkeypatch, small_tree, question
):
    monkeypatch.setenv("PATH", failing_git(question))
    message = refusal(environment.code)
    assert "cannot tell whether the code" in message
    assert ": fatal: sha1 file 'index.lock' write error. Out of diskspace. If the disk of temporary files" in message
    command = ("run", "imagenet", "--profile=mini", f"--data={small_tree}", "--seeds=0", short())
    refused(workshop, *command, message=message)


def test_no_folder_for_temporary_files_is_no_change_either(repository, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(repository / "gone"))
    assert "cannot tell whether the code" in refusal(environment.code)


@pytest.mark.parametrize("path", ["", "failing"])
def test_a_checkout_is_used_without_git_too(repository, failing_git, monkeypatch, path):
    """It is not there, or does not answer for another user's files."""
    monkeypatch.setenv("PATH", failing_git("rev-parse") if path else path)
    assert environment.code() == environment.Code(None, True)
    found = doctor._code()
    words = "fatal: sha1 file 'index.lock'" if path else "git cannot be started: No such file or directory. It takes"
    assert found.level == "note"
    assert f"its commit is not known, so no record is official: {words}" in found.words


def test_the_doctor_says_whether_the_code_is_that_of_a_commit(repository, failing_git, monkeypatch):
    known = environment.code().commit[:12]
    assert str(doctor._code()) == f"ok    code             that of the commit {known}"
    for name in ("Makefile", "benchmarks/a b.yaml", "results/statistics.py"):
        edit(repository, name)
    names = 'results/statistics.py, Makefile, "benchmarks/a b.yaml"'
    assert str(doctor._code()).startswith(f"note  code             {names}: not as in the commit {known}, so no record")
    monkeypatch.setenv("PATH", failing_git("read-tree"))
    found = doctor._code()
    assert (found.level, "Out of diskspace" in found.words) == ("WRONG", True)


def edit(repository, name="results/statistics.py"):
    (repository / name).write_text("changed\n")


@pytest.mark.parametrize("bit", ["--assume-unchanged", "--skip-worktree"])
def test_no_bit_of_the_index_hides_a_change(repository, bit):
    subprocess.run(["git", "-C", str(repository), "update-index", bit, "results/statistics.py"], check=True)
    assert not environment.code().dirty
    edit(repository)
    assert environment.code().dirty


def test_no_setting_of_git_hides_a_new_file(repository):
    subprocess.run(["git", "-C", str(repository), "config", "status.showUntrackedFiles", "no"], check=True)
    edit(repository, "benchmarks/imagenet/variants.yaml")
    assert environment.code().dirty


def test_a_change_that_is_staged_is_one(repository):
    edit(repository)
    edit(repository, "benchmarks/imagenet/variants.yaml")
    subprocess.run(["git", "-C", str(repository), "add", "."], check=True)
    assert environment.code().dirty


def test_variables_of_git_make_no_code_clean(repository, tmp_path, monkeypatch):
    """They may name another checkout, which is clean, or have git look for files called `results/*.py`."""
    subprocess.run(["git", "clone", "-q", str(repository), str(tmp_path / "clean")], check=True)
    edit(repository)
    for name, value in (
        ("GIT_LITERAL_PATHSPECS", "1"), ("GIT_WORK_TREE", tmp_path / "clean"), ("GIT_DIR", tmp_path / "clean/.git"),
    ):  # fmt: skip
        monkeypatch.setenv(name, str(value))
        assert environment.code().dirty, name


def test_code_is_compared_with_the_very_commit_that_is_recorded(repository):
    """Somebody may commit a change between the two questions."""
    known = environment.commit()
    edit(repository)
    commit(repository)
    assert environment.changes(known) == ["results/statistics.py"]
    assert environment.changes(environment.commit()) == []


def test_a_linked_worktree_is_a_checkout(repository, tmp_path, monkeypatch):
    subprocess.run(["git", "-C", str(repository), "worktree", "add", "-q", str(tmp_path / "linked")], check=True)
    edit(repository)
    assert environment.code().dirty
    monkeypatch.setattr(environment, "ROOT", tmp_path / "linked")
    assert not environment.code().dirty


@pytest.mark.parametrize(("name", "dirty"), [("README.md", False), ("results/statistics.py", True)])
def test_a_run_may_go_on_with_another_commit_of_the_same_code(repository, name, dirty):
    first = environment.code()
    (repository / name).write_text("changed\n")
    commit(repository)
    later = environment.code()
    assert (later.dirty, later.commit != first.commit) == (False, True)
    assert first.then(later) == environment.Code(first.commit, dirty)


@pytest.mark.parametrize("later", [False, True])
def test_a_validation_by_code_that_is_changed_or_put_back_meanwhile_is_unofficial(repository, workshop, later):
    append(repository / "results/scoring/control.py", PUT_BACK)
    if later:
        commit(repository)  # so that reading it is what changes it
    episodes = min(ROOT.glob(EPISODES))
    finish(workshop, "validate", "locomotion_walk", "--variant=hopper-ppo", f"--predictions={episodes}")
    (record,) = workshop.contents("locomotion_walk", "*")
    assert environment.code() == environment.Code(record["environment"]["commit"], later)
    assert (record["official"], record["environment"]["dirty"]) == (False, True)


def test_a_run_is_of_the_code_and_the_packages_that_it_has_read(repository, workshop, small_tree):
    append(repository / "lightning_modules/networks/noisy.py", PUT_BACK + MEANWHILE)
    few = short(**{"trainer.max_epochs": 1})
    finish(workshop, "run", "imagenet", "--profile=mini", f"--data={small_tree}", "--seeds=0", few)
    record = workshop.only_record("imagenet")
    assert record["environment"]["dirty"]
    assert record["environment"]["packages"] == environment.packages()
    assert record["baselines"]


@pytest.mark.parametrize("decoder", [["0.0.7"], []])
def test_a_record_names_the_decoder_where_it_is_installed(monkeypatch, decoder):
    """Python 3.13 has none, and everything but beam search works without."""
    monkeypatch.setattr(importlib.metadata, "distributions", lambda name: decoder)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1")
    found = environment.packages.__wrapped__()
    assert ("flashlight-text" in found, found["sentencepiece"]) == (bool(decoder), "1")


def append(file, text):
    file.write_text(file.read_text() + text)


def test_code_that_was_changed_at_any_start_stays_so(tmp_path):
    """Edited, started, stopped, put back, continued."""
    clean, edited = (environment.Code("c" * 40, dirty) for dirty in (False, True))
    for code, dirty in ((clean, False), (edited, True), (clean, True)):
        assert begin_or_continue(tmp_path, {"train": 5}, code, lambda: None).code.dirty is dirty


def test_a_run_that_an_earlier_version_began_goes_on(tmp_path):
    (tmp_path / "run.json").write_text('{"started": "2026-01-01T00:00:00+00:00", "data": {"train": 5}}')
    data = {"train": 5, "train digest": "0123456789ab"}  # which it did not write down
    found = begin_or_continue(tmp_path, data, environment.Code("c" * 40, False), lambda: None)
    assert (found.code, found.started[:4]) == (environment.Code(None, True), "2026")
    with pytest.raises(UserError, match=r"other data than DATA now holds \(train: 5 then, 6 now\)"):
        begin_or_continue(tmp_path, data | {"train": 6}, environment.Code("c" * 40, False), lambda: None)
