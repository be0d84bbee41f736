"""Two processes on the CPU against one: the same examples, the same counts, the same predictions."""

import json
import os
import shutil
import signal
import socket
import time

import pytest
import torch

from benchmarks.assembly import Assembly
from benchmarks.config import machine_settings, merge, resolve_settings
from tests.benchmarks.ended import differences, finish, interrupt
from tests.benchmarks.test_resume import INT, KILL, TERM, Finished, assert_same, command, disturb, step_of_last
from tests.conftest import STEPS, cut

TORCHRUN = "torch.distributed.run --standalone --nproc-per-node 2 -m benchmarks"
MEETING = (
    "torch.distributed.run --nnodes 2 --nproc-per-node 1 --rdzv-backend c10d --rdzv-endpoint localhost:{port} "
    "-m benchmarks"
)
UNLIKE = "do not all see the same DATA: rank 1 and rank 0 differ (val: 3"
WAITS = 240
FAILS = """
    def forward(self, x):
        import atexit
        import os
        import signal
        import time

        from benchmarks.errors import Failure, UserError

        if self.training and os.environ.get("LOCAL_RANK") == "1":
            atexit.register(time.sleep, {waits})
            {fails}
        if self.training and {hangs}:
            time.sleep({waits})
        return super().forward(x)
"""

BLOWS_UP = """
    def forward(self, x):
        import os

        found = super().forward(x)
        self.batches = getattr(self, "batches", 0) + self.training
        wrong = self.training and self.batches == {batch} and os.environ.get("LOCAL_RANK", "0") == "{rank}"
        return found * float("inf") if wrong else found
"""


@pytest.fixture(scope="module")
def alone(workshops, small_tree):
    """Trained by one process."""
    workshop = workshops("alone")
    finish(workshop, *command(small_tree))
    return workshop


@pytest.fixture(scope="module")
def pair(workshops, small_tree):
    """Trained by two processes."""
    workshop = workshops("pair")
    process = workshop.start(*command(small_tree, "--devices=2"))
    code, out, err = process.wait()
    assert (code, err) == (0, ""), (out, err)
    time.sleep(0.5)
    assert process.members() == [], "no process is left"
    return workshop


def validated(workshop, checkpoint, tree, devices):
    """(record, predictions) of a validation."""
    known = set(workshop.records())
    finish(
        workshop, "validate", "imagenet", f"--checkpoint={checkpoint}", f"--data={tree}", f"--devices={devices}",
        "--args=--data.init_args.evaluation_batch_size=8",
    )  # fmt: skip
    (path,) = set(workshop.records()) - known
    record = json.loads(path.read_text())
    (stored,) = record["predictions"]
    return record, (workshop.root / stored["path"]).read_text()


def assert_scored_alike(one, two, expected):
    assert (one[0]["environment"]["world_size"], two[0]["environment"]["world_size"]) == (1, 2)
    assert one[1] == two[1], "the same predictions with seven digits, in the same order"
    assert one[0]["metrics"] == two[0]["metrics"]
    assert one[0]["examples"] == two[0]["examples"] == dict.fromkeys(("expected", "scored", "unique"), expected)


def test_one_checkpoint_scored_by_one_and_by_two(pair, small_tree):
    """37 images in batches of eight: the second rank has nothing in the third round."""
    checkpoint = pair.only_run() / "last.ckpt"
    one, two = (validated(pair, checkpoint, small_tree, devices) for devices in (1, 2))
    assert_scored_alike(one, two, 37)
    assert one[0]["metrics"] == Finished(pair).record["metrics"], "as the two said at the end of their training"


def test_two_train_as_one_would(pair):
    """Every step is there, validation inside fit included, and each rank normalised over its own batch."""
    done = Finished(pair)
    assert done.checkpoint["global_step"] == STEPS
    assert done.record["environment"]["world_size"] == 2
    assert done.record["environment"]["normalised_batch"] == 8
    assert done.record["examples"] == {"expected": 37, "scored": 37, "unique": 37}
    rows = [line.split(",") for line in done.metrics.splitlines()[1:]]
    assert [int(step) for step, key, _ in rows if key == "train/loss"] == list(range(1, STEPS + 1))
    accuracies = [float(value) / 100 * 37 for _, key, value in rows if key.startswith("val/")]
    assert len(accuracies) == 6
    assert all(abs(count - round(count)) < 1e-4 for count in accuracies), "each image counts once"
    for k in (1, 5):  # the last validation saw the weights and buffers that were saved and tested
        (value,) = (float(value) for step, key, value in rows if (step, key) == (str(STEPS), f"val/top{k}"))
        assert value == pytest.approx(done.record["metrics"][f"test/top{k}"]["value"], rel=1e-6)


