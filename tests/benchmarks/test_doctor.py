"""`doctor`: what it says of this machine as a process, and of machines that lack something."""

import os
import resource
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest
import torch

from benchmarks import doctor, doctor_ranks, tracking
from benchmarks.config import resolve_settings
from benchmarks.strict import load_claim
from datamodules import crops
from datamodules.example_data import PREFETCHED
from lightning_modules import flat
from tests.benchmarks.ended import finish
from tests.conftest import ROOT
from tests.datamodules import gnugo
from tests.datamodules.imdb_trees import put, reviews

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def here(workshop):
    """A workshop with the lock, which this machine's packages are held against."""
    shutil.copy(ROOT / "requirements.lock", workshop.root)
    return workshop


def test_a_machine_that_can_run_miniatures(here):
    out = finish(here, "doctor", CXX="/there/is/no/compiler")
    found = {line[6:23].strip(): (line[:6].strip(), line[23:]) for line in out.splitlines()}
    assert found["packages"][0] == "ok"
    assert found["2 processes"] == ("ok", "talk by gloo")
    assert found["code"][0] == "note"
    assert "its commit is not known, so no record is official: fatal: not a git repository" in found["code"][1]
    assert {"Python", "disk", "shared memory", "open files", "W&B", "processor", "GPU"} <= found.keys()
    assert {level for level, _ in found.values()} <= {"ok", "note"}
    for robots in ("locomotion_walk", "locomotion_run"):
        assert found[robots][0] == "note"
        assert "no C++ compiler" in found[robots][1]


def contained(here, container, *arguments, **environment):
    """What the doctor says in a container of the user's: exit code, output; `container` is a command that makes one."""
    if not shutil.which("unshare") or subprocess.run([*container, "true"], check=False, capture_output=True).returncode:
        pytest.skip(f"no container can be made here ({' '.join(container[:4])})")
    command = [*container, sys.executable, "-m", "benchmarks", "doctor", *arguments]
    around = {name: value for name, value in os.environ.items() if name not in ("LOGNAME", "USER", "LNAME", "USERNAME")}
    around |= {"WANDB_MODE": "disabled", "PYTHONPATH": str(here.root)} | environment
    done = subprocess.run(command, check=False, cwd=here.root, env=around, capture_output=True, text=True, timeout=240)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.slow
def test_a_user_without_a_name(here):
    """As where a container is started with a number of its own; torch asks for the name when it is imported."""
    nameless = ("unshare", "--user", "--map-user=54321", "--map-group=54321")
    code, out = contained(here, nameless, "locomotion_walk")
    assert (code, "ok    2 processes      talk by gloo" in out) == (0, True), out


@pytest.mark.slow
def test_a_folder_for_temporary_files_that_no_code_may_be_loaded_from(here, tmp_path):
    if crops.compiled() is None:
        pytest.skip("no C++ compiler, or no AVX2")
    mounting = f'mount -t tmpfs -o noexec tmpfs {tmp_path} && exec "$@"'
    hardened = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounting, "sh")
    code, out = contained(here, hardened, TMPDIR=str(tmp_path))
    why = "failed to map segment from shared object. Name a folder that code can be loaded from in TMPDIR."
    for line in ("WRONG locomotion_walk", "WRONG locomotion_run", "note  imagenet         crops are made by"):
        (found,) = (each for each in out.splitlines() if each.startswith(line))
        assert found.endswith(why)
    assert code == 2


def test_what_is_asked_for_and_cannot_work(here, tmp_path):
    put(tmp_path / "imdb", reviews())
    (tmp_path / "wmt_rnn").mkdir()
    code, out, err = here.call("doctor", f"--data={tmp_path}", "--devices=9")
    assert (code, err) == (2, ""), (out, err)
    assert f"WRONG wmt_rnn          {tmp_path / 'wmt_rnn'} has no training text" in out
    assert "WRONG GPU              9 are asked for, 0 are there" in out
    assert "note  imdb             train is not whole (90 reviews, officially 25,000)" in out
    assert "ok    imdb             22 reviews of test; neg/0_2 reads, " in out
    for arguments, words in (
        (["--devices=none"], "DEVICES=none is no whole number"),
        ([f"--data={tmp_path / 'imdb'}"], "has no folder called like a benchmark"),
        (["imbd"], "Did you mean imdb?"),
    ):
        code, out, err = here.call("doctor", *arguments)
        assert (code, out, err.count("error: ")) == (2, "", 1)
        assert words in err


