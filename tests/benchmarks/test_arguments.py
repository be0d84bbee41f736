"""What the user typed means the same to every command: paths, and the part of DATA that each benchmark gets."""

import pytest

from benchmarks import commands
from benchmarks.strict import load_record
from tests.benchmarks.conftest import write_predictions
from tests.benchmarks.ended import finish


@pytest.fixture
def home(desk, monkeypatch):
    """The user's home, where a tree of images and predictions of them lie; commands are given in another folder."""
    monkeypatch.setenv("HOME", str(desk.tmp))
    monkeypatch.chdir(desk.root)
    (desk.tmp / "tree").symlink_to(desk.tree)
    write_predictions(desk.tmp / "mine.csv", desk.tree)
    return desk.tmp


def test_a_tilde_is_the_home_of_the_user(desk, home):
    finish(desk, "validate", "imagenet", "--profile=mini", "--data=~/tree", "--predictions=~/mine.csv")
    (path,) = desk.records()
    assert load_record(path).predictions[0].path == str(home / "mine.csv")


@pytest.mark.parametrize(
    "command",
    [
        ("data", "imagenet", "--data=~/empty"),
        ("doctor", "--data=~/empty"),
        ("plan", "--data=~/empty"),
        ("reproduce", "--data=~/empty"),
        ("reproduce", "imagenet", "--data=~/empty"),
        ("validate", "imagenet", "--weights=x", "--data=~/empty"),
    ],
    ids=" ".join,
)
def test_a_tilde_in_data_is_so_to_every_command(desk, home, command):
    (home / "empty").mkdir()
    code, _, err = desk.call(*command)
    assert code == 2
    assert f"{home / 'empty'} " in err
    assert "~" not in err
    assert not (desk.root / "~").exists()


def test_one_folder_spelt_in_two_ways_is_one(desk, home, monkeypatch):
    monkeypatch.chdir(home)
    for data in (home / "tree", f"{home}/tree/", "tree", "~/./tree"):
        code, _, err = desk.call("validate", "imagenet", "--profile=mini", f"--data={data}", "--predictions=mine.csv")
        assert (code, err) == (0, "")
    first, *others = sorted(path.stem for path in desk.records())
    assert others == [f"{first}-{number}" for number in (2, 3, 4)]


def test_each_benchmark_gets_the_folder_of_its_name_or_of_its_data_set(desk, monkeypatch):
    started = {}
    monkeypatch.setattr(commands, "_reproduce", lambda name, options: started.update({name: options.data}) or 0)
    for last in ("tables", "report"):
        monkeypatch.setattr(commands, last, lambda options: 0)
    for name in ("imdb", "wmt", "wmt_rnn", "go"):
        (desk.tmp / name).mkdir()
    code, out, err = desk.call("reproduce", f"--data={desk.tmp}/")
    assert (code, err) == (0, "")
    assert {name: data for name, data in started.items() if data} == {
        "imdb": str(desk.tmp / "imdb"),
        "wmt_rnn": str(desk.tmp / "wmt_rnn"),
        "wmt_transformer": str(desk.tmp / "wmt"),
    }
    without = {name for name, data in started.items() if not data}
    assert without == {"driving", "go", "locomotion_run", "locomotion_walk"}
    assert f"coco: skipped, there is no {desk.tmp / 'coco'}" in out
