"""GNU Go as a process: what it says again, how it is found, and what is said where it fails."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.environments import gnugo
from datamodules.environments.gnugo import EngineError, GnuGo, find, known, version
from tests.conftest import ROOT
from tests.datamodules.gnugo import fake, final_score, needs_gnugo, remove


def moves(seed, level=3, opening=("C3", "E4")):
    """A game of GNU Go against itself."""
    with GnuGo(7, 9, level, seed) as engine:
        for colour, vertex in zip(("black", "white"), opening, strict=True):
            engine.play(colour, vertex)
        made = []
        while made[-2:] != ["PASS", "PASS"] and len(made) < 100:
            made.append(engine.genmove(("black", "white")[len(made) % 2]))
        return made, final_score(engine)


@needs_gnugo
def test_a_game_is_the_same_again_whatever_runs_beside_it():
    alone = moves(5)
    with ThreadPoolExecutor(3) as threads:
        beside = list(threads.map(moves, (5, 6, 5, 7)))
    assert beside[0] == beside[2] == alone
    assert len(alone[0]) > 10


@needs_gnugo
def test_it_is_told_the_board_the_komi_and_the_seed():
    with GnuGo(5, 4.5, 1, 77) as engine:
        assert engine.ask("query_boardsize") == "5"
        assert engine.ask("get_komi") == "4.5"
        assert engine.ask("get_random_seed") == "77"
        with pytest.raises(EngineError, match="GNU Go refused `play black F6`: invalid color or coordinate"):
            engine.play("black", "F6")
        engine.play("black", "C3")
        with pytest.raises(EngineError, match="GNU Go refused `play white C3`: illegal move"):
            engine.play("white", "C3")
        assert engine.genmove("white") != "PASS", "it is still there"
    assert engine._process.poll() is not None


def test_it_is_found_outside_path(tmp_path, monkeypatch):
    remove(monkeypatch, tmp_path)
    with pytest.raises(
        UserError, match=r"no GNU Go \(gnugo\) on PATH nor in .*`apt install gnugo`.*`brew install gnu-go`"
    ):
        find()
    with pytest.raises(UserError, match="no GNU Go"):
        GnuGo(7, 9, 1, 0)
    places = tmp_path / "games"
    path = fake(places, monkeypatch, version="3.6")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gnugo, "PLACES", (str(tmp_path / "nowhere"), str(places)))
    assert find() == str(path)
    assert (version(find()), known()) == ("3.6", "GNU Go 3.6")


def test_what_is_no_gnu_go(tmp_path, monkeypatch):
    path = fake(tmp_path, monkeypatch)
    path.write_text("#!/bin/sh\necho Leela Zero 0.17\n")
    with pytest.raises(UserError, match="is not GNU Go: it says 'Leela Zero"):
        known()
    path.write_text("no program at all\n")
    other = path.rename(tmp_path / "other")
    with pytest.raises(UserError, match="does not tell its version"):
        version(str(other))


@pytest.mark.parametrize(
    ("genmove", "message"),
    [
        ("time.sleep(60)", "GNU Go did not answer `genmove black` within 0.5 s"),
        (
            "print('out of memory', file=sys.stderr); sys.exit(3)",
            r"GNU Go ended with 3 \(out of memory\), after `genmove",
        ),
        ("import os; os.kill(os.getpid(), 11)", "GNU Go was killed by 11, after `genmove black`"),
        ("print('? too hard\\n'); sys.stdout.flush(); continue", "GNU Go refused `genmove black`: too hard"),
    ],
)
def test_it_ends_badly(tmp_path, monkeypatch, genmove, message):
    fake(tmp_path, monkeypatch, genmove)
    with GnuGo(7, 9, 1, 0) as engine:
        monkeypatch.setattr(gnugo, "LIMIT", 0.5 if "sleep" in genmove else 30.0)
        with pytest.raises(EngineError, match=message):
            engine.genmove("black")
    assert engine._process.poll() is not None, "none is left behind"


def test_it_is_gone_before_it_is_asked(tmp_path, monkeypatch):
    fake(tmp_path, monkeypatch, "sys.exit(4)")
    with GnuGo(7, 9, 1, 0) as engine:
        with pytest.raises(EngineError, match="after `genmove"):
            engine.genmove("black")
        with pytest.raises(EngineError, match=r"GNU Go ended with 4.*before `genmove white`"):
            engine.genmove("white")


def test_one_that_does_not_start_leaves_nothing(tmp_path, monkeypatch):
    fake(tmp_path, monkeypatch).write_text(f"#!{sys.executable}\nimport sys\nsys.exit('no board')\n")
    started, begin = [], subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *given, **more: started.append(begin(*given, **more)) or started[-1]
    )
    with pytest.raises(EngineError, match=r"GNU Go ended with 1 \(no board\)"):
        GnuGo(7, 9, 1, 0)
    assert [process.returncode for process in started] == [1], "it ended, and was waited for"


@needs_gnugo
def test_it_ends_with_the_process_that_plays(tmp_path):
    """However that ends: here it is killed while GNU Go thinks."""
    script = (
        "import time; from datamodules.environments.gnugo import GnuGo; engine = GnuGo(9, 7, 10, 1); "
        "engine._process.stdin.write(b'genmove black\\ngenmove white\\ngenmove black\\n'); "
        "print(engine._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    engine = int(parent.stdout.readline())
    assert runs(engine)
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    end = time.monotonic() + 60
    while runs(engine) and time.monotonic() < end:
        time.sleep(0.05)
    assert not runs(engine)


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