@pytest.mark.slow
def test_two_learn_alike_when_the_step_is_compiled_as_on_a_gpu(workshops, small_tree):
    """Without the noise of other tests, which compiled code draws from a generator of its own."""
    asked = command(
        small_tree, "--devices=2",
        **{"model.init_args.network.class_path": "lightning_modules.networks.resnet.ResNet", "trainer.max_epochs": 1},
    )  # fmt: skip
    runs, by = [], "kernel_compiler() is not None if self.on_gpu else None"
    for workshop, compiled in ((workshops("eager"), by), (workshops("compiled"), "True")):
        source = workshop.root / "lightning_modules/classification.py"
        assert by in source.read_text()
        source.write_text(source.read_text().replace(by, compiled))
        code, _, err = workshop.call(*asked)
        assert code == 0, err
        runs.append(Finished(workshop))
    assert [run.record["environment"]["compiled"] for run in runs] == [None, True]
    assert [run.started["compiled"] for run in runs] == [None, True]
    losses = [[line.split(",")[2] for line in run.metrics.splitlines() if ",train/loss," in line] for run in runs]
    assert losses[0] != losses[1], "by other kernels"
    assert [*map(float, losses[0])] == pytest.approx([*map(float, losses[1])], rel=1e-4)


@pytest.mark.slow
def test_two_and_one_learn_alike(alone, pair):
    """The learning rates are the same; the losses begin near each other (BatchNorm sees half a batch)."""
    one, two = Finished(alone), Finished(pair)
    assert one.run_id == two.run_id
    training = [run.checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"] for run in (one, two)]
    assert training[0] == training[1]
    assert differences(one.checkpoint["lr_schedulers"], two.checkpoint["lr_schedulers"]) == []
    assert one.files == two.files
    columns = [[line.split(",")[:2] for line in run.metrics.splitlines()] for run in (one, two)]
    assert columns[0] == columns[1]


@pytest.mark.slow
def test_fewer_examples_than_processes(workshops, single_tree):
    workshop = workshops("single")
    finish(workshop, *command(single_tree, "--devices=2", **{"trainer.max_epochs": 1}))
    assert Finished(workshop).record["examples"] == {"expected": 1, "scored": 1, "unique": 1}
    checkpoint = workshop.only_run() / "last.ckpt"
    one, two = (validated(workshop, checkpoint, single_tree, devices) for devices in (1, 2))
    assert_scored_alike(one, two, 1)


@pytest.mark.slow
def test_two_processes_killed_and_stopped(workshops, small_tree, pair):
    """They hear of a SIGTERM a step after the one in which it came."""
    workshop = workshops("disturbed")
    moments = [
        ("step:6", KILL, 4), ("save:2", KILL, 8), ("step:12", TERM, 14), ("validation:20", INT, 20), ("test", TERM, 30),
    ]  # fmt: skip
    disturb(workshop, command(small_tree, "--devices=2"), moments)
    assert_same(Finished(workshop), Finished(pair))


@pytest.mark.slow
def test_two_processes_stopped_through_the_first_alone(workshops, small_tree):
    """As `reproduce` hands a signal on; before training, the other rank may be waiting anywhere."""
    workshop = workshops("first")
    for moment, last in (("sanity", None), ("step:6", 8), ("test", STEPS)):
        process = workshop.start(*command(small_tree, "--devices=2"), pause=moment)
        process.until_paused()
        os.kill(process.popen.pid, TERM)
        time.sleep(0.2)
        process.go_on() if (workshop.root / "paused").exists() else None
        code, _, err = process.wait(60)
        (workshop.root / "paused").unlink(missing_ok=True)
        assert (code, err.count("\n")) == (128 + TERM, 1), (moment, err)
        time.sleep(0.5)
        assert process.members() == []
        assert (step_of_last(workshop) if (workshop.only_run() / "last.ckpt").exists() else None) == last


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["sanity", "test"])
def test_two_processes_stopped_through_the_second_alone(workshops, small_tree, moment):
    """Outside training, where none asks the others."""
    workshop = workshops("second")
    asked = command(small_tree, "--devices=2", **{"trainer.max_epochs": 1})
    process = workshop.start(*asked, pause=moment)
    process.until_paused()
    (second,) = {*process.members()} - {process.popen.pid}
    os.kill(second, TERM)
    time.sleep(0.2)
    process.go_on()
    code, _, err = process.wait(60)
    assert (code, err) == (128 + TERM, "stopped by SIGTERM\n")
    time.sleep(0.5)
    assert process.members() == []
    finish(workshop, *asked)


