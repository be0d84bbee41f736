"""Plots of the report: what is drawn where, and the data that go with it."""

import re

import numpy as np
import pytest

from results.report.plots import Claimed, Mark, learning_curves, number_line, short


def test_a_number_line_and_its_data():
    marks = [Mark("ours", 91.5, (91.0, 92.0), (91.4, 91.6)), Mark("theirs (top-5)", 92.862)]
    plot = number_line("test/top5", "%", [Claimed(91.3, 91.05, stand_in=False)], marks)
    assert plot.csv == (
        "what,name,value,low,high\nclaimed,with its margin,91.3,91.05,91.3\nmeasured,ours,91.5,91.0,92.0\n"
        "run,ours,91.4,,\nrun,ours,91.6,,\npublished,theirs (top-5),92.862,,\n"
    )
    assert plot.description == (
        "test/top5 in %. claimed: 91.3; ours: 91.50, 95 % interval 91.00 to 92.00; theirs (top-5): 92.86."
    )
    assert plot.kinds == ("claimed", "measured", "published")
    assert "theirs (top-5)" in plot.svg
    assert "var(--claimed)" in plot.svg
    assert "#0101" not in plot.svg  # every colour is the page's


def test_a_threshold_of_ours_is_not_said_to_be_the_articles():
    plot = number_line("7x7/score", "%", [Claimed(50.0, 50.0, stand_in=True)], [Mark("ours", 71.0)])
    assert plot.description.startswith("7x7/score in %. claimed (stand-in): 50; ours")
    assert "claimed (stand-in),with its margin,50.0,50.0,50.0\n" in plot.csv
    assert plot.kinds[0] == "claimed (stand-in)"


def test_marks_stand_at_their_places():
    """A published value midway between two others is drawn midway."""
    plot = number_line("m", "%", [], [Mark("a", 10.0), Mark("b", 20.0), Mark("c", 15.0)])
    places = [float(x) for x in re.findall(r'<use xlink:href="#[^"]*" x="([\d.]+)"[^>]*stroke-linejoin', plot.svg)]
    assert len(places) == 3
    assert np.isclose(places[2], (places[0] + places[1]) / 2, atol=1e-3)
    assert places[0] < places[1]


def test_learning_curves_are_a_mean_in_a_band():
    first = {"val/top5": ((100.0, 80.0), (200.0, 91.0)), "train/loss": ((50.0, 2.0),)}
    second = {"val/top5": ((100.0, 84.0),)}
    plot = learning_curves("Curves", [first, second], {"top5": "%"})
    assert plot.csv == (
        "curve,training steps,mean,least,most\nval/top5,100,82,80,84\nval/top5,200,91,91,91\ntrain/loss,50,2,2,2\n"
    )
    assert plot.description == (
        "Curves over training steps, 2 runs: val/top5 (%) from 82 to 91; train/loss from 2 to 2."
    )


def test_agents_curves_stand_over_what_they_count_and_without_what_was_known_before():
    curves = {
        "train/env_steps": ((2.0, 200.0), (4.0, 400.0)), "train/learning_rate": ((2.0, 5e-4), (4.0, 1e-4)),
        "val/return": ((3.0, 7.0),),
    }  # fmt: skip
    plot = learning_curves("Curves", [curves], {"return": "reward"})
    assert plot.csv == "curve,environment steps,mean,least,most\nval/return,300,7,7,7\n"
    assert plot.description == "Curves over environment steps, 1 runs: val/return (reward) from 7 to 7."
    assert "environment steps</text>" in plot.svg
    assert "val/return (reward)</text>" in plot.svg
    assert learning_curves("Curves", [{"train/learning_rate": ((2.0, 5e-4),)}], {}) is None
    assert learning_curves("Curves", [], {}) is None


@pytest.mark.parametrize(("value", "shown"), [(0.00031, "3.1e-4"), (-0.000125, "-1.25e-4"), (0, "0"), (2e4, "20k")])
def test_numbers_beside_axes_are_short(value, shown):
    assert short(value) == shown
