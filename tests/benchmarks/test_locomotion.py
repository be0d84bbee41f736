"""Robots from the command line, as real processes: a run, a kill and a stop, and what validates it."""

import csv
import json
import math
import re
import signal
from operator import methodcaller

import pytest
import torch
from PIL import Image

from benchmarks.errors import Failure
from benchmarks.forecast import load_forecasts
from datamodules.environments.batched import BatchedMujoco
from lightning_modules.flat import compiler
from tests.benchmarks.ended import differences, finish, newest, refused
from tests.benchmarks.test_driving import picture

SMALL = (
    "--data.init_args.num_envs=8 --data.init_args.horizon=10 --data.init_args.rollouts=30 "
    "--data.init_args.validation_episodes=2 --trainer.max_epochs=2 --trainer.log_every_n_steps=1 "
    "--checkpoint_every_n_steps=4 "
)
AGENTS = {
    "hopper-ppo": "--model.init_args.epochs=2 --model.init_args.minibatch=20",
    "hopper-decqn": "--model.init_args.width=16 --model.init_args.warm_up=200 --model.init_args.batch=16 "
    "--model.init_args.averaging=0.05",
}


def command(variant):
    return ("run", "locomotion_walk", f"--variant={variant}", "--seeds=3", f"--args={SMALL}{AGENTS[variant]}")


COMMAND = command("hopper-ppo")
EAGER = {"CXX": "/there/is/no/compiler"}  # a start without compiling DecQN's graph takes seconds less
MACHINES = {"hopper-ppo": {}, "hopper-decqn": EAGER}


folder_of = methodcaller("only_run", "locomotion_walk")
record_of = methodcaller("only_record", "locomotion_walk")


@pytest.fixture(scope="module", params=AGENTS)
def trained(request, workshops):
    """A short run of the full profile, which is unofficial for its overrides."""
    workshop = workshops(request.param)
    workshop.command = command(request.param)
    workshop.machine = MACHINES[request.param]
    finish(workshop, *workshop.command, **workshop.machine)
    return workshop


