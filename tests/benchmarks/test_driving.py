"""Driving from the command line, as real processes: a run, a kill and a stop, what validates it, what watches it."""

import csv
import os
import re
import signal
from operator import methodcaller

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks.ended import assert_same_checkpoint, finish, newest, refused

SMALL = (
    "--data.init_args.num_envs=2 --data.init_args.horizon=4 --data.init_args.rollouts=10 "
    "--data.init_args.validation_episodes=1 --trainer.max_epochs=2 --trainer.log_every_n_steps=1 "
    "--checkpoint_every_n_steps=3 --model.init_args.warm_up=30 --model.init_args.widths=[16] "
)
COMMAND = ("run", "driving", "--profile=mini", "--seeds=3", f"--args={SMALL}")
NAME = "highway-fast-v0"
FEW = 2  # episodes of a test


def few_episodes(workshop):
    """Makes the miniature's test one of a few episodes, as simulating them is slow."""
    for file, old, new in (
        ("claim.yaml", "examples: 16}", f"examples: {FEW}}}"),
        ("mini.yaml", "    episodes: 16\n", f"    episodes: {FEW}\n"),
    ):
        path = workshop.root / "benchmarks/driving" / file
        assert path.read_text().count(old) == 1
        path.write_text(path.read_text().replace(old, new))


folder_of = methodcaller("only_run", "driving")
record_of = methodcaller("only_record", "driving")


@pytest.fixture(scope="module")
def trained(workshops):
    """A miniature run, cut short."""
    workshop = workshops("driving")
    few_episodes(workshop)
    finish(workshop, *COMMAND)
    return workshop


