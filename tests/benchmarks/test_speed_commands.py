"""Commands whose figures `results/README.md` quotes, each as a process at its smallest sizes: are the tables whole?"""

import os
import re
import subprocess
import sys

import pytest

from results.foreign.runs import PEERS
from tests.conftest import ROOT

CORES = sorted(os.sched_getaffinity(0))[:2]
N = r"\d[\d,]*(\.\d+)?(e[+-]\d+)?"  # neither nan nor inf

SPEECH = {
    rf"(ours|plain|reading) +{N} seconds of audio a second, {N} times the plain way": 3,
    rf"features differ by {N} at most": 1,
}

# Of each command, how many lines its table has of each form.
QUICK = {
    "detection --images=3 --detections=4": {
        rf"\w+ +AP {N}  evaluation +{N} s  whole +{N} s": 4,
        rf"bootstrap of 1000 resamples: {N} s": 1,
    },
    "driving --cars=1 --seconds=0.01": {rf" *{N} steps/s in .+": len(CORES) + 2},
    "reviews --steps=1 --rounds=1 --width=32 --layers=1": {
        rf"(like length|at random) +{N} tokens/s": 2,
        rf"ratio +{N}": 1,
        rf"steps of +{N} tokens, [18] rank\(s\): padding {N}%, at random {N}%": 4,
    },
    "speech --rounds=1 --data={librispeech}": SPEECH,
    "translation --sentences=2 --tokens=2 --rounds=1 --pairs=1000": {
        rf"(Transformer +4|GNMT +5) +{N} +{N} +{N}": 2,
        rf"(ours|by sum|random) +{N}% +{N}%": 3,
    },
}
SLOW = {
    "speech --rounds=1": SPEECH,
    "stepping --seconds=0.01 --rounds=1 --threads=1 --peers={peers}": {
        rf"\| \w+-v5 \| .+ \| {N} \| {N}-{N} \| {N} \|": 24
    },
    "training --seconds=0.01 --rounds=1 --cores=1 --peers={peers}": {rf"\| \w+-v5( \| {N}){{5}} \|": 4},
}


@pytest.mark.parametrize("command", [*QUICK, *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW)])
def test_a_command_prints_its_table(command, librispeech_tree, tmp_path):
    assert "{peers}" not in command or PEERS.exists(), "make peers installs what this test compares with"
    name, *arguments = command.format(librispeech=librispeech_tree, peers=PEERS).split()
    cores = ",".join(map(str, CORES))  # driving measures on one core, on two and so on
    ended = subprocess.run(
        ["taskset", "--cpu-list", cores, sys.executable, "-m", f"benchmarks.speed.{name}", *arguments],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    lines, table = ended.stdout.splitlines(), (QUICK | SLOW)[command]
    found = {form: sum(re.fullmatch(form, line) is not None for line in lines) for form in table}
    assert found == table, ended.stdout
