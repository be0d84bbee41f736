"""Files of episodes: what is read, what is refused, and the mean."""

import numpy as np
import pytest

from benchmarks.errors import UserError
from results.scoring import control

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


def test_the_mean_and_its_statistics(tmp_path, truth):
    read = control.read(file_of(tmp_path, GOOD[::-1]), truth)
    assert control.score(read, truth) == {"return": (10.5 - 2.25 + 3) / 3}
    sums = control.statistics(read, truth, "return").sum(axis=0)[None]
    np.testing.assert_array_equal(control.combine("return")(sums), [3.75])
    assert read.lengths.tolist() == [1000, 17, 1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD[:2], "holds 2 episodes; 3 are needed, numbered from 0"),
        ([*GOOD[:2], "Hopper-v5,3,2,1,1"], "line 4: seed 3 stands twice"),
        ([*GOOD[:2], "Hopper-v5,9,1,1,1"], "line 4: episode 1 stands twice"),
        ([*GOOD[:2], "Hopper-v5,9,3,1,1"], "line 4: episode is '3'; expected a whole number from 0 to 2"),
        ([*GOOD[:2], "Hopper-v5,9,2,nan,1"], "line 4: return is 'nan'; expected a finite number"),
        ([*GOOD[:2], "Hopper-v5,9,2,much,1"], "line 4: return is 'much'"),
        ([*GOOD[:2], "Hopper-v5,9,2,1,1001"], "line 4: length is '1001'; expected a whole number from 1 to 1000"),
        ([*GOOD[:2], "Hopper-v5,-9,2,1,1"], "line 4: seed is '-9'"),
        ([*GOOD[:2], "Hopper-v4,9,2,1,1"], "line 4: the environment is 'Hopper-v4', expected Hopper-v5"),
        ([*GOOD[:2], "Hopper-v5,9,2,1"], "line 4: 4 fields, expected 5"),
    ],
)
def test_other_episodes_are_refused(tmp_path, truth, rows, message):
    with pytest.raises(UserError, match=r"theirs\.csv") as caught:
        control.read(file_of(tmp_path, rows), truth)
    assert message in str(caught.value)


def test_a_file_tells_its_environment(tmp_path):
    assert control.split_of(file_of(tmp_path, GOOD), {"Hopper-v5", "Ant-v5"}) == "Hopper-v5"
    for rows, found in (([*GOOD, "Ant-v5,1,0,1,1"], "'Ant-v5', 'Hopper-v5'"), ([], "nothing")):
        with pytest.raises(UserError, match=f"holds episodes of {found}; this benchmark is about Ant-v5, Hopper-v5"):
            control.split_of(file_of(tmp_path, rows), {"Hopper-v5", "Ant-v5"})
