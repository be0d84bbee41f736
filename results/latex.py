r"""Rows -> a table that a paper includes with `\input`. Pure code."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from results.collect import Row
from results.render import COLUMNS, cells

# Numbers stay whole, words break; the shares of the line are such that `article`, the narrowest, holds them.
FORM = {
    "reading": r">{\raggedright\hangindent=1em\arraybackslash}p{0.26\linewidth}",
    "claimed": r">{\raggedright\arraybackslash}p{0.14\linewidth}",
    "measured": "r",
    "95 % interval": "r",
    "seeds": "r",
    "verdict": r">{\raggedright\arraybackslash}p{0.13\linewidth}",
}

NEEDS = r"% Needs \usepackage{array,booktabs,longtable} and a page of one column. Written by `make tables`."

CAPTION = (
    "What was claimed and what was measured, in the unit of the claim. A stand-in is a threshold of ours where the "
    "article gives no number; an ill-posed reading cannot be tested, or its test would say nothing."
)

# Beside what LaTeX takes for commands: what its first font encoding has other glyphs for (< > | "), and what \\ would
# take for its argument at the start of a line (* [).
ESCAPES = str.maketrans(
    {symbol: f"\\{symbol}" for symbol in "%&_#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "*": "{*}", "[": "{[}"}
    | {"\u2013": "--", "\u2018": "`", "\u2019": "'", "\u201c": "``", "\u201d": "''"}
    | {"\u2212": "$-$", "\u00d7": r"$\times$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\to$"}
)  # fmt: skip

MINUS = re.compile(r"(?<!\S)-(?=\d)")
# Of the rest, both pdflatex and lualatex print ASCII and the letters of western Europe in any font.
UNPRINTABLE = re.compile(r"[^ -~À-ÏÑ-ÖØ-Ýß-ïñ-öø-ýÿ]")


def escaped(text: str) -> str:
    """The text on one line of LaTeX; a character that a font may lack as its code, which nobody overlooks."""
    line = MINUS.sub("\u2212", " ".join(text.split())).translate(ESCAPES)
    return UNPRINTABLE.sub(lambda found: f"U+{ord(found[0]):04X}", line)


def latex(name: str, rows: Sequence[Row]) -> str:
    r"""A table of rows under their benchmarks' names, with notes below; it breaks across pages between benchmarks.

    Args:
        name: what the table is referred to by, as in `\ref{tab:claims}`.
        rows: the rows, those of a benchmark in succession.
    """
    head = f"\\toprule\n{' & '.join(escaped(column.capitalize()) for column in FORM)} \\\\\n\\midrule\n"
    notes = [*dict.fromkeys(row.note for row in rows if row.note and row.reading.ill_posed is None)]
    marks = {note: f"\\textsuperscript{{{number}}}" for number, note in enumerate(notes, 1)}
    groups = [_group(benchmark, list(its), marks) for benchmark, its in groupby(rows, key=lambda row: row.benchmark)]
    below = "".join(f"\\noindent{mark} {escaped(note)}.\\par\n" for note, mark in marks.items())
    return (
        f"{NEEDS}\n\\begingroup\\footnotesize\\setlength{{\\tabcolsep}}{{3.5pt}}\n"
        f"\\begin{{longtable}}{{@{{}}{''.join(FORM.values())}@{{}}}}\n"
        f"\\caption{{{CAPTION}}}\\label{{tab:{name}}}\\\\\n{head}\\endfirsthead\n{head}\\endhead\n"
        "\\bottomrule\n\\endfoot\n" + "\\addlinespace\n".join(groups) + f"\\end{{longtable}}\n{below}\\endgroup\n"
    )


def _group(benchmark: str, rows: Sequence[Row], marks: Mapping[str, str]) -> str:
    title = f"\\multicolumn{{{len(FORM)}}}{{@{{}}l}}{{\\textbf{{{escaped(benchmark)}}}}}"
    lines = [title, *(_row(row, marks.get(row.note, "")) for row in rows)]
    return " \\\\*\n".join(lines) + " \\\\\n"  # a page may not end after \\*


def _row(row: Row, mark: str) -> str:
    """The cells that a paper shows: the unit stands beside the claim alone, the origin where it is no training."""
    shown = dict(zip(COLUMNS, cells(row), strict=True))
    shown["measured"] = shown["measured"].removesuffix(f" {row.reading.unit}")
    if row.origin not in ("trained", ""):
        shown["reading"] += f", {row.origin}"
    first, *others = map(escaped, (shown[column] for column in FORM))
    return " & ".join([first + mark, *others])
