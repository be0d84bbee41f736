"""`reproduce` with several seeds ends with what they say together."""

import os
import subprocess

import pytest

from benchmarks import commands, launch
from benchmarks.launch import Children, Job
from benchmarks.processes import BUSY, MISTAKE
from tests.benchmarks.ended import finish
from tests.results.records import put, record


@pytest.fixture
def finished(desk, monkeypatch):
    """Two seeds whose records are there, and children that have nothing left to do."""
    put(desk.root, record(0, top5=92.0), record(1, top5=93.0))
    monkeypatch.setattr(launch.Children, "run", lambda children: 0)
    return desk


def test_the_verdict_over_all_seeds_is_the_last_that_one_reads(finished):
    out = finish(finished, "reproduce", "imagenet", f"--data={finished.tree}", "--seeds=0,1")
    *_, row, literal = out.rstrip("\n").split("\n")
    assert row.startswith("| imagenet | top-5 | trained | 91.3 % | 92.50 % |")
    assert "| 2 | inconclusive |" in row, "seeds 92 and 93 are far apart"
    assert literal.startswith("| imagenet | top-1 | trained | 91.3 % | 70.00 % |")
    assert "| not reproduced |" in literal
    assert finished.call("reproduce", "imagenet", f"--data={finished.tree}", "--seeds=0,1", "--strict")[0] == 3


def test_a_miniature_answers_for_no_full_record(finished):
    """Of which these are not reproduced."""
    given = ("imagenet", "--profile=mini", f"--data={finished.tree}", "--strict")
    assert finished.call("reproduce", *given)[0] == 0


def test_rank_zero_alone_says_that_a_claim_is_not_reproduced(finished, monkeypatch):
    """A rank that ended with 3 would have torchrun end rank zero, which is still at its record."""
    given = ("imagenet", f"--data={finished.tree}", "--seeds=0", "--strict")
    monkeypatch.setattr(commands, "_run", lambda *_: 0)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    for rank, code in (("0", 3), ("1", 0)):
        monkeypatch.setenv("RANK", rank)
        assert finished.call("reproduce", *given)[0] == code


def test_data_that_are_broken_keep_no_other_benchmark_from_running(desk, monkeypatch):
    ran = []
    for name in ("coco", "imdb"):
        (desk.tmp / name).mkdir()
    (desk.tmp / "imagenet").symlink_to(desk.tree)
    monkeypatch.setattr(launch.Children, "run", lambda some: ran.extend(job.arguments for job in some.waiting) or 0)
    code, out, err = desk.call("reproduce", "--profile=full", f"--data={desk.tmp}", "--seeds=0", "--devices=2")
    assert code == 2
    assert err.count("error: ") == 2
    for name in ("coco", "imdb"):
        assert f"error: {name}: {desk.tmp / name}" in err
    shared = {arguments[1]: "--devices=2" in arguments for arguments in ran}
    assert not {"coco", "imdb"} & set(shared)
    assert shared["imagenet"]
    assert not shared["locomotion_walk"], "a run of robots is one process, whatever the others take"
    assert "results/report.html" in out.splitlines()[-1]


@pytest.mark.parametrize("option", ["--seeds=x", "--args=--typo", "--variant=hopper-ppo"])
def test_a_mistake_about_all_is_said_once_before_any_runs(desk, option):
    before = desk.files()
    code, _, err = desk.call("reproduce", option)
    assert (code, err.count("error: "), err.count("\n")) == (2, 1, 1), err
    assert desk.files() == before


def test_one_seed_has_told_itself(finished):
    code, out, _ = finished.call("reproduce", "imagenet", f"--data={finished.tree}", "--seeds=0")
    assert code == 0
    assert "| imagenet |" not in out


def ended(monkeypatch, variants, code):
    """What two seeds of each variant end with together, and which were started; `code` is each one's own."""
    started = []

    def start(arguments):
        variant, seed = arguments[1], int(arguments[2].removeprefix("--seeds="))
        started.append(f"{variant}{seed}")
        return subprocess.Popen(["sh", "-c", f"exit {code(variant, seed)}"])

    monkeypatch.setattr(launch, "start", start)
    jobs = [Job(("run", variant), seed) for seed in (0, 1) for variant in variants]
    return Children(jobs, slots=1).run(), started


def test_a_variant_that_cannot_run_here_keeps_no_other_from_it(monkeypatch, capsys):
    """Job after job: `b` ends with 2, so its second seed is left out; the others run, and 2 is what all end with."""
    code, started = ended(monkeypatch, "abc", lambda variant, seed: MISTAKE if variant == "b" else 0)
    assert started == ["a0", "b0", "c0", "a1", "c1"]
    assert code == MISTAKE
    assert capsys.readouterr().err == "not run: b, seed 1 (the same mistake)\n"


def test_a_seed_that_another_process_works_on_keeps_no_other_from_running(monkeypatch, capsys):
    code, started = ended(monkeypatch, "ab", lambda variant, seed: BUSY if (variant, seed) == ("a", 0) else 0)
    assert started == ["a0", "b0", "a1", "b1"]
    assert code == MISTAKE, "as for any other refusal"
    assert capsys.readouterr().err == "not run: a, seed 0 (another process is working on it)\n"


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("kill -9 $$", 137, "failed: imagenet default, seed 3, was killed by signal 9 (Killed); if memory ran out, "),
        ("kill -6 $$", 134, "failed: imagenet default, seed 3, was killed by signal 6 (Aborted).\n"),
        ("kill -TERM $$", 143, "stopped by SIGTERM\n"),  # before it could say so
        ("exit 137", 137, ""),  # which has told of its rank
    ],
)
def test_a_run_that_was_killed_is_told_of(monkeypatch, capfd, end, code, said):
    """As for want of memory: it could say nothing itself."""
    monkeypatch.setattr(launch, "start", lambda _: subprocess.Popen(["sh", "-c", end]))
    jobs = [Job(("run", "imagenet", "--profile=mini", "--variant=default", "--data=d"), 3)]
    assert Children(jobs, slots=1).run() == code
    err = capfd.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == bool(said)


def test_what_needs_a_gpu_runs_last_and_by_itself(desk, monkeypatch):
    """Go's 9x9 has no two runs side by side; 7x7 has as many as there are cores."""
    ran = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr(launch.Children, "run", lambda some: ran.append((some.slots, some.waiting)) or 0)
    assert desk.call("reproduce", "go", "--seeds=0,1")[0] == 0
    told = [(slots, [(job.arguments[3].partition("=")[2], job.seed) for job in jobs]) for slots, jobs in ran]
    assert told == [
        (4, [("default", 0), ("dqn", 0), ("default", 1), ("dqn", 1)]),
        (1, [("9x9", 0), ("9x9", 1)]),
    ]
