"""WMT's texts and settings that a run cannot be made of, refused before it begins."""

import itertools
import shutil

import pytest

from datamodules.layouts.wmt import FORMS
from tests.benchmarks import wmt_runs
from tests.benchmarks.ended import refused
from tests.benchmarks.wmt_runs import COUNTS, LANGUAGES, NETWORK, command, tokenised_in

no_copy = wmt_runs.no_copy


def shorten(tree):
    file = tree / "train.en"
    file.write_bytes(file.read_bytes().partition(b"\n")[2])


def spoil(tree):
    lines = (tree / "train.de").read_bytes().split(b"\n")
    lines[122] = "Die Tür.".encode("latin-1")
    (tree / "train.de").write_bytes(b"\n".join(lines))


def empty(tree):
    (tree / "train.de").write_bytes(b"")


def blank(tree):
    """Lines without a word."""
    for language in LANGUAGES:
        (tree / f"train.{language}").write_bytes(b"\n" * 400)


def translate(tree):
    """French and English."""
    for file in tree.glob("*.de"):
        file.rename(file.with_suffix(".fr"))


def without_training(tree):
    for language in LANGUAGES:
        (tree / f"train.{language}").unlink()


def without_tests(tree):
    for name, language in itertools.product(COUNTS, LANGUAGES):
        (tree / f"{name}.{language}").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shorten, "train.de has 400 lines, but"),
        (spoil, "train.de, line 123: not UTF-8"),
        (empty, "train.de is empty"),
        (translate, "train lacks train.de. train.fr is of another language pair"),
        (without_training, "has no training text (it holds newstest2013.de,"),
        (without_tests, "has no newstest2014 (it holds newstest2013.de,"),
    ],
)
def test_bad_text_ends_a_run_before_it_begins(workshop, wmt_tree, tmp_path, damage, message):
    tree = shutil.copytree(wmt_tree, tmp_path / "tree")
    damage(tree)
    rest = f"{FORMS}\n" if damage in (without_training, without_tests) else ""
    arguments = ("reproduce", *command(tree)[1:])
    refused(workshop, *arguments, message=message, rest=rest)
    assert not (workshop.root / "data/tokenised").exists()


@pytest.mark.parametrize(
    ("damage", "subwords", "message"),
    [
        (blank, 600, "the training text gives no 600 subwords"),
        (None, 100_000, "the training text gives no 100000 subwords (Vocabulary size too high"),
    ],
)
def test_a_text_too_short_for_so_many_subwords_is_refused(workshop, wmt_tree, tmp_path, damage, subwords, message):
    tree = wmt_tree
    if damage:
        tree = shutil.copytree(wmt_tree, tmp_path / "tree")
        damage(tree)
    refused(workshop, *command(tree, more=f"--data.init_args.subwords={subwords}"), message=message)
    assert tokenised_in(workshop) == []


@pytest.mark.parametrize(
    ("benchmark", "more", "message"),
    [
        (
            "wmt_transformer", "--data.init_args.direction=de-en",
            "test on newstest2014.de-en, newstest2015.de-en, but the claim is about newstest2014.en-de",
        ),
        ("wmt_rnn", "--data.init_args.tests=[newstest2014]", "test on newstest2014.de-en, but the claim is about"),
        ("wmt_rnn", f"--{NETWORK}.layers=1", "GNMT has at least 2 layers, not 1"),
        ("wmt_transformer", f"--{NETWORK}.heads=3", "cannot be shared out among 3 heads"),
        ("wmt_transformer", "--model.init_args.schedule.init_args.warm_up=0", "warm_up is 0; it is at least 1"),
    ],
)  # fmt: skip
def test_settings_that_fit_no_claim_or_no_network_are_refused(workshop, wmt_tree, benchmark, more, message):
    refused(workshop, *command(wmt_tree, benchmark=benchmark, more=more), message=message)
