"""Files of drives: what is read, what is refused, and the metrics against numbers worked by hand."""

import csv
import math
import re
from statistics import fmean

import numpy as np
import pytest

from benchmarks.errors import UserError
from benchmarks.strict import load_claim
from results.foreign import driving as by_python
from results.scoring import driving
from results.statistics import bootstrap, standard_error
from tests.conftest import ROOT
from tests.refusals import assert_told

HEADER = "environment,seed,episode,driver,return,length,crashed\n"
NAME = "highway-fast-v0"
GOOD = [
    f"{NAME},1,0,agent,22.5,30,0",
    f"{NAME},1,0,idm,21.5,30,0",
    f"{NAME},3,1,agent,6.25,9,1",
    f"{NAME},3,1,idm,22,30,0",
    f"{NAME},5,2,agent,20,30,1",
    f"{NAME},5,2,idm,10,14,1",
    f"{NAME},7,3,agent,23,30,0",
    f"{NAME},7,3,idm,23.25,30,0",
]


@pytest.fixture
def truth():
    return driving.truth(NAME, 4)


def file_of(folder, rows):
    path = folder / "theirs.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


def driven(number):
    """An episode of either driver, with numbers that have many digits."""
    return {
        "seed": 2 * number + 1,
        "agent": {"return": 20 + number / 3, "length": 30, "crashed": False},
        "idm": {"return": number / 7, "length": 1 + number, "crashed": True},
    }


def test_what_is_written_is_read_again(tmp_path, truth):
    episodes = [driven(number) for number in range(4)]
    (path,) = driving.write(tmp_path, episodes, truth)
    read = driving.read(tmp_path, truth)
    assert path.name == "episodes.csv"
    for driver in ("agent", "idm"):
        found = getattr(read, driver)
        assert found.returns.tolist() == [each[driver]["return"] for each in episodes], "to the last bit"
        assert found.lengths.tolist() == [each[driver]["length"] for each in episodes]
        assert found.crashed.tolist() == [each[driver]["crashed"] for each in episodes]
    assert read.seeds == tuple(each["seed"] for each in episodes)
    assert (read.scored, read.unique) == (4, 4)
    with pytest.raises(ValueError, match="zip"):
        driving.write(tmp_path, episodes[:3], truth)


def test_the_metrics_by_hand(tmp_path, truth):
    read = driving.read(file_of(tmp_path, GOOD[::-1]), truth)
    expected = {
        "crash": 50.0,  # two of four
        "idm_crash": 25.0,
        "crash_above_idm": 25.0,
        "return": 17.9375,  # (22.5 + 6.25 + 20 + 23) / 4
        "idm_return": 19.1875,  # (21.5 + 22 + 10 + 23.25) / 4
        "return_above_idm": -1.25,  # (1 - 15.75 + 10 - 0.25) / 4
        "length": 24.75,
        "idm_length": 26.0,
    }
    assert driving.score(read, truth) == expected
    assert expected.keys() == driving.METRICS.keys()


def test_episodes_stay_paired_in_the_bootstrap(tmp_path):
    # Episodes differ much, the drivers by 1 in each: the error of the difference is nothing, unpaired it would be 1.4.
    truth = driving.truth(NAME, 100)
    rows = [
        f"{NAME},{2 * episode + 1},{episode},{driver},{(episode % 3) * 10 + above},30,0"
        for episode in range(100)
        for driver, above in (("agent", 1), ("idm", 0))
    ]
    read = driving.read(file_of(tmp_path, rows), truth)
    errors = driving.standard_errors(read, truth, driving.METRICS)
    assert errors["return_above_idm"] == pytest.approx(0, abs=1e-12)
    assert errors["return"] == pytest.approx(0.8165, rel=0.05)  # sqrt(200 / 3) / sqrt(100)
    assert errors["crash_above_idm"] == 0


def test_the_error_of_a_difference_of_crashes(tmp_path, truth):
    # The differences are 0, 100, 0, 0: their deviation is 43.3, that of the mean of four a half.
    read = driving.read(file_of(tmp_path, GOOD), truth)
    (error,) = driving.standard_errors(read, truth, ["crash_above_idm"]).values()
    assert error == pytest.approx(100 * math.sqrt(3) / 8, rel=0.05)
    values = np.array([[0.0, 1], [100, 1], [0, 1], [0, 1]])
    assert error == standard_error(bootstrap(values, lambda sums: sums[:, 0] / sums[:, 1]))


