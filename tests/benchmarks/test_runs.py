"""Who is rank zero, told by the environment of each launcher."""

import pytest

from benchmarks.runs import externally_launched, first_process, launched_processes

LAUNCHERS = ("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "SLURM_STEP_ID", "SLURM_PROCID", "SLURM_NTASKS", "LOCAL_RANK")


@pytest.mark.parametrize(
    ("environment", "processes", "first"),
    [
        ({}, None, True),
        ({"LOCAL_RANK": "1"}, None, False),
        ({"TORCHELASTIC_RUN_ID": "a", "RANK": "8", "WORLD_SIZE": "16", "LOCAL_RANK": "0"}, 16, False),
        ({"TORCHELASTIC_RUN_ID": "a", "RANK": "0", "WORLD_SIZE": "16", "LOCAL_RANK": "0"}, 16, True),
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_NTASKS": "16"}, 16, False),
        # a shell of one task: what Lightning starts in it inherits SLURM_PROCID 0
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_NTASKS": "1", "LOCAL_RANK": "1"}, None, False),
    ],
)
def test_the_launcher_says_who_is_first(monkeypatch, environment, processes, first):
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched_processes() == processes
    assert externally_launched() == (processes is not None)
    assert first_process() == first
