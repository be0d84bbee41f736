"""What a user gets wrong: one message that says what, where and what to do; exit code 2; nothing written."""

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tests.benchmarks import mistakes_in_options, mistakes_in_validation, mistakes_in_values, mistakes_in_yaml

KINDS = (mistakes_in_options, mistakes_in_values, mistakes_in_yaml, mistakes_in_validation)
CASES = [case for kind in KINDS for case in kind.CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_one_message_and_nothing_else(case, desk, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    if case.prepare:
        case.prepare(desk)
    before = desk.files()

    if "reproduce" in case.command and not case.early:
        pytest.fail("reproduce would start a process: test `run`")
    code, out, err = desk.call(*case.arguments(desk))

    assert code == 2, f"{code}\n{out}\n{err}"
    assert err.count("error:") == 1
    assert "Traceback" not in out + err
    assert [part for part in case.says if part not in err] == [], err
    assert "training" not in out
    left = {name for name, size in desk.files().items() if before.get(name) != size}
    assert [name for name in left if not name.startswith(case.leaves)] == []
    assert not (desk.tmp / "created").exists()


def test_torchrun_starts_one_run(desk, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("RANK", "0")
    code, _, err = desk.call("reproduce", "imagenet", "--profile=mini", f"--data={desk.tree}", "--seeds=0,1")
    assert code == 2
    assert "torchrun and SLURM start one run: give one seed (SEEDS=0)" in err


def test_a_run_that_ended_before_its_first_step_has_nothing_to_test(tmp_path):
    from benchmarks.callbacks import Checkpoints
    from benchmarks.errors import UserError

    with pytest.raises(UserError, match="not a step was trained"):
        _ = Checkpoints(tmp_path, {}, 1, None).tested


# Published weights: the registry says where the file is to be had and how its hash begins.

WEIGHTS = "ResNet34_Weights.IMAGENET1K_V1"
FILE = "resnet34-b627a593.pth"


def test_weights_that_are_nowhere_to_be_had(desk, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(desk.tmp / "hub"))
    monkeypatch.setattr("urllib.request.urlopen", _no_network)
    monkeypatch.setattr("torch.hub.urlopen", _no_network)
    code, _, err = desk.call("validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--weights={WEIGHTS}")
    assert code == 2
    place = desk.tmp / "hub/hub/checkpoints" / FILE
    assert f"Fetch https://download.pytorch.org/models/{FILE} elsewhere and put the file at {place}" in err
    assert list(place.parent.iterdir()) == []
    assert desk.records() == []


def _no_network(*_, **__):
    from urllib.error import URLError

    raise URLError("no network")


def test_cached_weights_with_another_hash(desk, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(desk.tmp / "hub"))
    place = desk.tmp / "hub/hub/checkpoints" / FILE
    place.parent.mkdir(parents=True)
    place.write_bytes(b"half a download")
    code, _, err = desk.call("validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--weights={WEIGHTS}")
    assert code == 2
    assert f"{place} is not the published file" in err
    assert "Delete it" in err
    assert desk.records() == []


# Real processes.

REAL = [
    ("unknown benchmark", True),
    ("DATA has another layout", True),
    ("ARGS whose value is no YAML", True),
    ("a margin without a reason", True),
    ("predictions with NaN", True),
    ("a malicious checkpoint", False),
]


def _process(desk, program, *arguments):
    environment = os.environ | {"PYTHONPATH": str(desk.root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=desk.root,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )


def _processor_seconds():
    """That all processes which this one started, and which have ended, have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(("name", "quick"), REAL)
def test_real_processes_end_as_users_see_them(name, quick, desk):
    (case,) = (case for case in CASES if case.name == name)
    if case.prepare:
        case.prepare(desk)
    before = desk.files()
    seconds = []
    began = time.monotonic()
    for _ in range(2 if quick else 1):  # the better of two, of the processor's time: the machine may be busy
        used = _processor_seconds()
        done = _process(desk, ["-m", "benchmarks"], *case.arguments(desk))
        seconds.append(_processor_seconds() - used)
    assert not quick or time.monotonic() - began < 60, "it waits for something"
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert [part for part in case.says if part not in done.stderr] == []
    assert desk.files() == before
    assert not quick or min(seconds) < 2


def test_an_interrupt_while_the_commands_are_imported_is_one_line(desk):
    (desk.root / "benchmarks/cli.py").write_text("raise KeyboardInterrupt\n")
    done = _process(desk, ["-m", "benchmarks"], "tables")
    assert (done.returncode, done.stderr) == (130, "interrupted; the same command continues\n")


WITHOUT_TORCH = """
import json, sys
from benchmarks import cli
for name, arguments in json.loads(sys.stdin.read()):
    try:
        code = cli.main(arguments)
    except SystemExit as end:
        code = end.code
    assert code == 2, (name, code)
    assert "torch" not in sys.modules, name
"""


def test_early_mistakes_are_answered_without_torch(desk, tmp_path_factory):
    commands = []
    for case in CASES:
        if case.early and not case.edits:
            place = replace(desk, tmp=tmp_path_factory.mktemp("early"))
            if case.prepare:
                case.prepare(place)
            commands.append((case.name, case.arguments(place)))
    assert len(commands) > 30
    environment = os.environ | {"PYTHONPATH": str(desk.root)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], cwd=desk.root, env=environment, text=True, capture_output=True,
        input=json.dumps(commands), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
