"""`results/report.html`: one page that needs nothing else. From records, the sheets beside them and measured speeds."""

from __future__ import annotations

import re
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from benchmarks.files import write_atomically
from benchmarks.paths import ROOT, benchmarks
from benchmarks.speeds import load_speeds
from benchmarks.strict import load_claim
from results.collect import miniature_rows_of, rows_of
from results.render import MINIATURE_WARNING
from results.report.repeating import kept, repeat, reproduce, score_again
from results.report.sections import SYMBOLS, Section, alone, cost, least, packages, section_of, title
from results.wording import bounds, claimed, machine, number

REPORT = "results/report.html"
ROOM = 2_500_000  # bytes for sheets


def write_report() -> str:
    """Writes the report.

    Returns:
        What to print.
    """
    sections, room = [], ROOM
    for name in benchmarks():
        sections.append(section_of(name, load_claim(name), rows_of(name), load_speeds(name), room))
        room -= sum(len(sheet.html.encode()) for sheet in sections[-1].sheets if sheet.html is not None)
    page = render(sections)
    write_atomically(ROOT / REPORT, page.encode())
    return f"written: {REPORT} ({len(page.encode()) / 1e6:.1f} MB); open it in a browser"


def render(sections: list[Section]) -> str:
    """The page's HTML."""
    templates = Environment(
        loader=PackageLoader("results", "report"), autoescape=select_autoescape(), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters |= {"prose": prose, "number": number, "link": link, "quote": quote, "title": title}
    templates.filters |= {"machine": machine, "packages": packages}
    templates.globals |= {
        "cost": cost,
        "kept": kept,
        "least": least,
        "alone": alone,
        "symbols": SYMBOLS,
        "ends": bounds,
        "claimed": claimed,
    }
    templates.globals |= {"reproduce": reproduce, "repeat": repeat, "score_again": score_again}
    miniatures = [row for section in sections for row in miniature_rows_of(section.benchmark)]
    return templates.get_template("page.html").render(
        sections=sections, miniatures=miniatures, warning=MINIATURE_WARNING
    )


def prose(text: str) -> Markup:
    """Text with `code` in it."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (it was escaped)


def link(path: str) -> str:
    """A file of the repository as the page, which lies in results/, links to it."""
    return path.removeprefix("results/") if path.startswith("results/") else f"../{path}"
