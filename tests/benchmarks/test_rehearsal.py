"""`--rehearse`: the run in small, at its real world size; no trace of it stays."""

import re

import pytest

from tests.conftest import short


def files(folder):
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_rehearsal_says_what_to_expect_and_leaves_nothing(devices, workshop, small_tree):
    before = files(workshop.root / "results")
    process = workshop.start(
        "reproduce", "imagenet", "--profile=mini", f"--data={small_tree}", "--rehearse", f"--devices={devices}",
        short(**{"trainer.max_epochs": 40}),
    )  # fmt: skip
    code, out, err = process.wait()
    assert (code, err) == (0, ""), (out, err)
    assert "20 steps with a stop and a resume" in out
    assert re.search(r"^peak memory: \d+\.\d GiB", out, re.MULTILINE)
    assert re.search(r"^speed: \d+ images/s", out, re.MULTILINE)
    assert re.search(r"^estimated end: \d{4}-\d\d-\d\d \d\d:\d\d", out, re.MULTILINE)
    assert process.members() == []
    assert workshop.runs() == workshop.records() == []
    assert files(workshop.root / "results") == before
