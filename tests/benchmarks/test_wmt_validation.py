"""WMT's checkpoints and anybody's translations, validated by real processes; references beside the official ones."""

import itertools
import shutil
from pathlib import Path

import pytest

from tests.benchmarks import wmt_runs
from tests.benchmarks.conftest import CHECKOUT
from tests.benchmarks.ended import assert_scored_as_recorded, finish, refused
from tests.benchmarks.wmt_runs import (
    BENCHMARKS,
    COUNTS,
    LANGUAGES,
    folder_of,
    predictions_of,
    sacrebleu,
    validate,
)
from tests.results.translations import sgm

no_copy, trained = wmt_runs.no_copy, wmt_runs.trained


@pytest.mark.parametrize("benchmark", ["wmt_transformer", pytest.param("wmt_rnn", marks=pytest.mark.slow)])
def test_its_checkpoint_and_its_translations_score_the_same_by_one_and_by_two(trained, wmt_tree, benchmark):
    (record,) = trained.contents(benchmark, "mini-s0-*")
    smaller = "--args=--data.init_args.evaluation_batch_size=120"  # so that no sentence has the same neighbours
    folder = folder_of(trained, benchmark)
    again = assert_scored_as_recorded(
        trained, benchmark, wmt_tree, record,
        [f"--predictions={folder / 'predictions'}", "--profile=mini"],
        [f"--checkpoint={folder / 'last.ckpt'}"],
        [f"--checkpoint={folder / 'weights.ckpt'}", "--devices=2", smaller],
    )  # fmt: skip
    for each in again:
        assert each["references"] == record["references"]
        for key, measured in record["metrics"].items():
            # Nobody can say by which protocol a miniature's predictions came about.
            assert each["metrics"][key]["signature"] == (measured["signature"] if each["checkpoint"] else {}), key
        files = [Path(stored["path"]) for stored in each["predictions"]]
        assert {file.parts[-2:] for file in files} >= {
            (f"{name}.{BENCHMARKS[benchmark]}", "hyp.txt") for name in COUNTS
        }
        for file in files:
            stored = folder / "predictions" / file.parent.name / file.name
            if file.name != "attention.json":  # whose last digits may depend on who shares its batch
                assert (trained.root / file).read_bytes() == stored.read_bytes()


@pytest.mark.parametrize("name", COUNTS)
def test_a_file_is_scored_on_the_test_set_that_has_as_many_lines(workshop, trained, wmt_tree, tmp_path, name):
    theirs = tmp_path / "theirs.txt"
    shutil.copy(predictions_of(trained, name) / "hyp.txt", theirs)
    out = finish(workshop, *validate(wmt_tree, f"--predictions={theirs}"))
    (record,) = workshop.contents("wmt_transformer", "full-validate-*")
    (whole,) = trained.contents("wmt_transformer", "mini-s0-*")
    assert record["metrics"] == {key: value for key, value in whole["metrics"].items() if key.startswith(name)}
    assert record["examples"] == dict.fromkeys(("expected", "scored", "unique"), COUNTS[name])
    assert (record["official"], record["checkpoint"]) == (False, None)
    assert "verdict  not comparable" in out, "so few sentences are no newstest"


def longer(text):
    return text + b"one more\n"


def shorter(text):
    return text.partition(b"\n")[2]


def in_latin(text):
    return text[:-1] + "ü\n".encode("latin-1")


@pytest.mark.parametrize(
    ("file", "edit", "message"),
    [
        ("theirs.txt", longer, "theirs.txt: 16 lines"),
        ("theirs.txt", shorter, "theirs.txt: 14 lines"),
        ("theirs.txt", in_latin, "theirs.txt, line 15: not UTF-8"),
        ("newstest2014/hyp.txt", bytes, "holds no hyp.txt, nor a folder called newstest2014.en-de or newstest2015"),
        ("newstest2014.en-de/hyp.txt", longer, "hyp.txt: 16 lines, but the test set has 15 sentences"),
        ("newstest2014.en-de/hyp.txt", shorter, "hyp.txt: 14 lines, but the test set has 15 sentences"),
    ],
)
def test_hypotheses_that_fit_no_test_set_are_refused(workshop, trained, wmt_tree, tmp_path, file, edit, message):
    theirs = tmp_path / file
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_bytes(edit((predictions_of(trained, "newstest2014") / "hyp.txt").read_bytes()))
    named = theirs if theirs.parent == tmp_path else tmp_path
    refused(workshop, *validate(wmt_tree, f"--predictions={named}"), message=message)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_one_test_set_is_enough(workshop, trained, wmt_tree, tmp_path, benchmark):
    for language in LANGUAGES:
        shutil.copy(wmt_tree / f"newstest2014.{language}", tmp_path)
    weights = folder_of(trained, benchmark) / "weights.ckpt"
    out = finish(workshop, *validate(tmp_path, f"--checkpoint={weights}", benchmark=benchmark))
    assert "newstest2015 is not there" in out
    (record,) = workshop.contents(benchmark, "mini-validate-*")
    (whole,) = trained.contents(benchmark, "mini-s0-*")
    assert record["metrics"] == {key: value for key, value in whole["metrics"].items() if "2014" in key}
    assert record["examples"] == {"expected": 15, "scored": 15, "unique": 15}
    assert not (workshop.root / "data/tokenised").exists()


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_vocabulary_of_another_size_than_the_checkpoints_is_refused(workshop, trained, wmt_tree, benchmark):
    weights = folder_of(trained, benchmark) / "weights.ckpt"
    more = "--args=--data.init_args.subwords=345"
    arguments = validate(wmt_tree, f"--checkpoint={weights}", more, benchmark=benchmark)
    refused(workshop, *arguments, message="do not fit the network (size mismatch for")


