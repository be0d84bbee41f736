"""The tables for a paper: whatever a claim holds, LaTeX compiles them, on one page's width."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.strict import load_claim
from results.collect import Row, judge
from results.latex import escaped, latex
from results.statistics import Interval
from tests.results.records import record

TABLES = Path(__file__).parents[2] / "results/tables"
COMMITTED = sorted(TABLES.glob("*.tex"))
CLAIM = load_claim("imagenet")
AWKWARD = r"""* [a] 50 % & 3_a #1 {x} \ ~ ^ $ < > | " -- `b' /?!@"""
LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿ"
FOREIGN = "\u2013 \u2018a\u2019 “b” \u2212 \u00d7 ± ≤ ≥ → « Þ ð ÷ 棋 Ω \x00 \x7f \U0001f642"

needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="LaTeX is not installed (apt install texlive-latex-base texlive-latex-recommended)",
)


def row(name="top-5", **changes):
    reading = replace(CLAIM.readings[0], name=name)
    return replace(Row("imagenet", CLAIM, reading, "trained", "not run", None, "", ()), **changes)


def compiled(folder, *texts, engine="pdflatex"):
    """What LaTeX says of an article with the tables, once it knows the widths of their columns."""
    (folder / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage{array,booktabs,longtable}\n\\begin{document}\n"
        + "\n".join(texts)
        + "\\end{document}\n"
    )
    for _ in range(2):
        done = subprocess.run(
            [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"],
            cwd=folder, capture_output=True, check=False,
        )  # fmt: skip
        log = (folder / "paper.log").read_text(errors="replace")
        assert done.returncode == 0, log[-2000:]
    assert (folder / "paper.pdf").stat().st_size
    return log


@needs_latex
@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_the_committed_tables_compile_and_fit_the_line(path, tmp_path):
    assert "Overfull" not in compiled(tmp_path, path.read_text())


@needs_latex
def test_a_paper_may_hold_all_of_them(tmp_path):
    assert "multiply defined" not in compiled(tmp_path, *(path.read_text() for path in COMMITTED))


@needs_latex
@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
@pytest.mark.parametrize("text", [AWKWARD, LETTERS, FOREIGN], ids=["awkward", "letters", "foreign"])
def test_whatever_is_in_a_claim_compiles(text, engine, tmp_path):
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed")
    reading = replace(CLAIM.readings[0], name=text, unit=text, variant=text, stand_in=True)
    found = Interval(-1.0, -2.0, 3.0, 1.0, 1.0, 5, True)
    rows = [row(), replace(row(), reading=reading, interval=found, verdict=text), row(text, benchmark=text)]
    compiled(tmp_path, latex("awkward", rows), engine=engine)


@needs_latex
def test_two_pages_of_rows_compile(tmp_path):
    rows = [row(f"reading {i}", benchmark=f"benchmark {i // 5}") for i in range(100)]
    assert "[3" in compiled(tmp_path, latex("long", rows))


def test_what_latex_takes_for_commands_is_escaped():
    assert escaped(r"50 % & 3_a #1 {x} \ ~ ^ $ < >") == (
        r"50 \% \& 3\_a \#1 \{x\} \textbackslash{} \textasciitilde{} \textasciicircum{} \$ \textless{} \textgreater{}"
    )
    assert escaped("two\nlines\tand  spaces") == "two lines and spaces"


def test_a_minus_is_no_hyphen():
    assert escaped("-1.50 to -0.25, top-5") == "$-$1.50 to $-$0.25, top-5"


def test_what_a_font_may_lack_stands_there_as_its_code():
    assert escaped("é \u00d7 Ω\x00") == r"é $\times$ U+03A9U+0000"
    assert escaped(LETTERS) == LETTERS


def test_a_row_as_a_paper_shows_it():
    text = latex("claims", [judge(CLAIM, CLAIM.readings[0], [record(0, 91.4)])])
    assert text.startswith(r"% Needs \usepackage{array,booktabs,longtable}")
    assert r"\label{tab:claims}" in text
    assert "Reading & Claimed & Measured & 95 \\% interval & Seeds & Verdict \\\\\n" in text
    assert "top-5\\textsuperscript{1} & 91.3 \\% & 91.40 & 91.20 to 91.60 & 1 & reproduced \\\\\n" in text
    assert "full-s0" not in text


def test_rows_share_a_note_below_the_table():
    text = latex("claims", [row(note=note) for note in ("10 % alone", "", "others", "10 % alone")])
    assert re.findall(r"top-5(\\textsuperscript\{.\})? &", text) == [
        r"\textsuperscript{1}", "", r"\textsuperscript{2}", r"\textsuperscript{1}",
    ]  # fmt: skip
    below = (
        "\\noindent\\textsuperscript{1} 10 \\% alone.\\par\n\\noindent\\textsuperscript{2} others.\\par\n\\endgroup\n"
    )
    assert text.endswith("\\end{longtable}\n" + below)


def test_stand_ins_variants_and_what_was_not_trained_here_are_marked():
    reading = replace(CLAIM.readings[0], stand_in=True, variant="wide")
    assert "top-5 (wide) & 91.3 \\% (stand-in) &" in latex("claims", [row(reading=reading)])
    assert "top-5, re-evaluated &" in latex("claims", [row(origin="re-evaluated")])


def test_each_benchmark_is_named_once_above_its_rows():
    text = latex("claims", [row(benchmark=name) for name in ("coco", "coco", "wmt_rnn")])
    assert text.count("\\textbf{coco}} \\\\*") == 1
    assert text.index(r"\textbf{coco}") < text.index("top-5") < text.index(r"\textbf{wmt\_rnn}")
    assert text.count("top-5") == 3
