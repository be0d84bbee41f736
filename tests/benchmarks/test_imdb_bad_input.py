"""IMDB's bad input, as real processes: reviews, settings, checkpoints and predictions that are refused."""

import shutil

import pytest

from tests.benchmarks import imdb_runs
from tests.benchmarks.ended import finish, refused
from tests.benchmarks.imdb_runs import ALONE, NETWORK_OF, TEST, command, folder_of, validate

tree, trained = imdb_runs.tree, imdb_runs.trained

BEGIN_WITH = "--stages.pretraining=null --stages.fine_tuning.model.init_args.init_from"


def test_a_checkpoint_of_the_pretraining_has_nothing_to_test(workshop, trained, tree):
    path = folder_of(trained) / "pretraining/weights.ckpt"
    refused(
        workshop, *validate(tree, f"--checkpoint={path}"), message="is of the stage pretraining, after which the run"
    )


def gone(name):
    return lambda root, trained: shutil.rmtree(root / "aclImdb" / name)


def in_latin(root, trained):
    (root / "aclImdb/train/pos/6_9.txt").write_bytes("schön".encode("latin-1"))


def empty(root, trained):
    (root / "aclImdb/test/neg/2_2.txt").write_text(" \n")


def other_words(root, trained):
    file = root / "aclImdb/train/unsup/20_0.txt"
    file.write_text(file.read_text() + " zebra" * 50)


def weights_of(trained):
    return folder_of(trained) / "pretraining/weights.ckpt"


@pytest.mark.parametrize(
    ("break_", "more", "message"),
    [
        (gone("train/unsup"), "", "has no unsupervised"),
        (gone("test"), "", "has no test"),
        (gone("train/neg"), "", "train/neg"),
        (in_latin, "", "6_9.txt: byte 3 (0xf6) is not UTF-8"),
        (empty, "", "2_2.txt is empty"),
        (None, "--stages.fine_tuning.model.init_args.init_from={weights}", "set the stages before it to null"),
        (other_words, f"{BEGIN_WITH}={{weights}}", "trained with another vocabulary than this run's"),
        (None, f"{BEGIN_WITH}={{weights}} --data.init_args.subwords=315", "320 x 16 there, 315 x 16 here"),
        (None, f"{BEGIN_WITH}=nothing.ckpt", "there is no file nothing.ckpt"),
        (None, "--stages.fine_tuning=null", "the stage fine_tuning is the one that is tested"),
        (None, "--stages.tuning.trainer.max_epochs=2", "Its stages are pretraining, fine_tuning"),
        (None, "--stages.pretraining.trainer.devices=2", "all stages of a run have the same"),
        (None, "--stages.fine_tuning.data.init_args.global_batch_size=60", "too few for 1 device(s)"),
        (None, f"--stages.fine_tuning.{NETWORK_OF}.width=20", "pretraining and fine_tuning have different networks"),
        (None, f"--stages.fine_tuning.{NETWORK_OF}.heads=3", "cannot be shared out among 3 heads"),
        (None, "--controls=[nothing]", "variants/nothing.yaml"),
    ],
)
def test_bad_input_is_answered_in_one_message(workshop, trained, tree, tmp_path, break_, more, message):
    root = tree
    if break_ is not None:
        root = shutil.copytree(tree, tmp_path / "broken")
        break_(root, trained)
    settings = f"{ALONE} {more}".format(weights=weights_of(trained))
    code, out, err = workshop.call(*command(root, settings=settings))
    assert (code, err[:7], err.count("error: ")) == (2, "error: ", 1), (out, err)
    assert "Traceback" not in err
    assert message in err
    assert not list((workshop.root / "results").rglob("last.ckpt")), "nothing was trained"
    assert not list((workshop.root / "results/records").rglob("*.json"))


def edited(trained, tmp_path, old, new):
    path = tmp_path / "predictions.csv"
    text = (folder_of(trained) / "predictions/predictions.csv").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("neg/0_2,0,", "neg/0_3,0,", "neg/0_3"),
        ("neg/0_2,0,", "neg/0_2,1,", "label is 1, but DATA says 0"),
        ("neg/0_2,", "neg/1_2,", "neg/1_2"),
    ],
)
def test_predictions_that_contradict_the_data_are_refused(workshop, trained, tree, tmp_path, old, new, message):
    path = edited(trained, tmp_path, old, new)
    refused(workshop, *validate(tree, f"--predictions={path}", "--variant=scratch"), message=message)


@pytest.mark.parametrize("profile", ["full", "mini"])
def test_predictions_do_not_say_what_their_maker_had_read(workshop, trained, tree, profile):
    """One system would settle the readings of all rungs."""
    path = folder_of(trained) / "predictions/predictions.csv"
    meant = "Say which is meant: VARIANT=default or VARIANT=scratch or VARIANT=context-1024."
    refused(workshop, *validate(tree, f"--predictions={path}", f"--profile={profile}"), message=meant)
    finish(workshop, *validate(tree, f"--predictions={path}", f"--profile={profile}", "--variant=scratch"))
    (record,) = workshop.contents("imdb", f"{profile}-validate-*")
    assert (record["variant"], record["metrics"]["test/accuracy"]["n"]) == ("scratch", TEST)


def test_a_run_that_never_validates_has_nothing_to_test(workshop, tree):
    code, _, err = workshop.call(*command(tree, settings=f"{ALONE} --stages.fine_tuning.trainer.max_steps=2"))
    assert (code, err.count("error: ")) == (2, 1)
    assert "no epoch was ever validated" in err
