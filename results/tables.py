"""`results/tables/`: written from records alone; the same records give the same bytes."""

import re
from collections.abc import Mapping, Sequence

from benchmarks.errors import UserError
from benchmarks.files import write_atomically
from benchmarks.paths import ROOT, benchmarks
from results.collect import Row, miniature_rows_of, rows_of
from results.latex import latex
from results.render import (
    MINIATURE_WARNING,
    comma_separated,
    markdown,
    markdown_without_runs,
    seeds_comma_separated,
    seeds_markdown,
)

TABLES = "results/tables"
README = "README.md"
README_BLOCK = re.compile(r"(<!-- claims:.*?-->\n).*?(<!-- /claims -->)", re.DOTALL)


def write_tables() -> str:
    """Writes what `committed` says, the claims also into the README, and `miniature.{md,csv}`, which stays here.

    Returns:
        What to print.

    Raises:
        UserError: the README cannot be read, or has lost the place of its table; nothing is written then.
    """
    rows = {name: rows_of(name) for name in benchmarks()}
    files = committed(rows)
    miniatures = [row for name in benchmarks() for row in miniature_rows_of(name)]
    warned = f"{MINIATURE_WARNING}\n\n{markdown(miniatures)}"
    local = {"miniature.md": warned, "miniature.csv": comma_separated(miniatures)}
    readme = readme_with(rows)
    for name, text in (files | local).items():
        write_atomically(ROOT / TABLES / name, text.encode())
    write_atomically(ROOT / README, readme.encode())
    shown = files["claims.md"] + (f"\n{warned}" if miniatures else "")
    return f"{shown}\nwritten: {TABLES}/{{claims,<benchmark>}}.{{md,csv,tex}}, {TABLES}/{{seeds,miniature}}.{{md,csv}}"


def committed(rows: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """The files of `results/tables/` that are committed, by name: one set of all claims and one a benchmark, and seeds.

    Args:
        rows: benchmark -> its rows from full records.
    """
    claims = [row for its in rows.values() for row in its]
    files = {"seeds.md": seeds_markdown(claims), "seeds.csv": seeds_comma_separated(claims)}
    for name, its in {"claims": claims, **rows}.items():
        files |= {f"{name}.md": markdown(its), f"{name}.csv": comma_separated(its), f"{name}.tex": latex(name, its)}
    return files


def readme_with(rows: Mapping[str, Sequence[Row]]) -> str:
    """The README with its table of claims made anew, of benchmark -> its rows from full records."""
    table = markdown_without_runs([row for its in rows.values() for row in its])
    try:
        before = (ROOT / README).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise UserError(f"{README} cannot be read: {why}. Restore it: git checkout {README}.") from None
    text, count = README_BLOCK.subn(lambda block: block[1] + table + block[2], before)
    if count != 1:
        raise UserError(
            f"{README}: the table of claims has lost `<!-- claims: -->` above or `<!-- /claims -->` below it."
        )
    return text