def test_data_of_one_benchmark(tmp_path):
    claim = load_claim("imdb")
    (found,) = doctor._data("imdb", claim, str(tmp_path / "gone"))
    assert (found.level, found.what) == ("WRONG", "imdb")
    (found,) = doctor._data("locomotion_walk", load_claim("locomotion_walk"), "anywhere")
    assert str(found) == "ok    locomotion_walk  needs no data"


@pytest.mark.parametrize(
    ("lock", "level", "words"),
    [
        ("torch==2.11.0 \\\n    --hash=sha256:0\n", "ok", "all 1 as in requirements.lock"),
        ("torch==2.13.0 \\\n", "WRONG", "torch 2.11.0 instead of 2.13.0; remove .venv and run `make install`"),
        ("no-such-package==1.0\n", "WRONG", "no-such-package missing instead of 1.0"),
        ("no-such-package==1.0 ; sys_platform == 'win32' \\\ntorch==2.11.0\n", "ok", "all 1 as in"),
    ],
)
def test_packages_are_held_against_the_lock(tmp_path, monkeypatch, lock, level, words):
    (tmp_path / "requirements.lock").write_text(lock)
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    found = doctor._packages()
    assert (found.level, words in found.words) == (level, True), found


def test_little_room(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: Usage(6.4e7, 0, 3e9))
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda which: (1024, 8192))
    assert which_of(doctor._disk()) == ("note", "3 GB free")
    assert which_of(doctor._shared_memory()) == ("note", "0.1 GB")
    assert which_of(doctor._open_files()) == ("note", "1024 at once")
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda which: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert doctor._open_files().level == "ok"


@pytest.mark.parametrize(("total", "level"), [(2e9, "note"), (24e9, "ok")])
def test_shared_memory_is_held_against_what_the_loaders_of_imagenet_take(monkeypatch, total, level):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: Usage(total, 0, total))
    found = doctor._shared_memory()
    assert found.level == level
    assert ("on one to eight GPUs ImageNet's loaders fill 20 GB" in found.words) == (level == "note")
    data = resolve_settings("imagenet", "full", None, {})["data"]["init_args"]
    training = data["global_batch_size"] * 3 * data["largest"] ** 2
    testing = 8 * data["evaluation_batch_size"] * 3 * data["crop"] ** 2
    held = PREFETCHED * data["workers"] * (training + testing)
    assert held < doctor.SHARED < 1.1 * held


