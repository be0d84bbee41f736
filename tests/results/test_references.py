"""Whether references are the official ones, against folders that sacreBLEU itself makes, without a network."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sacrebleu.dataset import DATASETS

from benchmarks.schema import References
from results.scoring.references import checked
from tests.results.translations import sgm

GERMAN = ["Ein Satz &amp; mehr.", "Zwei Leerzeichen", "„Schluß“", "Ende\u00a0gut"]
ENGLISH = ["A sentence &amp; more.", "Two spaces", "“End”", "Ends well"]
SPLIT = "newstest2014.en-de"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What `sacrebleu -t wmt14/full -l en-de --echo ref` leaves: its download is replaced, all else is its own."""
    folder = tmp_path_factory.mktemp("sacrebleu")
    raw = folder / "wmt14" / "full" / "raw"
    (raw / "test-full").mkdir(parents=True)
    (raw / "test-full" / "newstest2014-deen-src.en.sgm").write_text(sgm(ENGLISH))
    (raw / "test-full" / "newstest2014-deen-ref.de.sgm").write_text(sgm(GERMAN))
    (raw / "wmt14_full.test-full.tgz").write_bytes(b"unpacked")
    command = [sys.executable, "-m", "sacrebleu", "-t", "wmt14/full", "-l", "en-de", "--echo", "ref"]
    echo = subprocess.run(
        command, env=os.environ | {"SACREBLEU": str(folder)}, check=True, capture_output=True, text=True
    )
    assert echo.stdout.split("\n")[:3] == GERMAN[:3]
    return folder


@pytest.fixture
def sacrebleu(made, monkeypatch):
    """The folder, as the variable SACREBLEU would have it, which is read only once a process."""
    monkeypatch.setattr(DATASETS["wmt14/full"], "_outdir", str(made / "wmt14" / "full"))
    return made


def official():
    return [*GERMAN[:3], "Ende gut"]


def test_the_official_references_are_known(sacrebleu):
    found = checked(official(), SPLIT)
    text = "Ein Satz &amp; mehr.\nZwei Leerzeichen\n„Schluß“\nEnde gut\n"
    assert found == References(hashlib.sha256(text.encode()).hexdigest(), True, "equal to sacreBLEU's wmt14/full")


def test_other_white_space_changes_the_file_alone(sacrebleu):
    """sacreBLEU takes doubled spaces out of its copy, which WMT's files and the hub's have."""
    found = checked([f" {text.replace(' ', '  ')} \r" for text in official()], SPLIT)
    assert found.checked == "equal to sacreBLEU's wmt14/full"
    assert found.sha256 != checked(official(), SPLIT).sha256


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda texts: [texts[0], "Zwei leerzeichen", texts[2], "Ende"], "in 2 of 4 lines, first line 2"),
        (lambda texts: [texts[0].replace(" ", ""), *texts[1:]], "in 1 of 4 lines, first line 1"),
        (lambda texts: texts[:3], "in 1 of 4 lines, first line 4"),
        (lambda texts: [*texts, "Noch einer"], "in 1 of 5 lines, first line 5"),
        (lambda texts: [*texts, ""], "in 1 of 5 lines, first line 5"),
        (lambda texts: texts[1:], "in 4 of 4 lines, first line 1"),
    ],
)
def test_others_are_counted(sacrebleu, changed, said):
    assert checked(changed(official()), SPLIT).checked == f"differ from sacreBLEU's wmt14/full {said}"


def test_thousands_are_grouped(sacrebleu):
    texts = [*official(), *(["x"] * 2996), *(["y"] * 3)]
    assert checked(texts, SPLIT).checked.endswith("in 2,999 of 3,003 lines, first line 5")


def test_what_sacrebleu_has_not_made_is_not_fetched(sacrebleu, monkeypatch):
    """The other direction is not there, nor another test set; and half of a copy is none."""
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("a download"))
    absent = "only their number was checked, as sacreBLEU's {} is not on this machine"
    assert checked(ENGLISH, "newstest2014.de-en").checked == absent.format("wmt14/full")
    monkeypatch.setattr(DATASETS["wmt15"], "_outdir", str(sacrebleu / "wmt15"))
    monkeypatch.setattr(DATASETS["wmt13"], "_outdir", str(sacrebleu / "wmt13"))
    assert checked(ENGLISH, "newstest2015.de-en").checked == absent.format("wmt15")
    assert checked(ENGLISH, "newstest2013.en-de").checked == absent.format("wmt13")
    assert not (sacrebleu / "wmt15").exists()


@pytest.mark.parametrize("field", ["src", "ref", "docid", "genre", "origlang"])
def test_half_of_a_copy_is_none(sacrebleu, monkeypatch, tmp_path, field):
    """sacreBLEU stopped while it wrote them, one behind another."""
    for file in (sacrebleu / "wmt14" / "full").glob("wmt14_full.en-de.*"):
        if not file.name.endswith(field):
            (tmp_path / file.name).write_bytes(file.read_bytes())
    assert len(list(tmp_path.iterdir())) == 4
    monkeypatch.setattr(DATASETS["wmt14/full"], "_outdir", str(tmp_path))
    assert checked(official(), SPLIT).checked.startswith("only their number")


def test_a_copy_that_is_no_text_differs(sacrebleu, monkeypatch, tmp_path):
    for file in (sacrebleu / "wmt14" / "full").glob("wmt14_full.en-de.*"):
        (tmp_path / file.name).write_bytes(b"\xff\xfe\n" * 4)
    monkeypatch.setattr(DATASETS["wmt14/full"], "_outdir", str(tmp_path))
    assert checked(official(), SPLIT).checked == "differ from sacreBLEU's wmt14/full in 4 of 4 lines, first line 1"


def test_the_variable_says_where_it_is(made):
    """In a process of its own; and importing the module imports no sacreBLEU."""
    program = (
        "import sys; from results.scoring.references import checked; assert 'sacrebleu' not in sys.modules; "
        f"print(checked({official()!r}, {SPLIT!r}).checked)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"SACREBLEU": str(made)}, cwd=Path(__file__).parents[2],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout == "equal to sacreBLEU's wmt14/full\n"