@pytest.mark.slow
def test_a_validation_is_stopped(pair, small_tree):
    """By a terminal's Ctrl-C, which reaches every process, and by a SIGTERM that reaches the first alone."""
    before = pair.records()
    validate = ("validate", "imagenet", f"--checkpoint={pair.only_run() / 'last.ckpt'}", f"--data={small_tree}")
    for devices, number in ((1, TERM), (1, INT), (2, TERM), (2, INT)):
        process = pair.start(*validate, f"--devices={devices}", pause="test")
        process.until_paused()
        process.kill_group(number) if number == INT else os.kill(process.popen.pid, number)
        code, _, err = process.wait(60)
        (pair.root / "paused").unlink()
        assert (code, err) == (128 + number, f"stopped by {number.name}; nothing was recorded\n")
        time.sleep(0.5)
        assert process.members() == []
    assert pair.records() == before


@pytest.mark.slow
def test_a_killed_first_process_takes_the_second_with_it(workshops, small_tree):
    workshop = workshops("orphan")
    process = workshop.start(*command(small_tree, "--devices=2"), pause="step:5")
    process.until_paused()
    assert len(process.members()) == 2
    os.kill(process.popen.pid, KILL)
    process.popen.wait()
    time.sleep(0.5)
    assert process.members() == []


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_devices(workshops, small_tree):
    workshop = workshops("devices")
    assert interrupt(workshop, "step:6", TERM, *command(small_tree))[0] == 128 + TERM
    assert "continuing from" in finish(workshop, *command(small_tree, "--devices=2"))
    rows = [line.split(",") for line in Finished(workshop).metrics.splitlines()[1:]]
    assert [int(step) for step, key, _ in rows if key == "train/loss"] == list(range(1, STEPS + 1))
    done = Finished(workshop).record
    assert done["environment"]["world_size"] == 2
    assert done["between_starts"] == ["world_size: 1, then 2", "normalised_batch: 16, then 8"]


@pytest.mark.slow
def test_torchrun(workshops, small_tree, pair):
    """The same run as by Lightning's own launcher; and a second call shows it on all ranks instead of hanging."""
    workshop = workshops("torchrun")
    arguments = command(small_tree, "--devices=2", name="reproduce")
    code, out, err = workshop.call(*arguments, module=TORCHRUN)
    assert code == 0, (out, err)
    assert out.count("imagenet: profile mini") == 1
    assert_same(Finished(workshop), Finished(pair))
    code, out, err = workshop.start(*arguments, module=TORCHRUN).wait(90)
    assert code == 0, err
    assert out.count("is finished") == 1


@pytest.mark.slow
def test_torchrun_stopped(workshops, small_tree):
    workshop, long = workshops("agent"), {"trainer.max_epochs": 500}
    process = workshop.start(*command(small_tree, "--devices=2", name="reproduce", **long), module=TORCHRUN)
    process.until(lambda: any(list(run.glob("last.ckpt")) for run in workshop.runs()))
    begun = step_of_last(workshop)
    process.kill_group(signal.SIGTERM)
    _, _, err = process.wait(90)
    assert err.count("the same command continues") == 1
    assert step_of_last(workshop) > begun
    assert process.members() == []


@pytest.mark.slow
@pytest.mark.parametrize("devices", [(), ("--devices=1",)])
def test_torchrun_with_other_devices_is_refused(devices, workshops, small_tree):
    """Without DEVICES each process would train alone, and all of them into one folder."""
    workshop = workshops("mismatch")
    code, out, err = workshop.call(*command(small_tree, *devices, name="reproduce"), module=TORCHRUN)
    assert code != 0, out
    assert "started 2 process(es), but DEVICES x NODES is 1" in err
    assert err.count("error: ") == 1, "by the first alone"
    assert not [run for run in workshop.runs() if (run / "metrics.csv").exists()]


