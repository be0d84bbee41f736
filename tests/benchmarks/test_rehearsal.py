"""`--rehearse`: the run in small, at its real world size; no trace of it stays."""

import re

import pytest

from tests.conftest import short


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, 2])
def test_a_rehearsal_says_what_to_expect_and_leaves_nothing(devices, workshop, small_tree):
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
    left = {path.name for path in (workshop.root / "results").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert not any("rehearsal" in name or name.endswith((".ckpt", ".csv", ".json")) for name in left)