def test_a_run_ends_with_its_record(trained):
    record = record_of(trained)
    measured = record["metrics"]
    assert measured[f"{NAME}/crash_above_idm"]["signature"] == {
        "environment": NAME, "highway_env": "1.12.1", "steps": 160, "episodes": FEW,
        "observation": "5 vehicles, ahead", "policy": "deterministic", "yardstick": "IDM/MOBIL, target 30 m/s",
    }  # fmt: skip
    assert record["examples"] == {"expected": FEW, "scored": FEW, "unique": FEW}
    drivers = {name.partition("/")[0] for name in record["baselines"]}
    assert drivers == {"random", "always_idle", "always_slower", "always_faster"}
    assert record["curves"]["train/env_steps"][-1] == [20, 160]
    assert record["environment"]["compiled"] is None
    with (folder_of(trained) / "predictions/episodes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["seed"]), row["driver"]) for row in rows] == [(1, "agent"), (1, "idm"), (3, "agent"), (3, "idm")]
    above = [float(rows[i]["return"]) - float(rows[i + 1]["return"]) for i in (0, 2)]
    assert sum(above) / 2 == pytest.approx(measured[f"{NAME}/return_above_idm"]["value"], rel=1e-12)
    assert measured[f"{NAME}/idm_crash"]["value"] == 0
    slower, below = (record["baselines"][f"always_slower/{key}"]["value"] for key in ("return", "return_above_idm"))
    assert slower - below == pytest.approx(measured[f"{NAME}/idm_return"]["value"])


def test_its_sheet_shows_both_drivers(trained):
    page = (folder_of(trained) / "sheet.html").read_text()
    assert len(page) < 300_000
    record = record_of(trained)
    assert f"<td>{record['metrics'][f'{NAME}/idm_return']['value']:.2f}</td>" in page
    assert "0.0 to 65.8 %" in page, "no crash of IDM in two episodes, by Wilson: z^2 / (2 + z^2)"
    assert page.count("<svg") == 2
    assert not re.search(r"(src|href)=", page)


def test_its_weights_and_its_episodes_score_the_same(trained):
    run, value = folder_of(trained), record_of(trained)["metrics"][f"{NAME}/return_above_idm"]["value"]
    for option in (
        [f"--checkpoint={run / 'weights.ckpt'}"],
        [f"--predictions={run / 'predictions'}", "--profile=mini", "--variant=default"],
    ):
        assert f"measured {value:.2f} reward" in finish(trained, "validate", "driving", *option), option


def test_a_whole_test_is_asked_of_predictions(trained, tmp_path):
    lines = (folder_of(trained) / "predictions/episodes.csv").read_text().splitlines(keepends=True)
    (tmp_path / "few.csv").write_text("".join(lines))
    (tmp_path / "odd.csv").write_text("".join([*lines[:2], lines[2].replace(",30,0", ",31,0")]))
    few, odd = "few.csv holds 2 episodes; 500 are needed", "odd.csv, line 3: length is '31'"
    for name, message in (("few", few), ("odd", odd)):
        path = tmp_path / f"{name}.csv"
        code, _, err = trained.call("validate", "driving", f"--predictions={path}", "--variant=default")
        assert (code, message in err, err.count("\n")) == (2, True, 1), err


def test_its_policy_is_watched(trained):
    out = finish(trained, "watch", "driving", f"--checkpoint={folder_of(trained) / 'weights.ckpt'}")
    said = re.search(rf"^{NAME}, seed 1: (\d+) steps, return ([\d.]+), (a crash|the time was over)$", out, re.MULTILINE)
    with (folder_of(trained) / "predictions/episodes.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (said[1], said[3] == "a crash") == (row["length"], row["crashed"] == "1")
    assert float(said[2]) == pytest.approx(float(row["return"]), abs=0.005)
    with Image.open(folder_of(trained) / "drive.gif") as animation:
        assert animation.n_frames == 1 + 5 * int(row["length"]), "five moments a step"
        first, middle = (picture(animation, number) for number in (0, animation.n_frames // 2))
    assert (first != middle).any()


def picture(animation, number):
    """The pixels below its caption."""
    animation.seek(number)
    return np.asarray(animation.convert("RGB"))[30:]


def test_killed_and_stopped_it_ends_with_the_same_bits_in_whatever_processes(trained, workshops):
    workshop = workshops("disturbed_driving")
    few_episodes(workshop)
    (workshop.root / "data").symlink_to(trained.root / "data")  # what others drove on this machine
    for step, number, workers in ((3, signal.SIGKILL, 2), (12, signal.SIGTERM, 0)):
        process = workshop.start(*with_workers(workers))
        process.until(lambda step=step: newest(workshop, "driving") >= step)
        os.kill(process.popen.pid, number)  # it alone: those that simulate for it end with it
        code, _, err = process.wait()
        assert code == (-number if number == signal.SIGKILL else 128 + number), err
        assert not process.members()
        assert not list((workshop.root / "results/records").glob("driving/*.json"))
    assert "continuing from" in finish(workshop, *with_workers(2))
    keys = ("state_dict", "optimizer_states", "DrivingData", "global_step", "loops", "learning")
    assert_same_checkpoint("last.ckpt", map(folder_of, (trained, workshop)), *keys)
    for name in ("metrics.csv", "predictions/episodes.csv"):
        assert (folder_of(trained) / name).read_text() == (folder_of(workshop) / name).read_text(), name


def with_workers(count):
    """The command, with other processes that simulate: a key of the machine."""
    return (*COMMAND[:-1], f"{COMMAND[-1]} --data.init_args.workers={count}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*COMMAND, "--devices=800"), "DEVICES x NODES is 800, but a run of this benchmark is one process"),
        ((*COMMAND[:3], "--variant=longer", "--seeds=0"), "no variant 'longer'. Known: default, long"),
        (
            (*COMMAND[:4], "--args=--data.init_args.environment=merge-v0"),
            "there is no environment 'merge-v0' here. Known: highway-fast-v0",
        ),
        ((*COMMAND[:4], "--args=--data.init_args.vehicels=6"), "vehicels"),
    ],
)
def test_mistakes_end_with_one_message(workshop, arguments, message):
    refused(workshop, *arguments, message=message)


def test_a_checkpoint_of_another_benchmark_is_refused(trained):
    weights = folder_of(trained) / "weights.ckpt"
    for command in ("validate", "watch"):
        code, _, err = trained.call(command, "locomotion_walk", f"--checkpoint={weights}")
        assert code == 2
        assert "is a checkpoint of driving, not of locomotion_walk" in err