@pytest.fixture(scope="module")
def official(wmt_tree, tmp_path_factory):
    """A tree with a newstest2014 of as many lines as the official one, and sacreBLEU's copy of just that one."""
    copy, tree = (tmp_path_factory.mktemp(name) for name in ("sacrebleu", "official"))
    folder = copy / "wmt14/full/raw/test-full"
    folder.mkdir(parents=True)
    for side, kind in (("en", "src"), ("de", "ref")):
        lines = [" ".join(line.split()) for line in (wmt_tree / f"newstest2014.{side}").read_text().split("\n")]
        texts = [*itertools.islice(itertools.cycle(lines), 3003)]
        (folder / f"newstest2014-deen-{kind}.{side}.sgm").write_text(sgm(texts))
        (tree / f"newstest2014.{side}").write_text("".join(f"{text}\n" for text in texts))
    (folder.parent / "wmt14_full.test-full.tgz").write_bytes(b"unpacked")
    said = sacrebleu("-t", "wmt14/full", "-l", "en-de", "--echo", "ref", SACREBLEU=str(copy))
    assert said == (tree / "newstest2014.de").read_text()
    return copy, tree


def test_tokenised_text_is_a_note_of_ours(workshop, official, tmp_path):
    """Of sacreBLEU's own warning nothing is left: it advises a parameter that nobody here can set."""
    _, tree = official
    theirs = tmp_path / "theirs.txt"
    theirs.write_text((tree / "newstest2014.de").read_text().replace(".\n", " .\n"))
    code, out, err = workshop.call(*validate(tree, f"--predictions={theirs}"))
    assert (code, "force" in out + err) == (0, False), err
    begin = "newstest2014.en-de: of 3,003 hypotheses there is a full stop after a space, as of tokens in "
    assert f"note: {begin}" in out
    assert "newstest2014/bleu" in out
    (record,) = workshop.contents("wmt_transformer", "full-validate-*")
    (note,) = record["notes"]
    assert note.startswith(begin)
    assert f"note: {note}\n" in out
    shutil.copy(CHECKOUT / "README.md", workshop.root)
    finish(workshop, "tables")
    row = (workshop.root / "results/tables/wmt_transformer.md").read_text().splitlines()[-1]
    assert f"; {note.partition(': ')[2][:100]}" in row


def test_references_are_held_against_the_copy_of_sacrebleu(workshop, official, tmp_path):
    """Enough sentences in both cases, so that the references alone decide."""
    copy, tree = official
    theirs = tmp_path / "newstest2014.en-de" / "hyp.txt"
    theirs.parent.mkdir()
    shutil.copy(tree / "newstest2014.en", theirs)
    changed = shutil.copytree(tree, tmp_path / "changed")
    lines = (tree / "newstest2014.de").read_text().split("\n")
    lines[6], lines[3002] = "Ein anderer Satz.", "Noch einer."
    (changed / "newstest2014.de").write_text("\n".join(lines))
    found = {}
    for each in (tree, changed):
        out = finish(workshop, *validate(each, f"--predictions={tmp_path}"), SACREBLEU=str(copy))
        assert ("verdict  not comparable" in out) == (each == changed)
        (record,) = [
            each for each in workshop.contents("wmt_transformer", "full-validate-*") if each["run_id"] not in found
        ]
        found[record["run_id"]] = record
    equal, other = found.values()
    assert equal["references"]["newstest2014"]["official"] is True
    assert equal["references"]["newstest2014"]["checked"] == "equal to sacreBLEU's wmt14/full"
    assert other["references"]["newstest2014"]["official"] is False
    assert other["official"] is False
    said = "differ from sacreBLEU's wmt14/full in 2 of 3,003 lines, first line 7"
    assert other["references"]["newstest2014"]["checked"] == said
    assert other["metrics"]["newstest2014/bleu"]["signature"]["references"] == said
    assert "references" not in equal["metrics"]["newstest2014/bleu"]["signature"]
