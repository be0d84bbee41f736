"""Files of episodes: what is read, what is refused, and the mean."""

import json

import numpy as np
import pytest

from benchmarks.errors import UserError
from results.scoring import control
from results.scoring.film import Film
from tests.refusals import assert_told

HEADER = "environment,seed,episode,return,length\n"
GOOD = ["Hopper-v5,1,0,10.5,1000", "Hopper-v5,3,1,-2.25,17", "Hopper-v5,5,2,3,1"]


@pytest.fixture
def truth():
    return control.truth("Hopper-v5", 3)


def file_of(folder, rows):
    path = folder / "theirs.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


def test_what_is_written_is_read_again(tmp_path, truth):
    played = [{"seed": 2**70 + i, "return": 0.1 + i / 3, "length": 5 + i} for i in range(3)]
    (path,) = control.write(tmp_path, played, truth)
    read = control.read(tmp_path, truth)
    assert path.name == "episodes.csv"
    assert read.returns.tolist() == [each["return"] for each in played], "to the last bit"
    assert read.seeds == tuple(each["seed"] for each in played)
    assert (read.scored, read.unique) == (3, 3)
    with pytest.raises(ValueError, match="zip"):
        control.write(tmp_path, played[:2], truth)


def test_the_mean(tmp_path, truth):
    read = control.read(file_of(tmp_path, GOOD[::-1]), truth)
    assert control.score(read, truth) == {"return": (10.5 - 2.25 + 3) / 3}
    assert read.lengths.tolist() == [1000, 17, 1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD[:2], "holds 2 episodes; 3 are needed, numbered from 0"),
        ([*GOOD[:2], "Hopper-v5,3,2,1,1"], "line 4: seed 3 stands twice"),
        ([*GOOD[:2], "Hopper-v5,9,1,1,1"], "line 4: episode 1 stands twice"),
        ([*GOOD[:2], "Hopper-v5,9,3,1,1"], "line 4: episode is '3'; expected a whole number from 0 to 2"),
        ([*GOOD[:2], "Hopper-v5,9,2,nan,1"], "line 4: return is 'nan'; expected a number from -100 to 100"),
        ([*GOOD[:2], "Hopper-v5,9,2,much,1"], "line 4: return is 'much'"),
        ([*GOOD[:2], "Hopper-v5,9,2,1e308,1"], "return is '1e308'; expected a number from -100 to 100"),
        ([*GOOD[:2], "Hopper-v5,9,2,1000000,10"], "expected a number from -1000 to 1000, 100 a step in"),
        ([f"Hopper-v5,{seed},{seed},1e308,1" for seed in range(3)], "line 2: return is '1e308'"),
        ([*GOOD[:2], "Hopper-v5,9,2,-1e308,1"], "line 4: return is '-1e308'"),
        ([*GOOD[:2], "Hopper-v5,9,2,1_000,1"], "line 4: return is '1_000'"),
        ([*GOOD[:2], "Hopper-v5,9,2,1,1001"], "line 4: length is '1001'; expected a whole number from 1 to 1000"),
        ([*GOOD[:2], "Hopper-v5,-9,2,1,1"], "line 4: seed is '-9'"),
        ([*GOOD[:2], "Hopper-v4,9,2,1,1"], "line 4: the environment is 'Hopper-v4', expected Hopper-v5"),
        ([*GOOD[:2], "Hopper-v5,9,2,1"], "line 4: 4 fields, expected 5"),
    ],
)
def test_other_episodes_are_refused(tmp_path, truth, rows, message):
    assert_told(["theirs.csv", message], control.read, file_of(tmp_path, rows), truth)


def test_a_file_tells_its_environment(tmp_path):
    assert control.split_of(file_of(tmp_path, GOOD), {"Hopper-v5", "Ant-v5"}) == "Hopper-v5"
    for rows, found in (([*GOOD, "Ant-v5,1,0,1,1"], "'Ant-v5', 'Hopper-v5'"), ([], "nothing")):
        with pytest.raises(UserError, match=f"holds episodes of {found}; this benchmark is about Ant-v5, Hopper-v5"):
            control.split_of(file_of(tmp_path, rows), {"Hopper-v5", "Ant-v5"})


FILM = {"episode": 1, "seconds": [0.1, 0.25], "positions": [[0, 1.25, 0, 0, 0, -0.5], [1, 1.25, 0, 0, 0, 0]]}


def played(**worst):
    """Three episodes, of which the first has a film that nobody asks for."""
    rows = [{"seed": 2 * i + 1, "return": total, "length": 40} for i, total in enumerate((0.5, -2.0, 3.0))]
    return [rows[0] | {"film": "of no matter"}, rows[1] | worst, rows[2]]


def test_a_film_is_stored_beside_its_episodes(tmp_path, truth):
    moments = {"seconds": [0.1, 0.25], "positions": [[0, 1.25, 0, 0, 0, -0.5], [1.0000004, 1.25, 0, 0, 0, 1e-9]]}
    rows = json.loads(json.dumps(played(film=moments)))  # as the shards of a test loop have them
    assert control.write(tmp_path, rows, truth) == [tmp_path / "episodes.csv", tmp_path / "film.json"]
    assert json.loads((tmp_path / "film.json").read_text()) == FILM
    found = control.read(tmp_path, truth)
    assert found.film == Film(1, (0.1, 0.25), ((0, 1.25, 0, 0, 0, -0.5), (1, 1.25, 0, 0, 0, 0)))
    (tmp_path / "episodes.csv").rename(tmp_path / "theirs.csv")
    assert control.read(tmp_path / "theirs.csv", truth).film is None, "it belongs to episodes.csv alone"


def test_where_the_worst_episode_has_no_film_a_stale_one_goes(tmp_path, truth):
    (tmp_path / "film.json").write_text(json.dumps(FILM))
    assert control.write(tmp_path, played(), truth) == [tmp_path / "episodes.csv"]
    assert [path.name for path in tmp_path.iterdir()] == ["episodes.csv"]
    with pytest.raises(ValueError, match="below 1e"):
        control.write(tmp_path, played(film={"seconds": [1], "positions": [[np.nan] * 6]}), truth)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"episode": 0}, "of episode 0, but the least return is that of 1"),
        ({"episode": 7}, "of episode 7, but the least return is that of 1"),
        ({"episode": "1"}, "not the film of an episode"),
        ({"seconds": []}, "0 seconds, 2 positions, expected 1 to 10"),
        ({"seconds": [0, 1, 2]}, "3 seconds, 2 positions"),
        ({"seconds": [*range(11)], "positions": 11 * [6 * [0]]}, "11 seconds, 11 positions, expected 1 to 10"),
        ({"seconds": [0.1, 0.1]}, "seconds must rise"),
        ({"positions": [[0] * 6, [0] * 5]}, "positions must have the same size"),
        ({"positions": [[0] * 9, [0] * 9]}, "positions of 9 numbers, Hopper-v5 has 6"),
        ({"positions": [[0] * 6, [1e10] * 6]}, "each number of a position must be below 1e+10"),
        ({"positions": [[0] * 6, [None] * 6]}, "not the film of an episode"),
    ],
)
def test_a_film_that_is_none_or_of_something_else_is_refused(tmp_path, truth, change, message):
    control.write(tmp_path, played(), truth)
    (tmp_path / "film.json").write_text(json.dumps(FILM | change))
    assert_told([f"{tmp_path / 'film.json'}: ", message, "remove the file."], control.read, tmp_path, truth)
