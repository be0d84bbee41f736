"""`results/tables/`: written from records alone; the same records give the same bytes."""

import re

from benchmarks.files import write_atomically
from benchmarks.paths import ROOT
from results.collect import benchmarks, miniature_rows_of, rows_of
from results.render import MINIATURE_WARNING, comma_separated, markdown, seeds_comma_separated, seeds_markdown

TABLES = "results/tables"
README_BLOCK = re.compile(r"(<!-- claims:.*?-->\n).*?(<!-- /claims -->)", re.DOTALL)


def write_tables() -> str:
    """Writes `claims.{md,csv}` (also into the README) and `seeds.{md,csv}` from full records, and `miniature.{md,csv}`.

    Returns:
        What to print.
    """
    folder = ROOT / TABLES
    claims = [row for name in benchmarks() for row in rows_of(name)]
    miniatures = [row for name in benchmarks() for row in miniature_rows_of(name)]
    write_atomically(folder / "claims.md", markdown(claims).encode())
    write_atomically(folder / "claims.csv", comma_separated(claims).encode())
    write_atomically(folder / "seeds.md", seeds_markdown(claims).encode())
    write_atomically(folder / "seeds.csv", seeds_comma_separated(claims).encode())
    _update_readme(markdown(claims))
    write_atomically(folder / "miniature.md", f"{MINIATURE_WARNING}\n\n{markdown(miniatures)}".encode())
    write_atomically(folder / "miniature.csv", comma_separated(miniatures).encode())
    shown = markdown(claims)
    if miniatures:
        shown += f"\n{MINIATURE_WARNING}\n\n{markdown(miniatures)}"
    return f"{shown}\nwritten: {TABLES}/{{claims,seeds}}.{{md,csv}}, {TABLES}/miniature.{{md,csv}}"


def _update_readme(table: str) -> None:
    path = ROOT / "README.md"
    text = README_BLOCK.sub(lambda block: block[1] + table + block[2], path.read_text(encoding="utf-8"))
    write_atomically(path, text.encode())
