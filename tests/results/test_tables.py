"""The tables: from records alone, the same bytes each time, quickly."""

import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import paths
from benchmarks.claim import Margin
from benchmarks.errors import UserError
from benchmarks.paths import benchmarks
from benchmarks.strict import load_claim
from results import tables
from results.collect import Row, judge, rows_of
from results.render import COLUMNS, MINIATURE_WARNING, comma_separated, markdown, summary, table
from results.statistics import Interval
from results.stored import records_of
from results.wording import bounds
from tests.results.records import measurement, miniature_record, put, record, sealed

CHECKOUT = Path(__file__).parents[2]
CLAIM = load_claim("imagenet")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with ImageNet's claim, a README and no records."""
    (tmp_path / "benchmarks/imagenet").mkdir(parents=True)
    shutil.copy(CHECKOUT / "benchmarks/imagenet/claim.yaml", tmp_path / "benchmarks/imagenet")
    shutil.copy(CHECKOUT / "README.md", tmp_path)
    for module in (tables, paths):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def written(repository):
    return {path.name: path.read_bytes() for path in (repository / "results/tables").iterdir()}


def test_a_readme_that_lost_the_place_of_its_table_is_left_alone(repository):
    readme = repository / "README.md"
    readme.write_text(readme.read_text().replace("<!-- /claims -->\n", ""))
    before = readme.read_bytes()
    with pytest.raises(UserError, match=r"README\.md: the table of claims has lost"):
        tables.write_tables()
    assert readme.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"\xff"], ids=["missing", "no UTF-8"])
def test_a_readme_that_cannot_be_read_leaves_the_tables_as_they_are(repository, content):
    (repository / "README.md").unlink()
    if content is not None:
        (repository / "README.md").write_bytes(content)
    with pytest.raises(UserError, match=r"README\.md cannot be read: .*git checkout README\.md"):
        tables.write_tables()
    assert not (repository / "results/tables").exists()


def test_the_tables_without_a_record(repository):
    printed = tables.write_tables()
    assert sorted(written(repository)) == [
        "claims.csv", "claims.md", "claims.tex", "imagenet.csv", "imagenet.md", "imagenet.tex", "miniature.csv",
        "miniature.md", "seeds.csv", "seeds.md",
    ]  # fmt: skip
    assert "| imagenet | top-5 |  | 91.3 % |  |  |  | not run |  |" in printed
    assert "imagenet,top-5,,,test/top5,91.3," in written(repository)["claims.csv"].decode()
    assert "top-5 & 91.3" in written(repository)["claims.tex"].decode()
    assert MINIATURE_WARNING not in printed


def test_the_same_records_give_the_same_bytes(repository):
    put(repository, record(0, 91.4), record(1, 91.5), miniature_record())
    tables.write_tables()
    first = written(repository), (repository / "README.md").read_bytes()
    shutil.rmtree(repository / "results/tables")
    for path in sorted((repository / "results/records/imagenet").iterdir(), reverse=True):
        os.utime(path)  # files of another age, met in another order
    tables.write_tables()
    assert (written(repository), (repository / "README.md").read_bytes()) == first


def test_miniature_rows_are_never_among_the_claims(repository):
    put(repository, record(0, 91.4), miniature_record())
    tables.write_tables()
    found = {name: content.decode() for name, content in written(repository).items()}
    readme = (repository / "README.md").read_text()
    for text in (
        *(content for name, content in found.items() if not name.startswith("miniature")),
        readme[readme.index("<!-- claims:") : readme.index("<!-- /claims")],
    ):
        assert "mini" not in text.replace("miniature", "mini").split("-->")[-1]
        assert "pipeline" not in text.split("-->")[-1]
    assert "full-s0" not in found["miniature.csv"]
    assert found["miniature.md"].startswith(MINIATURE_WARNING)


def test_the_readme_shows_the_claims(repository):
    put(repository, record(0, 91.4))
    tables.write_tables()
    (row,) = re.findall(r"^\| imagenet \| top-5 .*$", (repository / "README.md").read_text(), re.MULTILINE)
    assert row.startswith("| imagenet | top-5 | trained | 91.3 % | 91.40 % |")
    assert (repository / "results/tables/claims.md").read_text().count(row + " full-s0") == 1  # there with its runs