@pytest.mark.parametrize(
    ("devices", "count"), [(2, 2), ("2", 2), ([0, 1], 2), ("0,1", 2), ("auto", 1), (-1, 1), ([0], 1)]
)
def test_devices_are_counted_however_they_are_named(devices, count):
    settings = resolve_settings("imagenet", "mini", None, {"trainer": {"devices": devices, "num_nodes": 3}})
    assembly = Assembly(merge(settings, machine_settings(0, "/nowhere")))
    assert (assembly.devices, assembly.processes) == (count, 3 * count)


def test_devices_that_do_not_divide_the_batch_are_refused(workshop, small_tree):
    code, out, err = workshop.call(*command(small_tree, "--devices=2", **{"data.init_args.global_batch_size": 15}))
    assert (code, out) == (2, "")
    assert "the global batch of 15 cannot be shared out over 2 device(s)" in err
    assert "Traceback" not in err
    assert workshop.runs() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "looks", "words"),
    [
        ("training.py", "last.exists()", "do not all see the checkpoint to go on from"),
        ("starts.py", "(self.folder / BEGINNING).exists()", "do not all see this folder"),
    ],
)
def test_ranks_that_do_not_see_the_same_files_do_not_train(file, looks, words, workshops, small_tree):
    """As on nodes that share none, one of which would go on from a checkpoint and the other begin anew."""
    workshop = workshops(f"apart {file}")
    assert interrupt(workshop, "step:5", TERM, *command(small_tree, "--devices=2"))[0] == 128 + TERM
    source = workshop.root / "benchmarks" / file
    text, patience = source.read_text(), "SHOWN_WITHIN = 90.0"
    assert (text.count(looks), text.count(patience)) == (1, file == "starts.py")
    text = text.replace(patience, "SHOWN_WITHIN = 0.5")
    source.write_text(text.replace(looks, f'({looks} and __import__("os").environ.get("LOCAL_RANK") != "1")'))
    code, _, err = workshop.start(*command(small_tree, "--devices=2")).wait(60)
    assert code == 2, err
    assert words in err
    assert step_of_last(workshop) == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "older", "words"),
    [
        (1, False, "processes of different runs have met: imagenet mini-s"),
        (0, True, "do not all see the checkpoint to go on from (they begin at step "),
    ],
    ids=["another job's", "an older checkpoint"],
)
def test_processes_that_torchrun_lets_meet_train_one_run_from_one_step(seed, older, words, workshops, small_tree):
    """Checkpoints are of one size whatever the seed and the step, and weights are rank zero's: nobody would see it."""
    pair = workshops("one"), workshops("other")
    for workshop, its in zip(pair, (0, seed), strict=True):
        assert interrupt(workshop, "step:5", TERM, *command(small_tree, seed=its))[0] == 128 + TERM
    if older:
        shutil.copy(pair[1].only_run() / "step-00000004.ckpt", pair[1].only_run() / "last.ckpt")
    before = [step_of_last(workshop) for workshop in pair]
    asked = [command(small_tree, "--devices=1", "--nodes=2", name="reproduce", seed=its) for its in (0, seed)]
    assert_refused_together(pair, asked, words)
    assert [step_of_last(workshop) for workshop in pair] == before