def test_a_run_ends_with_its_record_and_what_a_clone_can_check(trained):
    record = record_of(trained)
    measured = record["metrics"]["Hopper-v5/return"]
    assert measured["signature"] == {
        "environment": "Hopper-v5", "mujoco": "4.0.0", "steps": 4800, "episodes": 100, "longest_episode": 1000,
        "policy": "deterministic",
    }  # fmt: skip
    assert record["examples"] == {"expected": 100, "scored": 100, "unique": 100}
    assert sorted(record["baselines"]) == ["no_torques/return", "random_torques/return"]
    assert record["curves"]["train/env_steps"][-1] == [60, 4800]
    assert not record["official"]
    assert record["environment"]["compiled"] is (trained.machine != EAGER and compiler() is not None)
    kept = trained.root / "results/records/locomotion_walk" / record["run_id"]
    assert sorted(path.name for path in kept.iterdir()) == ["episodes.csv", "film.json", "sheet.html", "weights.ckpt"]
    assert record["checkpoint"]["path"] == f"results/records/locomotion_walk/{record['run_id']}/weights.ckpt"
    with (kept / "episodes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["seed"]) for row in rows] == [2 * (3000 + i) + 1 for i in range(100)]
    assert sum(float(row["return"]) for row in rows) / 100 == pytest.approx(measured["value"], rel=1e-12)


def test_its_sheet_shows_how_the_worst_episode_ended(trained):
    record = record_of(trained)
    kept = trained.root / "results/records/locomotion_walk" / record["run_id"]
    assert [file["path"] for file in record["predictions"]] == [
        f"results/records/locomotion_walk/{record['run_id']}/{name}" for name in ("episodes.csv", "film.json")
    ]
    with (kept / "episodes.csv").open() as file:
        worst = min(csv.DictReader(file), key=lambda row: float(row["return"]))
    film, page = json.loads((kept / "film.json").read_text()), (kept / "sheet.html").read_text()
    assert film["episode"] == int(worst["episode"])
    assert film["seconds"][-1] == pytest.approx((int(worst["length"]) - 1) * 0.008)
    assert page.count("<figure>") == len(film["positions"]) == min(10, 1 + int((int(worst["length"]) - 1) // 12.5))


def test_its_weights_and_its_episodes_score_the_same(trained):
    record = record_of(trained)
    kept = trained.root / "results/records/locomotion_walk" / record["run_id"]
    for option in ([f"--checkpoint={kept / 'weights.ckpt'}"], [f"--predictions={kept}", trained.command[2]]):
        out = finish(trained, "validate", "locomotion_walk", *option, **EAGER)
        assert f"measured {record['metrics']['Hopper-v5/return']['value']:.2f} reward" in out, option
    for path in (trained.root / "results/records/locomotion_walk").glob("full-validate-*.json"):
        assert json.loads(path.read_text())["metrics"]["Hopper-v5/return"]["n"] == 100


@pytest.mark.slow
def test_its_checkpoints_come_to_what_a_rehearsal_of_its_beginning_says(trained, tmp_path):
    """A third of the steps, after which a replay holds a third of what it will."""
    finish(trained, *trained.command, "--rehearse", f"--forecast={tmp_path / 'forecast.json'}", **trained.machine)
    (forecast,) = load_forecasts(tmp_path / "forecast.json")
    assert forecast.disk * 2**30 == pytest.approx(5 * (folder_of(trained) / "last.ckpt").stat().st_size, rel=0.02)


def test_its_policy_is_watched(trained):
    record = record_of(trained)
    weights = trained.root / "results/records/locomotion_walk" / record["run_id"] / "weights.ckpt"
    out = finish(trained, "watch", "locomotion_walk", f"--checkpoint={weights}", MUJOCO_GL="disable")
    # One robot alone is another matrix product than a hundred, so its chaos may part from the record's.
    length = int(re.search(r"^Hopper-v5, seed 6001: (\d+) steps, return -?[\d.]+$", out, re.MULTILINE)[1])
    with Image.open(folder_of(trained) / "gait.gif") as animation:
        assert animation.n_frames == min(160, math.ceil(length * 0.008 * 20)), "8 s at most, 20 pictures a second"
        first, middle = (picture(animation, number) for number in (0, animation.n_frames // 2))
    assert (first != middle).any()


def test_a_run_that_cannot_go_on_says_where_and_keeps_the_state(workshop):
    overrides = COMMAND[-1] + " --model.init_args.learning_rate=1e30"
    code, _, err = workshop.call(*COMMAND[:-1], overrides, **EAGER)
    assert code == 1
    assert re.fullmatch(
        r"failed: an action is not finite: environment \d of 8 \(Hopper-v5\), last seeded with 600\d+, step \d+ "
        r"of its episode\. What it could not go on from is in results/runs/locomotion_walk/"
        r"full-hopper-ppo-s3-\w+/failure.ckpt\.\n",
        err,
    ), err
    state = torch.load(folder_of(workshop) / "failure.ckpt", weights_only=True)
    assert not state["actions"].isfinite().all()
    environments = BatchedMujoco("Hopper-v5", 8)
    environments.reset(seed=0)
    environments.restore(state)
    with pytest.raises(Failure, match="an action is not finite"):
        environments.step(state["actions"].numpy())
    assert not list((workshop.root / "results/records").glob("locomotion_walk/*.json"))


@pytest.mark.parametrize("trained", [pytest.param("hopper-ppo", marks=pytest.mark.slow), "hopper-decqn"], indirect=True)
def test_killed_and_stopped_it_ends_with_the_same_bits(trained, workshops):
    workshop = workshops(f"disturbed_{trained.command[2]}")
    for step, number in ((8, signal.SIGKILL), (24, signal.SIGTERM), (44, signal.SIGKILL)):
        process = workshop.start(*trained.command, **trained.machine)
        process.until(lambda step=step: newest(workshop, "locomotion_walk") >= step)
        process.kill_group(number)
        code, _, err = process.wait()
        assert code == (-number if number == signal.SIGKILL else 128 + number), err
        assert not list((workshop.root / "results/records").glob("locomotion_walk/*.json"))
    assert "continuing from" in finish(workshop, *trained.command, **trained.machine)
    one, other = (torch.load(folder_of(each) / "last.ckpt", weights_only=True) for each in (trained, workshop))
    for key in ("state_dict", "optimizer_states", "LocomotionData", "global_step", "loops", "learning"):
        if key not in one:
            assert key not in other
            continue
        assert differences(one[key], other[key]) == [], key
    for name in ("metrics.csv", "predictions/episodes.csv"):
        assert (folder_of(trained) / name).read_text() == (folder_of(workshop) / name).read_text(), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*COMMAND, "--devices=2"), "DEVICES x NODES is 2, but a run of this benchmark is one process"),
        (
            (*COMMAND[:2], "--variant=hopper-sac", "--seeds=0"),
            "no variant 'hopper-sac'. Known: hopper-decqn, hopper-ppo",
        ),
        (
            (*COMMAND[:4], "--args=--data.init_args.environment=Hoper-v5"),
            "there is no environment 'Hoper-v5' here. Known: Walker2d-v5, Hopper-v5",
        ),
        (
            (*COMMAND[:-1], COMMAND[-1] + " --model.init_args.minibatch=30"),
            "model.init_args.minibatch: 30 does not divide the 80 steps of a rollout",
        ),
        ((*COMMAND[:3], "--seeds=1,1"), "SEEDS"),
    ],
)
def test_mistakes_end_with_one_message(workshop, arguments, message):
    refused(workshop, *arguments, message=message, **EAGER)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("locomotion_walk",), "error: say which policy: make watch-locomotion_walk CHECKPOINT=run.ckpt\n"),
        (("locomotion_walk", "--checkpoint=none.ckpt"), "there is no such file"),
        (("imagenet", "--checkpoint=none.ckpt"), "imagenet has nothing that moves"),
        (("locomotion_walk", "--devices=1"), "unrecognized arguments: --devices=1"),
    ],
)
def test_nothing_to_watch(workshop, arguments, message):
    code, _, err = workshop.call("watch", *arguments)
    assert (code, message in err) == (2, True), err


def test_a_checkpoint_of_other_robots_and_too_few_episodes_are_refused(trained, tmp_path):
    record = record_of(trained)
    kept = trained.root / "results/records/locomotion_walk" / record["run_id"]
    code, _, err = trained.call("validate", "locomotion_run", f"--checkpoint={kept / 'weights.ckpt'}", **EAGER)
    assert code == 2
    assert "is a checkpoint of locomotion_walk, not of locomotion_run" in err
    lines = (kept / "episodes.csv").read_text().splitlines(keepends=True)
    (tmp_path / "few.csv").write_text("".join(lines[:51]))
    few = f"--predictions={tmp_path / 'few.csv'}"
    code, _, err = trained.call("validate", "locomotion_walk", few, trained.command[2])
    assert code == 2
    assert "few.csv holds 50 episodes; 100 are needed" in err
