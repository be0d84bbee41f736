"""Plots of the report as SVG, whose text is text and whose colours follow the page, each with its data as CSV."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from matplotlib.transforms import blended_transform_factory

from benchmarks.schema import short_hash
from results.scoring.rows import csv_of
from results.wording import STAND_IN

INCH = 72  # points; the units of matplotlib's SVG
WIDTH = 360  # points, about a phone's
LINE = 14  # points from one line of text to the next
LETTERS = 58  # in a line
BESIDE = 2  # curves in a row

# matplotlib writes colours out. These stand for the page's, which change with light and dark.
INK, MEASURED, CLAIMED, PUBLISHED = "#010101", "#010102", "#010103", "#010104"
OF_PAGE = {INK: "currentColor", MEASURED: "var(--measured)", CLAIMED: "var(--claimed)", PUBLISHED: "var(--muted)"}

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "claims", "font.size": 11, "text.color": INK, "axes.edgecolor": PUBLISHED,
    "axes.labelcolor": INK, "xtick.color": PUBLISHED, "ytick.color": PUBLISHED, "xtick.labelcolor": INK,
    "ytick.labelcolor": INK, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 11,
    "axes.titlelocation": "left", "lines.linewidth": 1.5,
}  # fmt: skip

TO_DROP = (
    (r"^.*?<svg[^>]*>", ""), (r"<metadata>.*?</metadata>", ""), (r"<style.*?</style>", ""), (r' id="[\w.]+_\d+"', ""),
    (r"font-family: [^;]*; ?", ""), (r"\s*\n\s*", " "), (r' transform="rotate\(-0 [^"]*"', ""),
)  # fmt: skip

# By what agents count their training, whose steps stand for many of each.
COUNTERS = {"train/env_steps": "environment steps", "train/games": "games"}
SCHEDULED = {"train/learning_rate", *COUNTERS}  # the recipe says how they go, so no run measures them

Curves = Sequence[Mapping[str, Sequence[tuple[float, float]]]]


@dataclass(frozen=True)
class Plot:
    """A picture as SVG, to stand in a page; what it shows, for who cannot see it; its data."""

    title: str
    description: str
    svg: str
    csv: str
    kinds: tuple[str, ...] = ()  # of what stands on a number line: claimed or claimed (stand-in), measured, published


@dataclass(frozen=True)
class Claimed:
    """What is claimed, by the article or in its place by us, and the worst value that still reproduces it."""

    value: float
    least: float
    stand_in: bool

    @property
    def kind(self) -> str:
        """What it is called beside the plot, which draws both alike."""
        return "claimed" + STAND_IN * self.stand_in


@dataclass(frozen=True)
class Mark:
    """A result on a number line; ours have an interval and the values of their runs."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    runs: tuple[float, ...] = ()

    def __str__(self) -> str:
        bounds = f", 95 % interval {self.interval[0]:.2f} to {self.interval[1]:.2f}" if self.interval else ""
        return f"{self.name}: {self.value:.2f}{bounds}"


def number_line(title: str, unit: str, claimed: Sequence[Claimed], marks: Sequence[Mark]) -> Plot:
    """What is claimed as a line with its margin, and each result below its name, at its place."""
    labels = [wrap(mark.name, LETTERS) for mark in marks]
    ends = np.cumsum([0.0, *(LINE * (len(lines) + 1.3) for lines in labels)])
    with mpl.rc_context(STYLE):
        figure = _figure(ends[-1] + 3.5 * LINE)
        axes = figure.subplots()
        _place(figure, left=1.5, right=1.5, top=0.5, bottom=2.5)
        beside = blended_transform_factory(figure.transFigure, axes.transData)
        for each in claimed:
            axes.axvspan(each.value, each.least, color=CLAIMED, alpha=0.25, linewidth=0)
            axes.axvline(each.value, color=CLAIMED)
        for mark, lines, top, bottom in zip(marks, labels, ends[:-1], ends[1:], strict=True):
            axes.text(0.01, top, "\n".join(lines), transform=beside, va="top")
            _draw(axes, mark, bottom - LINE)
        axes.set_ylim(ends[-1] + LINE / 2, 0)
        axes.margins(x=0.08)
        axes.set_xlabel(unit)
        axes.yaxis.set_visible(False)
        axes.spines["left"].set_visible(False)
        svg = _svg(figure)
    told = "; ".join([*(f"{each.kind}: {each.value:g}" for each in claimed), *map(str, marks)])
    kinds = dict.fromkeys([*(each.kind for each in claimed), *map(_kind, marks)])
    return Plot(title, f"{title} in {unit}. {told}.", svg, _marks_csv(claimed, marks), tuple(kinds))


def _kind(mark: Mark) -> str:
    return "measured" if mark.interval else "published"


def _draw(axes: Axes, mark: Mark, height: float) -> None:
    if mark.interval is None:
        axes.plot([mark.value], [height], "D", color=PUBLISHED, markersize=5)
        return
    axes.plot(mark.interval, [height] * 2, color=MEASURED, linewidth=6, alpha=0.4, solid_capstyle="butt")
    axes.plot(mark.runs, [height] * len(mark.runs), "o", color="none", markeredgecolor=MEASURED, markersize=5)
    axes.plot([mark.value], [height], "|", color=MEASURED, markersize=14, markeredgewidth=2.5)