def meet(nodes, asked):
    """(exit code, stdout, stderr) of the command of each of two nodes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        meeting = MEETING.format(port=free.getsockname()[1])
    agents = [workshop.start(*each, module=meeting) for workshop, each in zip(nodes, asked, strict=True)]
    return [agent.wait(60) for agent in agents]


def assert_refused_together(nodes, asked, words):
    for code, out, err in meet(nodes, asked):
        assert code != 0, out
        assert err.count("error: ") == 1, err
        assert words in err


@pytest.mark.slow
def test_nodes_that_see_different_data_train_nothing(workshop, miniature_tree, small_tree, tmp_path):
    """As where a copy to a node's own disk is not whole; rank zero's data alone would be in the record."""
    trees = small_tree, cut(miniature_tree, tmp_path / "fewer", 8, 36)
    asked = [command(tree, "--devices=1", "--nodes=2", name="reproduce") for tree in trees]
    assert_refused_together([workshop] * 2, asked, UNLIKE)
    assert not list(workshop.only_run().glob("*.ckpt"))


@pytest.mark.slow
def test_nodes_score_together_what_is_the_same_wherever_it_lies(pair, miniature_tree, small_tree, tmp_path):
    alike, fewer = shutil.copytree(small_tree, tmp_path / "alike"), cut(miniature_tree, tmp_path / "fewer", 8, 36)
    validate = "validate", "imagenet", f"--checkpoint={pair.only_run() / 'last.ckpt'}", "--devices=1", "--nodes=2"
    known = {*pair.records()}
    assert_refused_together([pair] * 2, [(*validate, f"--data={tree}") for tree in (small_tree, fewer)], UNLIKE)
    assert {*pair.records()} == known
    ended = meet([pair] * 2, [(*validate, f"--data={tree}") for tree in (small_tree, alike)])
    assert [code for code, _, _ in ended] == [0, 0], ended
    (path,) = {*pair.records()} - known
    assert json.loads(path.read_text())["examples"] == {"expected": 37, "scored": 37, "unique": 37}


@pytest.mark.slow
def test_a_broken_image_on_one_rank_ends_both(workshops, small_tree, tmp_path):
    """One that a look at its ends does not find."""
    shutil.copytree(small_tree, tmp_path / "torn")
    path = sorted((tmp_path / "torn/train").glob("*/*"))[7]
    data = bytearray(path.read_bytes())
    scan = data.rfind(b"\xff\xda")
    path.write_bytes(bytes(data[:scan] + data[-2:]))
    workshop = workshops("torn")
    asked = command(tmp_path / "torn", "--devices=2", name="reproduce", seed="0,1", **{"data.init_args.workers": 1})
    process = workshop.start(*asked)
    code, _, err = process.wait(120)
    assert (code, err.count("error: "), "Traceback" in err) == (2, 1, False), err
    assert f"{path} is no readable image" in err
    assert len(workshop.runs()) == 1, "the other seed, which would meet it too, is not begun"
    time.sleep(0.5)
    assert process.members() == []


@pytest.mark.slow
@pytest.mark.parametrize("hangs", [False, True], ids=["the first hears of it", "the first waits"])
@pytest.mark.parametrize(
    ("fails", "ends", "words"),
    [
        ('raise Failure("rank 1 alone", {})', 1, "failed: rank 1 alone."),
        ('raise UserError("rank 1 alone")', 2, "error: rank 1 alone"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            128 + KILL,
            "failed: another rank was killed by signal 9",
        ),
    ],
)
def test_a_rank_that_fails_alone_ends_the_run(fails, ends, words, hangs, workshops, small_tree):
    """What Lightning registers for NCCL waits at exit for all ranks: here too, though these processes use Gloo."""
    workshop = workshops("failing")
    network = workshop.root / "lightning_modules/networks/noisy.py"
    network.write_text(network.read_text() + FAILS.format(waits=WAITS, fails=fails, hangs=hangs))
    started = time.monotonic()
    process = workshop.start(*command(small_tree, "--devices=2"))
    code, _, err = process.wait(120)
    assert (code, err.count(words), "Traceback" in err) == (ends, 1, False), err
    assert time.monotonic() - started < WAITS / 2
    time.sleep(0.5)
    assert process.members() == []


@pytest.mark.parametrize(
    ("processes", "accumulate", "batch"),
    [(1, 1, 8), pytest.param(1, 2, 15, marks=pytest.mark.slow), pytest.param(2, 1, 8, marks=pytest.mark.slow)],
)
def test_a_loss_that_is_not_finite_is_in_no_checkpoint(workshops, small_tree, processes, accumulate, batch):
    """It is the last rank's, in the very step after which a checkpoint would be written."""
    workshop = workshops("infinite")
    network = workshop.root / "lightning_modules/networks/noisy.py"
    network.write_text(network.read_text() + BLOWS_UP.format(batch=batch, rank=processes - 1))
    changes = {"trainer.accumulate_grad_batches": accumulate, "trainer.log_every_n_steps": 100}  # as ranks meet to log
    asked = command(small_tree, f"--devices={processes}", **changes)
    code, _, err = workshop.call(*asked)
    assert (code, err.count("failed: at step 7 the loss is not finite")) == (1, 1), err
    saved = torch.load(workshop.only_run() / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 4
    assert all(weight.isfinite().all() for weight in saved["state_dict"].values())
    assert torch.load(workshop.only_run() / "failure.ckpt", weights_only=True)["step"] == 7
