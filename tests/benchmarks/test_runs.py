"""Who is rank zero, and who starts the others, told by the environment of each launcher."""

import os

import pytest
from lightning.pytorch.plugins.environments import LightningEnvironment, TorchElasticEnvironment

from benchmarks import paths
from benchmarks.assembly import Assembly
from benchmarks.config import machine_settings, merge, resolve_settings
from benchmarks.processes import PARENT
from benchmarks.runs import (
    FOLLOWED_RUN,
    choose_run,
    externally_launched,
    first_of_machine,
    first_process,
    forget_launchers,
    launched_processes,
)
from benchmarks.slurm import JobStep, require_spread
from tests.benchmarks.ended import finish, refused
from tests.benchmarks.test_resume import command
from tests.refusals import refusal

LAUNCHERS = (
    "TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "SLURM_STEP_ID", "SLURM_PROCID", "SLURM_NTASKS", "LOCAL_RANK",
    "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", PARENT,
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
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"TORCHELASTIC_RUN_ID": "a", "RANK": "8", "WORLD_SIZE": "16", "LOCAL_RANK": "0"}, True),
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "8", "SLURM_LOCALID": "0", "SLURM_NTASKS": "16"}, True),
        ({"SLURM_STEP_ID": "0", "SLURM_PROCID": "9", "SLURM_LOCALID": "1", "SLURM_NTASKS": "16"}, False),
        ({"SLURM_STEP_ID": "0", "SLURM_LOCALID": "0", "SLURM_NTASKS": "1", "LOCAL_RANK": "1"}, False),
    ],
)
def test_a_machine_has_a_first_process_of_its_own(monkeypatch, environment, first):
    surround(monkeypatch, environment)
    assert first_of_machine() == first


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


@pytest.mark.parametrize("there", [False, True])
def test_fresh_under_a_launcher_is_refused_with_what_to_do_instead(monkeypatch, tmp_path, there):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    (tmp_path / "results/runs/imagenet/full-s0-a").mkdir(parents=True) if there else None
    surround(monkeypatch, {"TORCHELASTIC_RUN_ID": "a", "RANK": "0", "WORLD_SIZE": "2"})
    told = refusal(choose_run, "imagenet", "full-s0-a", True)
    instead = (
        "Move results/runs/imagenet/full-s0-a and its record away"
        if there
        else "Leave it out: there is no run full-s0-a yet."
    )
    assert instead in told


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


@pytest.mark.parametrize(
    ("spread", "message"),
    [
        (
            "2",
            "srun started 2 task(s) a node, but DEVICES is 1 and NODES 2. Give DEVICES=2 and NODES=1, or srun "
            "--nodes=2 --ntasks-per-node=1.",
        ),
        ("1(x3),2", "srun started 1(x3),2 task(s) a node, but DEVICES is 1 and NODES 2. Give srun --nodes=2 --ntas"),
    ],
)
def test_tasks_that_srun_spreads_otherwise_are_refused_at_once(workshop, small_tree, spread, message):
    asked = command(small_tree, "--devices=1", "--nodes=2", name="reproduce")
    refused(workshop, *asked, message=message, **STEP | {"SLURM_NTASKS": "2", "SLURM_STEP_TASKS_PER_NODE": spread})
    assert workshop.runs() == [], "nothing was begun"


@pytest.mark.parametrize(("spread", "devices", "nodes"), [("8(x2)", 8, 2), ("4", 4, 1), ("1,1", 1, 2), (None, 8, 2)])
def test_a_step_is_taken_as_srun_spread_it_whatever_its_job_says(monkeypatch, spread, devices, nodes):
    job = {"SLURM_NTASKS": "64", "SLURM_NTASKS_PER_NODE": "16", "SLURM_NNODES": "4"}
    surround(monkeypatch, STEP | job | ({} if spread is None else {"SLURM_STEP_TASKS_PER_NODE": spread}))
    require_spread(devices, nodes)
    JobStep().validate_settings(devices, nodes)


LEFT = {"LOCAL_RANK": "1", "NODE_RANK": "1", "GROUP_RANK": "1", "MASTER_ADDR": "10.255.255.1", "MASTER_PORT": "1"}


@pytest.mark.parametrize(
    ("environment", "kept"),
    [
        ({}, {}),
        (BATCH | {"SLURM_NTASKS": "8"}, {}),  # a shell of SLURM's
        ({PARENT: "1"}, LEFT),  # a rank that rank zero started
        ({"TORCHELASTIC_RUN_ID": "a", "RANK": "0", "WORLD_SIZE": "1"}, LEFT),
        (STEP | {"SLURM_NTASKS": "2"}, LEFT),
    ],
)
def test_what_a_launcher_left_in_a_shell_makes_no_rank_of_a_users_own_command(monkeypatch, environment, kept):
    surround(monkeypatch, LEFT | environment)
    forget_launchers()
    assert {name: os.environ[name] for name in LEFT if name in os.environ} == kept


@pytest.mark.parametrize("devices", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_in_such_a_shell_is_one_as_in_any_other(workshop, small_tree, devices):
    """It trained without its lock, and wrote no record; or waited for a first rank at an address where none is."""
    epoch = {"trainer.max_epochs": 1}
    out = finish(workshop, *command(small_tree, f"--devices={devices}", name="reproduce", **epoch), **LEFT)
    assert "record     results/records/imagenet/mini-s0-" in out
