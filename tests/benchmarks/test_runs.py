"""Who is rank zero, and who starts the others, told by the environment of each launcher."""

import pytest
from lightning.pytorch.plugins.environments import LightningEnvironment, TorchElasticEnvironment

from benchmarks.assembly import Assembly
from benchmarks.config import machine_settings, merge, resolve_settings
from benchmarks.runs import FOLLOWED_RUN, choose_run, externally_launched, first_process, launched_processes
from benchmarks.slurm import JobStep

LAUNCHERS = (
    "TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "SLURM_STEP_ID", "SLURM_PROCID", "SLURM_NTASKS", "LOCAL_RANK",
    "SLURM_STEP_NUM_TASKS",
)  # fmt: skip


def surround(monkeypatch, environment):
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


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
        ({"SLURM_STEP_ID": "4294967290", "SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "8"}, None, True),
        ({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "1", "SLURM_NTASKS": "8"}, 8, False),
    ],
)
def test_the_launcher_says_who_is_first(monkeypatch, environment, processes, first):
    surround(monkeypatch, environment)
    assert launched_processes() == processes
    assert externally_launched() == (processes is not None)
    assert first_process() == first


@pytest.mark.parametrize(
    ("environment", "chosen"),
    [
        ({}, "full-s7-0"),
        ({"LOCAL_RANK": "1"}, "full-s0-1"),  # whom rank zero started, and told
        ({"TORCHELASTIC_RUN_ID": "a", "RANK": "1", "WORLD_SIZE": "2"}, "full-s7-0"),  # whom it did not
    ],
)
def test_rank_zero_follows_no_other_run(monkeypatch, environment, chosen):
    """Or a variable that somebody left in his shell would have it show, or write, another run's record."""
    surround(monkeypatch, environment | {FOLLOWED_RUN: "full-s0-1"})
    assert choose_run("driving", "full-s7-0", fresh=False) == chosen


BATCH = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
STEP = BATCH | {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "1"}


@pytest.mark.parametrize(
    ("environment", "launcher"),
    [
        ({}, LightningEnvironment),
        # a script of sbatch is a shell too, however many tasks it may start by srun
        (BATCH | {"SLURM_NTASKS": "1"}, LightningEnvironment),
        (BATCH | {"SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "8"}, LightningEnvironment),
        (STEP, LightningEnvironment),
        (STEP | {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"}, JobStep),
        (
            {"TORCHELASTIC_RUN_ID": "a", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"},
            TorchElasticEnvironment,
        ),
    ],
)
def test_lightning_starts_the_processes_where_no_launcher_has(monkeypatch, environment, launcher):
    surround(monkeypatch, environment)
    settings = merge(resolve_settings("imagenet", "mini", None, {}), machine_settings(0, "nowhere"))
    trainer = Assembly(settings).trainer([], enable_progress_bar=False, enable_model_summary=False)
    assert type(trainer._accelerator_connector.cluster_environment) is launcher
