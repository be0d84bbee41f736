"""A signal at moments at which other people's code would take it for an error of its own."""

import os
import signal
import time
from pathlib import Path

import pytest
from wandb.sdk.lib import wbauth

from benchmarks import commands, tracking
from benchmarks.errors import UserError
from benchmarks.launch import ENDED, WAITING
from benchmarks.processes import Stopped, stoppable
from benchmarks.schema import Tracking
from tests.benchmarks.test_resume import INT, TERM, command, step_of_last
from tests.results.records import record


@pytest.mark.parametrize(("number", "ends"), [(TERM, 143), (INT, 130), (signal.SIGUSR1, 143)])
def test_a_signal_while_the_configuration_is_parsed_is_no_mistake_in_it(workshop, small_tree, number, ends):
    network = workshop.root / "lightning_modules/networks/noisy.py"
    network.write_text(f"import os\n\nos.kill(os.getpid(), {int(number)})\n{network.read_text()}")
    code, out, err = workshop.call(*command(small_tree))
    told = f"stopped by {number.name}; the same command continues (without FRESH=1)\n"
    assert (code, out, err) == (ends, "", told)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "devices"), [("reproduce", 1), ("run", 2)])
def test_the_warning_of_slurm_saves_a_checkpoint_as_a_sigterm_does(workshop, small_tree, name, devices):
    """SIGUSR1, which reaches every process of the job: a parent, its child, both ranks, and workers of loaders."""
    endless = {"trainer.max_epochs": 500, "data.init_args.workers": 1}
    process = workshop.start(*command(small_tree, f"--devices={devices}", name=name, **endless))
    process.until(lambda: any(list(run.glob("last.ckpt")) for run in workshop.runs()))
    begun = step_of_last(workshop)
    process.kill_group(signal.SIGUSR1)
    code, _, err = process.wait(60)
    assert (code, err) == (143, "stopped by SIGUSR1; the same command continues (without FRESH=1)\n")
    assert step_of_last(workshop) > begun
    assert process.members() == []


def rank_of(process, rank):
    """The id of a rank that Lightning has started."""
    (found,) = [
        pid for pid in process.members()
        if f"LOCAL_RANK={rank}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    ]  # fmt: skip
    return found


@pytest.mark.slow
def test_a_rank_that_hangs_is_told_of_and_ended_by_the_third_signal(workshop, small_tree):
    """As in a file system that answers no more: the first rank waits for it, and hears of no signal meanwhile."""
    launch = workshop.root / "benchmarks/launch.py"
    assert launch.read_text().count("PATIENCE = 10.0") == 1
    launch.write_text(launch.read_text().replace("PATIENCE = 10.0", "PATIENCE = 2.0"))
    endless = {"trainer.max_epochs": 500}
    process = workshop.start(*command(small_tree, "--devices=2", name="reproduce", **endless))
    process.until(lambda: any(list(run.glob("last.ckpt")) for run in workshop.runs()))
    os.kill(rank_of(process, 1), signal.SIGSTOP)
    for number in (INT, TERM):
        os.kill(process.popen.pid, number)
        time.sleep(3)
        assert process.popen.poll() is None
    os.kill(process.popen.pid, INT)
    code, _, err = process.wait(10)
    assert (code, err) == (130, f"{WAITING}\nimagenet default, seed 0, {ENDED}\n")
    assert process.members() == []
    assert step_of_last(workshop) > 0


def test_a_signal_while_credentials_are_looked_for_is_no_failure_of_theirs(undisturbed, monkeypatch):
    """The run would go on, and hear of no other signal."""
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setattr(wbauth, "authenticate_session", lambda **_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped), stoppable():
        tracking.mode()


def test_a_signal_after_an_error_is_none_of_the_run_that_met_it(undisturbed):
    """As a launcher sends it to the other ranks: it would end them with a traceback."""
    before = signal.getsignal(TERM)
    with pytest.raises(UserError), stoppable():
        raise UserError("met")
    assert signal.getsignal(TERM) is before


def test_a_signal_while_a_run_is_published_ends_it_with_a_word(undisturbed, monkeypatch, caplog, tmp_path):
    """Its record is written, so that the same command would only show it."""
    monkeypatch.setattr(tracking, "begin", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Stopped), stoppable():
        tracking.publish(record(0, wandb=Tracking("full-s0-x", "offline")), tmp_path, {})
    assert "Weights & Biases could not take the run: SIGTERM" in caplog.text


@pytest.mark.parametrize(("everywhere", "code"), [(True, 0), (False, 143)])
def test_a_rank_that_a_signal_reaches_alone_has_not_ended_well(undisturbed, monkeypatch, capsys, everywhere, code):
    """Or the first, which waits for it, would take its end for nobody's, or for an error of its own."""

    def work(order):
        raise Stopped(TERM, everywhere)

    monkeypatch.setenv("LOCAL_RANK", "1")
    assert commands._stoppable("and so on", work, None) == code
    assert capsys.readouterr() == ("", ""), "the first says it"


def test_a_run_whose_output_nobody_reads_any_more_says_so_where_somebody_may(workshop, small_tree):
    """As behind `| head -1`: it ends, but not without a word."""
    process = workshop.start(*command(small_tree), module="benchmarks.__main__")
    process.popen.stdout.close()
    code, _, err = process.wait()
    assert code == 1
    assert err.startswith("stopped by a closed pipe")
    assert err.count("\n") == 1