def _marks_csv(claimed: Sequence[Claimed], marks: Sequence[Mark]) -> str:
    lines: list[tuple[str | float, ...]] = [("what", "name", "value", "low", "high")]
    lines += [(each.kind, "with its margin", each.value, *sorted((each.value, each.least))) for each in claimed]
    for mark in marks:
        lines.append((_kind(mark), mark.name, mark.value, *(mark.interval or ("", ""))))
        lines += [("run", mark.name, value, "", "") for value in mark.runs]
    return csv_of(lines)


def learning_curves(title: str, runs: Curves, units: Mapping[str, str]) -> Plot | None:
    """What runs measured on their way: the mean over the runs, and a band from the least to the most of them.

    Args:
        title: of the plot.
        runs: the curves of each, by the names that its record gives them.
        units: of metrics, by their names without a prefix such as `val/`; what is no metric has none.

    Returns:
        None where they measured nothing.
    """
    keys = {key for run in runs for key in run} - SCHEDULED
    if not keys:
        return None
    counted, runs = _counted(runs)
    bands = {key: _band(runs, key) for key in sorted(keys, key=_validation_first)}
    names = {key: _with_unit(key, units) for key in bands}
    rows = math.ceil(len(bands) / BESIDE)
    with mpl.rc_context(STYLE):
        figure = _figure(9 * LINE * rows)
        axes = figure.subplots(rows, BESIDE, squeeze=False).ravel()
        _place(figure, left=3.5, right=0.7, top=1.5, bottom=2.5, hspace=0.8, wspace=0.4)
        for place in axes[len(bands) :]:
            place.remove()
        for place, (key, band) in zip(axes, bands.items(), strict=False):
            steps, mean, low, high = band.T
            place.fill_between(steps, low, high, color=MEASURED, alpha=0.3, linewidth=0)
            place.plot(steps, mean, color=MEASURED, marker="o" if len(steps) == 1 else "", markersize=3)
            place.set_title(names[key])
            place.set_xlabel(counted)
            place.locator_params(nbins=4)
            place.xaxis.set_major_formatter(short)
            place.yaxis.set_major_formatter(short)
        svg = _svg(figure)
    told = "; ".join(f"{names[key]} from {band[0, 1]:.4g} to {band[-1, 1]:.4g}" for key, band in bands.items())
    return Plot(title, f"{title} over {counted}, {len(runs)} runs: {told}.", svg, _bands_csv(counted, bands))


def _with_unit(key: str, units: Mapping[str, str]) -> str:
    """A curve's name with its unit, where one is known: `val/return (reward)`."""
    unit = units.get(key.rpartition("/")[2])
    return key if unit is None else f"{key} ({unit})"


def _counted(runs: Curves) -> tuple[str, Curves]:
    """What runs count their training by, and their curves over that instead of training steps."""
    counter = next((key for key in COUNTERS if key in runs[0]), None)
    if counter is None:
        return "training steps", runs
    each = [run[counter][-1][1] / run[counter][-1][0] for run in runs]  # of a training step, all of which are alike
    return COUNTERS[counter], [
        {key: [(step * count, value) for step, value in curve] for key, curve in run.items()}
        for run, count in zip(runs, each, strict=True)
    ]


def short(value: float, _: int = 0) -> str:
    """A number beside an axis, in few letters: large ones as 20k or 1M, small ones as 3e-4."""
    if abs(value) >= 1e4:
        return EngFormatter(sep="")(value)
    if 0 < abs(value) < 1e-3:
        return np.format_float_scientific(value, precision=2, trim="-", exp_digits=1)
    return f"{value:g}"


def _validation_first(key: str) -> tuple[bool, str]:
    return not key.startswith("val/"), key


def _band(runs: Curves, key: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Step, mean, least and most of the runs that have a curve [steps, 4]."""
    found: dict[float, list[float]] = {}
    for run in runs:
        for step, value in run.get(key, ()):
            found.setdefault(step, []).append(value)
    return np.array([(step, np.mean(each), min(each), max(each)) for step, each in sorted(found.items())])


def _bands_csv(counted: str, bands: Mapping[str, Iterable[Iterable[float]]]) -> str:
    lines = [(key, *(f"{value:.7g}" for value in row)) for key, band in bands.items() for row in band]
    return csv_of([("curve", counted, "mean", "least", "most"), *lines])


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH / INCH, height / INCH))


def _place(figure: Figure, left: float, right: float, top: float, bottom: float, **between: float) -> None:
    """Keeps so many lines free around the plots; to find out how many are needed takes as long as to draw them."""
    width, height = LINE / WIDTH, LINE / (figure.get_figheight() * INCH)
    figure.subplots_adjust(left * width, bottom * height, 1 - right * width, 1 - top * height, **between)


def _svg(figure: Figure) -> str:
    """A figure as an SVG element in the colours and letters of the page, with names that no other element has."""
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    svg = written.getvalue()
    own = short_hash(svg)
    for pattern, instead in (*TO_DROP, (r'(\bid="|url\(#|href="#)', rf"\g<1>{own}-")):
        svg = re.sub(pattern, instead, svg, flags=re.DOTALL)
    for colour, of_page in OF_PAGE.items():
        svg = svg.replace(colour, of_page)
    width, height = figure.get_size_inches() * INCH
    return f'<svg viewBox="0 0 {width:g} {height:g}" aria-hidden="true">{svg}'