def test_python_says_the_same(tmp_path, truth):
    file_of(tmp_path, GOOD).rename(tmp_path / "episodes.csv")
    ours = driving.score(driving.read(tmp_path, truth), truth)
    assert by_python.score(tmp_path, None, truth.environment) == pytest.approx(ours, rel=1e-12)
    assert ours["return"] == fmean([22.5, 6.25, 20, 23])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD[:6], "holds 3 episodes; 4 are needed, numbered from 0"),
        (GOOD[:7], "has no row of idm for episode 3; both drivers drive every one"),
        ([*GOOD, f"{NAME},7,3,idm,23.25,30,0"], "line 10: episode 3 of idm stands twice"),
        ([*GOOD[:7], f"{NAME},9,3,idm,23,30,0"], "line 9: seed is 9, expected 7: in every run episode k of the test"),
        ([f"{NAME},1000001,0,agent,9,30,0"], "line 2: seed is 1000001, expected 1"),
        ([f"{NAME},1,0,human,22.5,30,0"], "line 2: the driver is 'human', expected agent or idm"),
        ([f"{NAME},1,4,agent,22.5,30,0"], "line 2: episode is '4'; expected a whole number from 0 to 3"),
        ([f"{NAME},-1,0,agent,22.5,30,0"], "line 2: seed is '-1'"),
        ([f"{NAME},1,0,agent,nan,30,0"], "line 2: return is 'nan'; expected a number from 0 to 30"),
        ([f"{NAME},1,0,agent,much,30,0"], "line 2: return is 'much'"),
        ([f"{NAME},1,0,agent,1_0,30,0"], "line 2: return is '1_0'"),
        ([f"{NAME},1,0,agent,9.5,9,1"], "return is '9.5'; expected a number from 0 to 9, as a step earns at most 1"),
        ([f"{NAME},1,0,agent,9.5,31,0"], "line 2: length is '31'; expected a whole number from 1 to 30"),
        ([f"{NAME},1,0,agent,0,0,1"], "line 2: length is '0'"),
        ([f"{NAME},1,0,agent,9.5,30,2"], "line 2: crashed is '2'; expected a whole number from 0 to 1"),
        ([f"{NAME},1,0,agent,9.5,30,True"], "line 2: crashed is 'True'"),
        ([f"{NAME},1,0,agent,9.5,12,0"], "line 2: it ends after 12 of 30 steps, but not by a crash"),
        (["highway-v0,1,0,agent,9.5,30,0"], "line 2: the environment is 'highway-v0', expected highway-fast-v0"),
        ([f"{NAME},1,0,agent,9.5,30"], "line 2: 6 fields, expected 7"),
    ],
)
def test_other_drives_are_refused(tmp_path, truth, rows, message):
    assert_told(["theirs.csv", message], driving.read, file_of(tmp_path, rows), truth)


def test_idm_drives_as_in_every_committed_record(tmp_path):
    """Its rows are facts of the task, so nobody's own count: neither as the better nor as the worse driver."""
    truth = driving.truth(NAME, 500)
    known = (ROOT / driving.IDM).read_text().splitlines()[1:]
    files = sorted((ROOT / "results/records/driving").glob("full-*/episodes.csv"))
    assert len(files) >= 10
    for file in files:
        assert [line for line in file.read_text().splitlines() if ",idm," in line] == known
    read = driving.read(files[0], truth)
    assert (read.other, driving.protocol(read), [*driving.notes(read, truth)]) == (0, {}, [])

    rows = files[0].read_text().splitlines()[1:]
    rounded = [re.sub(r"(idm,\d+\.\d{9})\d*", r"\1", row) for row in rows]
    assert rounded != rows
    assert driving.read(file_of(tmp_path, rounded), truth).other == 0, "another processor's last digits"
    slower = [*rows[:-1], re.sub(r"idm,[\d.]+", "idm,20.5", rows[-1])]
    a_little_slower = [*rows[:-1], re.sub(r"idm,([\d.]+)", lambda found: f"idm,{float(found[1]) - 1e-3}", rows[-1])]
    assert rows[-1].endswith(",30,0")
    crashed = [*rows[:-1], rows[-1][:-1] + "1"]
    swapped = [row.replace("agent", "?").replace("idm", "agent").replace("?", "idm") for row in rows]
    returns = [float(row.split(",")[4]) for row in known]
    three_digits = [re.sub(r"idm,([\d.]+)", lambda found: f"idm,{float(found[1]):.3f}", row) for row in rows]
    lost = [abs(each - round(each, 3)) for each in returns]
    for changed, count, how in (
        (slower, 1, f"in return by up to {abs(20.5 - returns[-1]):.2g}"),
        (a_little_slower, 1, "in return by up to 0.001"),
        (three_digits, sum(each > 1e-6 for each in lost), "in return by up to 0.0005"),
        (crashed, 1, "in length or crash"),
        (swapped, 500, "in length or crash"),
    ):
        read = driving.read(file_of(tmp_path, changed), truth)
        said = f"an IDM that drives {count} of 500 episodes unlike benchmarks/driving/idm.csv"
        assert driving.protocol(read) == {"yardstick": said}
        (note,) = driving.notes(read, truth)
        assert note.startswith(f"IDM's rows differ from those of benchmarks/driving/idm.csv {how}, in {count} episodes")


def test_the_yardstick_beside_the_claim_is_the_one_that_verdicts_use():
    with (ROOT / driving.IDM).open(newline="") as file:
        returns = [float(row["return"]) for row in csv.DictReader(file)]
    (neighbour,) = (each for each in load_claim("driving").neighbours if each.citation.startswith(driving.IDM))
    assert neighbour.value == round(fmean(returns), 2)


def test_an_unknown_road_has_no_truth():
    with pytest.raises(UserError, match=r"there is no environment 'highway-slow-v0' here\. Known: highway-fast-v0"):
        driving.truth("highway-slow-v0", 3)