@pytest.mark.parametrize(("free", "level"), [(149e9, "note"), (151e9, "ok")])
@pytest.mark.parametrize("folder", [".", "data"])
def test_the_copy_of_parquet_is_held_against_the_disk_of_hf_home(tmp_path, monkeypatch, free, level, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    with (tmp_path / folder / "train-00000-of-00001.parquet").open("wb") as shard:
        shard.truncate(150 * 10**9)  # which takes no room
    asked = []
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hf" / "datasets")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: asked.append(path) or Usage(free, 0, free))
    found, *_ = doctor._data("imagenet", load_claim("imagenet"), str(tmp_path))
    assert which_of(found) == (level, f"`datasets` keeps a copy, 150 GB or more, in {tmp_path}/hf/datasets, "
                               f"where {free / 1e9:.0f} GB are free")  # fmt: skip
    assert ("set HF_HOME" in found.words) == (level == "note")
    assert asked == [tmp_path]


def test_a_shard_that_is_a_broken_link_is_said_to_be_that(tmp_path):
    """As in a cache of the hub that was cleared in part."""
    (tmp_path / "train-00000-of-00001.parquet").symlink_to("/nowhere")
    assert [found.level for found in doctor._data("imdb", load_claim("imdb"), str(tmp_path))] == ["ok", "WRONG"]


def test_a_copy_of_the_hub_is_told_of_and_one_of_other_forms_is_not(tmp_path):
    (found,) = doctor._copy("imagenet", "hf:ILSVRC/imagenet-1k")
    assert (found.level, "as large as the data" in found.words, "HF_HOME" in found.words) == ("note", True, True)
    put(tmp_path, reviews())
    assert list(doctor._copy("imdb", str(tmp_path))) == []


@pytest.mark.parametrize("without", [True, False])
def test_what_makes_the_crops(without, monkeypatch):
    if not without and crops.compiled() is None:
        pytest.skip("no C++ compiler, or no AVX2")
    if without:
        monkeypatch.setattr(crops, "compiled", lambda: None)
        monkeypatch.setenv("CXX", "/nowhere/c++")
    found = doctor._crops("imagenet")
    assert found.level == ("note" if without else "ok")
    why = "at 0.6 of the speed: /nowhere/c++ does not compile crop.cpp: [Errno 2] No such file"
    assert (why in found.words) == without


def which_of(found):
    return found.level, found.words.partition(";")[0]


def test_processes_that_do_not_meet(monkeypatch):
    def fail(backend, count):
        raise RuntimeError("first line\nconnection refused")

    monkeypatch.setattr(doctor_ranks, "add_up", fail)
    found = doctor._processes_meet(None)
    assert (found.level, found.words) == (
        "WRONG", "gloo: connection refused; look at the firewall and NCCL_DEBUG=INFO",
    )  # fmt: skip


def test_every_gpu_that_is_asked_for_takes_part(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(doctor_ranks, "add_up", lambda *given: asked.append(given))
    assert str(doctor._processes_meet(None)) == "ok    8 processes      talk by nccl"
    for devices in (2, 9, 1):
        doctor._processes_meet(devices)
    assert asked == [("nccl", 8), ("nccl", 2), ("nccl", 8), ("gloo", 2)]


def test_three_processes_add_up():
    doctor_ranks.add_up("gloo", 3)


@pytest.mark.parametrize("mode", ["online", "offline", "disabled"])
def test_weights_and_biases(monkeypatch, mode):
    monkeypatch.setattr(tracking, "mode", lambda: mode)
    found = doctor._tracking()
    assert found.level == "ok"
    assert ("wandb login" in found.words) == (mode == "offline")


def test_the_compiler_of_updates(monkeypatch):
    found = flat.compiler()
    if found is not None:
        words = f"ok    locomotion_run   PPO's and DecQN's updates are compiled by {found}"
        assert str(doctor._compiler("locomotion_run")) == words
    monkeypatch.setattr(flat, "compiler", lambda: "/nowhere/c++")
    words = "WRONG locomotion_run   /nowhere/c++ does not compile ppo_epoch.cpp: [Errno 2] No such file"
    assert str(doctor._compiler("locomotion_run")).startswith(words)
    monkeypatch.setattr(flat, "compiler", lambda: None)
    found = doctor._compiler("locomotion_run")
    assert (found.level, "`apt install g++`" in found.words) == ("note", True)


def test_the_opponent_in_games_of_go(tmp_path, monkeypatch):
    path = gnugo.fake(tmp_path / "3.8", monkeypatch)
    assert str(doctor._gnugo("go", asked_for=True)) == f"ok    go               GNU Go 3.8 at {path}"
    gnugo.fake(tmp_path / "3.6", monkeypatch, version="3.6")
    found = doctor._gnugo("go", asked_for=True)
    assert (found.level, "the claim is about 3.8, so its games will be `not comparable`" in found.words) == (
        "note",
        True,
    )
    gnugo.remove(monkeypatch, tmp_path)
    found = doctor._gnugo("go", asked_for=True)
    assert (found.level, "`apt install gnugo`" in found.words) == ("WRONG", True)
    assert doctor._gnugo("go", asked_for=False).level == "note"


def test_a_benchmark_that_is_half_written_keeps_no_other_from_being_looked_at(here):
    (here.root / "benchmarks/begun").mkdir()
    claim = (here.root / "benchmarks/go/claim.yaml").read_text()
    (here.root / "benchmarks/begun/claim.yaml").write_text(claim.replace("task: go", "task: chess"))
    (here.root / "results/scoring/chess.py").write_text("import no_such_package\n")
    code, out, err = here.call("doctor")
    assert (code, err) == (2, "")
    cannot = "results/scoring/chess.py cannot be imported (ModuleNotFoundError: No module named 'no_such_package')"
    assert f"WRONG begun            {cannot}" in out
    assert "locomotion_walk" in out
    for command in ("tables", "doctor begun"):
        code, _, err = here.call(*command.split())
        assert (code, err.count("\n")) == (2, 1)
        assert f"error: {cannot}" in err
