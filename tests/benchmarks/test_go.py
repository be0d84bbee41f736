"""Players of Go from the command line, as real processes: a run, a kill and a resume, and what validates it."""

import shutil
import signal
from operator import methodcaller

import pytest

from tests.benchmarks.ended import assert_same_checkpoint, finish, newest
from tests.datamodules.gnugo import needs_gnugo, remove

SMALL = (
    "--data.init_args.games=8 --data.init_args.share=8 --data.init_args.steps=3 --data.init_args.validation_matches=2 "
    "--model.init_args.blocks=1 --model.init_args.channels=8 --model.init_args.updates=3 --model.init_args.batch=16 "
    "--checkpoint_every_n_steps=2"
)
PLAYERS = {"default": " --model.init_args.simulations=4 --model.init_args.considered=4", "dqn": ""}


def command(variant):
    return ("run", "go", "--profile=mini", f"--variant={variant}", "--seeds=3", f"--args={SMALL}{PLAYERS[variant]}")


folder_of = methodcaller("only_run", "go")
record_of = methodcaller("only_record", "go")


@pytest.fixture(scope="module", params=PLAYERS)
def trained(request, workshops):
    """A short run of the miniature, which is unofficial for its overrides."""
    workshop = workshops(request.param)
    workshop.command = command(request.param)
    finish(workshop, *workshop.command)
    return workshop


@needs_gnugo
def test_a_run_ends_with_its_record_and_its_games(trained):
    record, run = record_of(trained), folder_of(trained)
    measured = record["metrics"]["7x7/score"]
    assert (measured["n"], measured["unit"]) == (40, "%")
    assert measured["signature"]["opponent"].startswith("GNU Go ")
    assert measured["signature"]["games"] == 8 * 6
    assert record["seed"] == 3
    assert record["examples"] == {"expected": 40, "scored": 40, "unique": 40}
    assert len(record["predictions"]) == len([*(run / "predictions/games").glob("*.sgf")]) == 40
    assert record["baselines"].keys() >= {"random_moves/score"}
    assert (run / "sheet.html").stat().st_size < 300_000


@needs_gnugo
def test_killed_and_stopped_it_ends_with_the_same_bits(trained, workshops):
    workshop = workshops(f"disturbed_{trained.command[3]}")
    for step, number in ((2, signal.SIGKILL), (4, signal.SIGTERM)):
        process = workshop.start(*trained.command)
        process.until(lambda step=step: newest(workshop, "go") >= step)
        process.kill_group(number)
        process.wait()
        assert not list((workshop.root / "results/records").glob("go/*.json"))
    assert "continuing from" in finish(workshop, *trained.command)
    keys = ("state_dict", "optimizer_states", "GoData", "global_step", "loops", "learning")
    assert_same_checkpoint("last.ckpt", map(folder_of, (trained, workshop)), *keys)
    for file in (folder_of(trained) / "predictions/games").iterdir():
        assert (folder_of(workshop) / "predictions/games" / file.name).read_text() == file.read_text()


@needs_gnugo
def test_games_and_checkpoint_are_scored_again(trained):
    record, run = record_of(trained), folder_of(trained)
    score = record["metrics"]["7x7/score"]["value"]
    for option in (
        ["--profile=mini", trained.command[3], f"--predictions={run / 'predictions/games'}"],
        [f"--checkpoint={run / 'last.ckpt'}"],
    ):
        assert f"measured {score:.2f} %" in finish(trained, "validate", "go", *option), option


@needs_gnugo
def test_mistakes_end_with_one_message(trained, tmp_path):
    run = folder_of(trained)
    code, _, err = trained.call("validate", "go", f"--checkpoint={run / 'last.ckpt'}", "--variant=9x9")
    assert (code, "is of a run with variant" in err) == (2, True), err
    shutil.copytree(run / "predictions/games", tmp_path / "games")
    broken, scoring = tmp_path / "games/003-white.sgf", ("validate", "go", "--profile=mini", "--variant=default")
    broken.write_text(broken.read_text()[:40])
    code, _, err = trained.call(*scoring, f"--predictions={tmp_path / 'games'}")
    assert (code, "003-white.sgf" in err, err.count("\n")) == (2, True, 1), err
    broken.unlink()
    code, _, err = trained.call(*scoring, f"--predictions={tmp_path / 'games'}")
    assert (code, "are missing" in err, err.count("\n")) == (2, True, 1), err
    changed = trained.command[-1] + " --data.init_args.contest=6x6-komi9-level1"
    code, _, err = trained.call(*trained.command[:-1], changed)
    assert (code, "the settings test on 6x6-komi9-level1" in err, err.count("\n")) == (2, True, 1), err


def test_no_gnu_go(desk, monkeypatch):
    remove(monkeypatch, desk.tmp)
    code, _, err = desk.call(*command("default"))
    assert (code, err.count("\n"), err.startswith("error: there is no GNU Go")) == (2, 1, True), err
    assert not desk.records()
