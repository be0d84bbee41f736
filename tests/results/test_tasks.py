"""What holds of every task: files that cannot be read are named, and importing what scores them is quick."""

import subprocess
import sys

import numpy as np
import pytest

from results.scoring import classification, control, driving, speech, translation
from tests.conftest import ROOT
from tests.refusals import assert_told
from tests.results import transcripts, translations

TASKS = {
    classification: ("predictions.csv", classification.Truth(("a",), np.array([0]), 2)),
    control: ("episodes.csv", control.truth("Hopper-v5", 3)),
    driving: ("episodes.csv", driving.truth("highway-fast-v0", 4)),
    speech: ("hyp.trn", transcripts.numbered(["GO"])),
    translation: ("hyp.txt", translations.numbered(["Ja."])),
}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__.rpartition(".")[2])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "absent: No such file"),
        ("folder", "folder/{file}: No such file"),
        ("nested", "nested/{file}: Is a directory"),
        ("file/{file}", "file/{file}: Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, task, name, said):
    file, truth = TASKS[task]
    (tmp_path / "folder").mkdir()
    (tmp_path / "nested" / file).mkdir(parents=True)
    (tmp_path / "file").touch()
    told = [said.format(file=file), "name the predictions file or the folder that holds it"]
    path = tmp_path / name.format(file=file)
    assert_told(told, task.read, path, truth)
    if hasattr(task, "split_of"):
        assert_told(told, task.split_of, path, {"any": truth})


def test_scoring_loads_nothing_slow():
    """Every call of `make tables` would wait for it."""
    program = (
        "import sys\n"
        "from results.scoring import classification, control, detection, driving, go, speech, translation\n"
        "print(*{'torch', 'numba', 'scipy.stats', 'jiwer', 'soundfile', 'sacrebleu'} & set(sys.modules))"
    )
    assert not subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True).stdout.strip()