def test_csv_is_unrounded_and_complete(repository):
    value = 91.41000000000003
    put(repository, record(0, value))
    tables.write_tables()
    with (repository / "results/tables/claims.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert float(first["mean"]) == value
    assert float(first["low"]) == value - 0.1 * 1.959963984540054
    assert (first["benchmark"], first["reading"], first["metric"]) == ("imagenet", "top-5", "test/top5")
    assert (first["target"], first["margin"], first["seeds"], first["verdict"]) == ("91.3", "0.2", "1", "reproduced")
    assert first["runs"] == "full-s0-aaaaaaaaaaaa"
    assert second["reading"] == "top-1"


def cells_of(line):
    return re.split(r"(?<!\\)\|", line)[1:-1]


def test_markdown_is_well_formed_whatever_is_in_a_note():
    reading = CLAIM.readings[0]
    notes = ["a | b", "two\nlines", "tab\tand  spaces", "", "<!-- x -->"]
    rows = [Row("imagenet", CLAIM, reading, "trained", "not run", None, note, ()) for note in notes]
    rows.append(judge(CLAIM, reading, [record(0, 91.4)]))
    lines = markdown(rows).splitlines()
    assert [cell.strip() for cell in cells_of(lines[0])] == list(COLUMNS)
    assert set(cells_of(lines[1])) == {" --- "}
    assert len(lines) == 2 + len(rows)
    assert {len(cells_of(line)) for line in lines} == {len(COLUMNS)}
    assert "two lines" in lines[3]
    assert lines[-1].startswith("| imagenet | top-5 | trained | 91.3 % | 91.40 % | 91.20 to 91.60 | 1 | reproduced |")


def test_csv_survives_what_is_in_a_note():
    note = 'a "b", c\nd'
    row = Row("imagenet", CLAIM, CLAIM.readings[0], "trained", "not run", None, note, ())
    assert next(csv.DictReader(comma_separated([row]).splitlines(keepends=True)))["note"] == note


def test_stand_ins_and_variants_are_marked():
    reading = replace(CLAIM.readings[0], stand_in=True, variant="wide")
    (line,) = markdown([Row("imagenet", CLAIM, reading, "trained", "not run", None, "", ())]).splitlines()[2:]
    assert "| top-5 (wide) | trained | 91.3 % (stand-in) |" in line


def test_the_end_of_a_miniature_run():
    text = summary(CLAIM, miniature_record(95.0, 60.0))
    assert f"claim      {CLAIM.source.statement}" in text
    assert "reading    top-5: test/top5, claimed 91.3 %" in text
    assert "measured 95.00 %, 95 % interval 93.04 to 96.96, 400 examples, each once" in text
    assert "baseline linear_8x8/top5: 30.00 %" in text
    assert text.count("verdict  pipeline ok") == 2
    assert text.endswith(MINIATURE_WARNING)


def test_the_end_of_a_full_run_has_no_such_warning():
    text = summary(CLAIM, record(0, 91.5))
    assert "verdict  reproduced (training variance not covered)" in text
    assert MINIATURE_WARNING not in text


def test_the_end_of_a_run_says_whose_threshold_it_is_and_has_the_intervals_of_rows():
    run = next(each for each in records_of("driving", "full") if each.variant is None)
    text = summary(load_claim("driving"), run)
    assert "highway-fast-v0/crash_above_idm, claimed 0 points (stand-in)" in text
    # none among 500, by Wilson: z^2 / (500 + z^2)
    assert "also       highway-fast-v0/idm_crash 0.00 %, 95 % interval 0.00 to 0.76\n" in text


def test_a_corrupt_record_is_named(workshop):
    put(workshop.root, record(0))
    (workshop.root / "results/records/imagenet/full-s1.json").write_text('{"schema": 1')
    done = _tables(workshop.root)
    assert done.returncode == 2
    assert "error: results/records/imagenet/full-s1.json: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (workshop.root / "results/tables").exists()


WITHOUT_TORCH = """
import sys
from benchmarks.cli import main
code = main(["tables"])
assert "torch" not in sys.modules
sys.exit(code)
"""


READ_ALONE = """
import json
from pathlib import Path
for path in Path("results/records/imagenet").glob("*.json"):
    json.loads(path.read_text())
"""


def _tables(repository, program=WITHOUT_TORCH):
    return subprocess.run(
        [sys.executable, "-c", program], cwd=repository, env=os.environ | {"PYTHONPATH": str(repository)},
        text=True, capture_output=True, check=False,
    )  # fmt: skip


def _processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.slow
def test_a_thousand_records_take_little_longer_than_reading_them_does(workshop):
    """Start of the program, validation and seals included: some four times as long as Python's own json."""
    points = tuple((float(step), step / 3) for step in range(200))
    curves = dict.fromkeys(("train/loss", "train/lr", "val/top1", "val/top5"), points)
    names = [f"{kind}-s{seed}-{seed:012x}" for seed in range(500) for kind in ("full", "mini")]
    full, mini = record(0, 91.5, curves=curves), miniature_record(curves=curves)
    folder = workshop.root / "results/records/imagenet"
    put(workshop.root, full, mini)
    texts = {kind: (folder / f"{kind}-s0-aaaaaaaaaaaa.json").read_text() for kind in ("full", "mini")}
    shutil.rmtree(folder)
    folder.mkdir()
    for name in names:
        content = json.loads(texts[name[:4]]) | {"run_id": name, "seed": int(name.split("-")[1][1:])}
        (folder / f"{name}.json").write_text(sealed(content))
    shutil.copy(CHECKOUT / "README.md", workshop.root)

    seconds = {WITHOUT_TORCH: [], READ_ALONE: []}
    for _ in range(3):
        for program, taken in seconds.items():
            started = _processor_seconds()  # which other work on the machine does not lengthen, as it does the time
            done = _tables(workshop.root, program)
            taken.append(_processor_seconds() - started)
            assert done.returncode == 0, done.stderr
    assert "| 500 | reproduced |" in _tables(workshop.root).stdout
    assert min(seconds[WITHOUT_TORCH]) < 6 * min(seconds[READ_ALONE]), seconds


def test_a_metric_that_no_reading_names_is_left_out(repository):
    put(repository, record(0, metrics={"test/accuracy": measurement(99.0)}))
    assert "99.00" not in tables.write_tables()


def test_a_benchmark_has_a_set_of_its_own_rows(repository):
    other = repository / "benchmarks/driving"
    other.mkdir()
    shutil.copy(CHECKOUT / "benchmarks/driving/claim.yaml", other)
    tables.write_tables()
    found = {name: content.decode() for name, content in written(repository).items()}
    for kind in ("md", "csv", "tex"):
        assert "crash rate" in found[f"driving.{kind}"]
        assert "crash rate" not in found[f"imagenet.{kind}"]
        assert "top-5" not in found[f"driving.{kind}"]
        assert "top-5" in found[f"claims.{kind}"]
        assert "crash rate" in found[f"claims.{kind}"]


def test_the_committed_tables_are_current():
    rows = {name: rows_of(name) for name in benchmarks()}
    current = tables.committed(rows)
    folder = CHECKOUT / "results/tables"
    there = {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith("miniature")}
    assert there == current
    assert tables.readme_with(rows) == (CHECKOUT / "README.md").read_text()


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (75.0, 76.0, "75.00 to 76.00"),
        (85.0, 90.996, "85.000 to 90.996"),  # below what passes, 91.0, which two digits would not show
        (90.99996, 92.0, "90.99996 to 92.00000"),
        (91.0, 92.0, "91.00 to 92.00"),
        (-0.001, 0.001, "0.00 to 0.00"),
    ],
)
def test_an_interval_shows_on_which_side_of_the_bar_it_ends(low, high, shown):
    reading = replace(load_claim("imagenet").readings[0], target=91.0, margin=Margin(0.0, "none"), rounding=0.0)
    assert bounds(Interval((low + high) / 2, low, high, 0.1, 0.1, 3, covers_training=True), reading) == shown


@pytest.mark.parametrize(
    ("note", "cell"),
    [
        ("<!-- /claims -->", r"\<!-- /claims --\>"), ("a | b", r"a \| b"), ("a \\| b", r"a \\\| b"),
        ("![x](http://y)", r"!\[x](http://y)"), ("<script>", r"\<script\>"), ("[0, 1] of a_b", "[0, 1] of a_b"),
    ],
)  # fmt: skip
def test_a_note_is_only_text_in_a_table(note, cell):
    assert table([("note",), (note,)]).splitlines()[-1] == f"| {cell} |"


@pytest.mark.parametrize("start", "=+-@")
def test_a_note_is_no_formula_in_a_spreadsheet(start):
    row = replace(rows_of("locomotion_walk")[0], note=f"{start}1+1")
    (line,) = csv.DictReader(comma_separated([row]).splitlines(keepends=True))
    assert line["note"] == f"'{start}1+1"
    assert float(line["low"]) == row.interval.low
