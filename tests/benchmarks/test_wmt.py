"""WMT from the command line, as real processes: runs, a kill, two processes, anybody's translations, bad input."""

import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from datamodules.layouts.wmt import FORMS
from datamodules.subwords import Subwords
from tests.benchmarks.test_resume import differences, finish
from tests.conftest import ROOT

LANGUAGES = ("de", "en")
BENCHMARKS = {"wmt_transformer": "en-de", "wmt_rnn": "de-en"}
COUNTS = {"newstest2014": 15, "newstest2015": 11}
METRICS = [f"{name}/{metric}" for name in COUNTS for metric in ("bleu", "chrf")]

NETWORK = "model.init_args.network.init_args"
COMMON = (
    "--trainer.max_epochs=3 --trainer.log_every_n_steps=1 --trainer.check_val_every_n_epoch=1 --threads=1 "
    "--checkpoint_every_n_steps=2 --data.init_args.evaluation_batch_size=250 --data.init_args.workers=0"
)
# The one is trained so hot, the other so little, that translations of different sentences differ.
SMALL = {
    "wmt_transformer": f"{COMMON} --data.init_args.subwords=600 --data.init_args.global_batch_size=580 "
    f"--{NETWORK}.width=32 --{NETWORK}.heads=2 --{NETWORK}.feedforward=32 --{NETWORK}.layers=1 "
    "--model.init_args.optimizer.init_args.lr=1e-2 --model.init_args.schedule.init_args.warm_up=20 "
    "--model.init_args.averaging.count=2 --model.init_args.averaging.every_n_steps=2",
    "wmt_rnn": f"{COMMON} --data.init_args.subwords=400 --data.init_args.global_batch_size=3000 --{NETWORK}.width=16",
}
STEPS = {"wmt_transformer": 36, "wmt_rnn": 10}  # an epoch


def command(tree, *extra, benchmark="wmt_transformer", more=""):
    return (
        "run", benchmark, "--profile=mini", f"--data={tree}", "--seeds=0", f"--args={SMALL[benchmark]} {more}", *extra
    )  # fmt: skip


def validate(tree, *extra, benchmark="wmt_transformer"):
    return ("validate", benchmark, f"--data={tree}", *extra)


def folder_of(workshop, benchmark="wmt_transformer"):
    return workshop.mini_run(benchmark)


def predictions_of(workshop, name, benchmark="wmt_transformer"):
    return folder_of(workshop, benchmark) / "predictions" / f"{name}.{BENCHMARKS[benchmark]}"


def records_of(workshop, pattern, benchmark="wmt_transformer"):
    return workshop.contents(benchmark, pattern)


def tokenised_in(workshop):
    """What lies where subwords are kept, but for locks, which are empty."""
    return [path for path in (workshop.root / "data/tokenised").glob("*") if path.stat().st_size]


@pytest.fixture(scope="module", autouse=True)
def no_copy(tmp_path_factory):
    """No copy of the official references, whatever this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SACREBLEU", str(tmp_path_factory.mktemp("none")))
        yield


@pytest.fixture(scope="module")
def trained(workshops, wmt_tree):
    workshop = workshops("wmt")
    for benchmark in BENCHMARKS:
        finish(workshop, *command(wmt_tree, benchmark=benchmark))
    return workshop


def sacrebleu(*arguments, **environment):
    """What sacreBLEU's own command says."""
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *map(str, arguments)], env=os.environ | environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_record_says_what_sacrebleu_says_of_its_files(trained, wmt_tree, benchmark):
    (record,) = records_of(trained, "mini-s0-*", benchmark)
    assert set(record["metrics"]) == set(METRICS)
    source, target = BENCHMARKS[benchmark].split("-")
    for name, count in COUNTS.items():
        folder = predictions_of(trained, name, benchmark)
        for file, side in (("src.txt", source), ("ref.txt", target)):
            assert (folder / file).read_bytes() == (wmt_tree / f"{name}.{side}").read_bytes()
        said = json.loads(
            sacrebleu(folder / "ref.txt", "-i", folder / "hyp.txt", "-m", "bleu", "chrf", "-w", 17, "-f", "json")
        )
        for metric, theirs in zip(("bleu", "chrf"), said, strict=True):
            ours = record["metrics"][f"{name}/{metric}"]
            assert (ours["value"], ours["n"]) == (theirs["score"], count)
            assert ours["signature"][metric] == theirs["signature"]
            assert ours["signature"]["direction"] == BENCHMARKS[benchmark]
        assert record["references"][name] == {
            "sha256": hashlib.sha256((folder / "ref.txt").read_bytes()).hexdigest(),
            "official": None,
            "checked": "only their number was checked, as sacreBLEU's "
            f"{'wmt14/full' if '14' in name else 'wmt15'} is not on this machine",
        }
    assert record["metrics"]["newstest2014/chrf"]["value"] > 0
    assert record["examples"] == {"expected": 26, "scored": 26, "unique": 26}
    assert {stored["path"] for stored in record["predictions"]} == {
        str((predictions_of(trained, name, benchmark) / file).relative_to(trained.root))
        for name in COUNTS
        for file in ("hyp.txt", "ref.txt", "src.txt", "attention.json")
    }


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_record_has_baselines_curves_and_a_page(trained, benchmark):
    (record,) = records_of(trained, "mini-s0-*", benchmark)
    for name, metric in itertools.product(("copy", "word_by_word"), METRICS):
        assert record["baselines"][f"{name}/{metric}"]["metric"] == metric
        assert record["baselines"][f"{name}/{metric}"]["value"] > 1
    curves = {key: [step for step, _ in points] for key, points in record["curves"].items()}
    steps = STEPS[benchmark]
    assert curves["train/loss"] == [*range(1, 3 * steps + 1)]
    assert curves["val/bleu"] == curves["val/perplexity"] == [steps, 2 * steps, 3 * steps]
    perplexity = [value for _, value in record["curves"]["val/perplexity"]]
    assert perplexity[-1] < perplexity[0]
    assert record["throughput"]["unit"] == "tokens/s"
    page = folder_of(trained, benchmark) / "sheet.html"
    assert page.stat().st_size < 300_000
    assert page.read_text().count("<table>") == 1, "an attention"
    assert not list(folder_of(trained, benchmark).glob("predictions/**/shard*"))


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_the_attention_is_that_of_the_first_sentence(trained, benchmark):
    weights = folder_of(trained, benchmark) / "weights.ckpt"
    subwords = Subwords(torch.load(weights, weights_only=True)["subwords"].numpy().tobytes())
    for name in COUNTS:
        folder = predictions_of(trained, name, benchmark)
        found = json.loads((folder / "attention.json").read_text())
        assert found["sentence"] == "1"
        for side, file in (("source", "src.txt"), ("target", "hyp.txt")):
            assert found[side][-1] == "</s>"
            pieces = [subwords.processor.piece_to_id(piece) for piece in found[side][:-1]]
            assert subwords.decode(pieces) == (folder / file).read_text().split("\n")[0]
        for row in found["attention"]:
            assert sum(row) == pytest.approx(1, abs=1e-4 * len(row))


def test_subwords_are_made_in_the_copy_and_kept(trained):
    folders = tokenised_in(trained)
    assert len(folders) == 2, "one for each number of subwords"
    for folder in folders:
        sides = {f"{language}.{kind}" for language in LANGUAGES for kind in ("ids", "bounds.npy")}
        assert {path.name for path in folder.iterdir()} == sides | {"subwords.model", "digest.txt"}
        assert not (ROOT / "data/tokenised" / folder.name).exists()


def test_translations_differ_from_sentence_to_sentence(trained):
    """Or the tests below would prove little."""
    for benchmark in BENCHMARKS:
        lines = (predictions_of(trained, "newstest2014", benchmark) / "hyp.txt").read_text().split("\n")
        assert len(set(lines)) > 5


@pytest.mark.parametrize("benchmark", ["wmt_transformer", pytest.param("wmt_rnn", marks=pytest.mark.slow)])
def test_its_checkpoint_and_its_translations_score_the_same_by_one_and_by_two(trained, wmt_tree, benchmark):
    (record,) = records_of(trained, "mini-s0-*", benchmark)
    smaller = "--args=--data.init_args.evaluation_batch_size=120"  # so that no sentence has the same neighbours
    for subject in (
        [f"--predictions={folder_of(trained, benchmark) / 'predictions'}", "--profile=mini"],
        [f"--checkpoint={folder_of(trained, benchmark) / 'last.ckpt'}"],
        [f"--checkpoint={folder_of(trained, benchmark) / 'weights.ckpt'}", "--devices=2", smaller],
    ):
        finish(trained, *validate(wmt_tree, *subject, benchmark=benchmark))
    again = records_of(trained, "mini-validate-*", benchmark)
    assert len(again) == 3
    for each in again:
        assert each["examples"] == record["examples"]
        assert each["references"] == record["references"]
        for key, measured in record["metrics"].items():
            # Nobody can say by which protocol a miniature's predictions came about.
            signature = measured["signature"] if each["checkpoint"] else {}
            assert each["metrics"][key] == measured | {"signature": signature}, key
        files = [Path(stored["path"]) for stored in each["predictions"]]
        assert {file.parts[-2:] for file in files} >= {
            (f"{name}.{BENCHMARKS[benchmark]}", "hyp.txt") for name in COUNTS
        }
        for file in files:
            stored = folder_of(trained, benchmark) / "predictions" / file.parent.name / file.name
            if file.name != "attention.json":  # whose last digits may depend on who shares its batch
                assert (trained.root / file).read_bytes() == stored.read_bytes()
    assert {each["environment"]["world_size"] for each in again} == {1, 2}


@pytest.mark.parametrize("name", COUNTS)
def test_a_file_is_scored_on_the_test_set_that_has_as_many_lines(workshop, trained, wmt_tree, tmp_path, name):
    theirs = tmp_path / "theirs.txt"
    shutil.copy(predictions_of(trained, name) / "hyp.txt", theirs)
    out = finish(workshop, *validate(wmt_tree, f"--predictions={theirs}"))
    (record,) = records_of(workshop, "full-validate-*")
    (whole,) = records_of(trained, "mini-s0-*")
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


def refused(workshop, *arguments, message, rest=""):
    """A user's mistake: exit code 2, a message of one line and maybe `rest`, and nothing half-done."""
    code, out, err = workshop.call(*arguments)
    assert code == 2, (out, err)
    first, _, others = err.partition("\n")
    assert (first[:7], first.count("error: "), others) == ("error: ", 1, rest), err
    assert message in first
    for folder, kind in (("records", "*.json"), ("runs", "*.ckpt")):
        assert not list((workshop.root / "results" / folder).rglob(kind))


def kill(workshop, moment, *arguments):
    """Starts a command and kills it at a moment."""
    process = workshop.start(*arguments, pause=moment)
    process.until_paused()
    process.kill_group(signal.SIGKILL)
    process.wait()
    (workshop.root / "paused").unlink()


def other_text(tree, tmp_path):
    """The same tree with another word in training."""
    tree = shutil.copytree(tree, tmp_path / "other")
    (tree / "train.en").write_bytes((tree / "train.en").read_bytes().replace(b"not", b"never", 1))
    return tree


def test_a_killed_run_ends_with_the_same_weights_and_numbers(workshops, wmt_tree, trained, tmp_path):
    workshop = workshops("killed")
    steps = STEPS["wmt_transformer"]
    # The weights after steps 106 and 108 are averaged: the second kill is between the two.
    for moment, last, averaged in ((f"step:{steps + 3}", steps + 2, 0), ("step:107", 106, 1), ("test", 108, 2)):
        kill(workshop, moment, *command(wmt_tree))
        kept = torch.load(folder_of(workshop) / "last.ckpt", weights_only=True)
        assert kept["global_step"] == last
        assert kept.get("average", {"count": 0})["count"] == averaged
    code, _, err = workshop.call(*command(other_text(wmt_tree, tmp_path)))
    assert (code, err.count("\n")) == (2, 1), err
    assert "was begun on other data than DATA now holds" in err
    assert "continuing from" in finish(workshop, *command(wmt_tree))
    one, other = (torch.load(folder_of(each) / "last.ckpt", weights_only=True) for each in (workshop, trained))
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "subwords", "average"):
        assert differences(one[key], other[key]) == [], key
    (record,), (undisturbed,) = (records_of(each, "mini-s0-*") for each in (workshop, trained))
    for key in ("metrics", "curves", "examples", "baselines"):
        assert record[key] == undisturbed[key], key
    for name in COUNTS:
        ours, theirs = (predictions_of(each, name) / "hyp.txt" for each in (workshop, trained))
        assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.slow
def test_a_killed_recurrent_network_too(workshops, wmt_tree, trained):
    workshop = workshops("killed")
    arguments = command(wmt_tree, benchmark="wmt_rnn")
    kill(workshop, "step:15", *arguments)
    assert torch.load(folder_of(workshop, "wmt_rnn") / "last.ckpt", weights_only=True)["global_step"] == 14
    finish(workshop, *arguments)
    one, other = (
        torch.load(folder_of(each, "wmt_rnn") / "last.ckpt", weights_only=True) for each in (workshop, trained)
    )
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "subwords"):
        assert differences(one[key], other[key]) == [], key
    assert "average" not in one
    (record,), (undisturbed,) = (records_of(each, "mini-s0-*", "wmt_rnn") for each in (workshop, trained))
    assert record["metrics"] == undisturbed["metrics"]
    assert record["curves"] == undisturbed["curves"]


def test_the_mean_of_the_last_weights_is_kept_and_tested(workshop, trained, wmt_tree):
    before, last = (
        torch.load(folder_of(trained) / name, weights_only=True)
        for name in ("step-00000106.ckpt", "step-00000108.ckpt")
    )
    weights = torch.load(folder_of(trained) / "weights.ckpt", weights_only=True)
    assert differences(weights["average"], last["average"]) == []
    assert (before["average"]["count"], last["average"]["count"]) == (1, 2)
    names = [f"network.{name}" for name in last["average"]["weights"]]
    assert names == list(last["state_dict"])
    for name, mean in zip(names, last["average"]["weights"].values(), strict=True):
        one, other = (each["state_dict"][name] for each in (before, last))
        torch.testing.assert_close(mean, (one + other) / 2, rtol=1e-5, atol=1e-6)
    del weights["average"]
    torch.save(weights, workshop.root / "unaveraged.ckpt")
    finish(workshop, *validate(wmt_tree, f"--checkpoint={workshop.root / 'unaveraged.ckpt'}"))
    (record,), (whole,) = records_of(workshop, "mini-validate-*"), records_of(trained, "mini-s0-*")
    assert record["metrics"]["newstest2014/chrf"]["value"] != whole["metrics"]["newstest2014/chrf"]["value"]


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_workers_change_nothing(workshops, wmt_tree, trained, benchmark):
    workshop = workshops("workers")
    finish(workshop, *command(wmt_tree, benchmark=benchmark, more="--data.init_args.workers=2"))
    one, other = (
        torch.load(folder_of(each, benchmark) / "weights.ckpt", weights_only=True) for each in (workshop, trained)
    )
    assert differences(one["state_dict"], other["state_dict"]) == []
    (record,), (alone,) = (records_of(each, "mini-s0-*", benchmark) for each in (workshop, trained))
    assert (record["metrics"], record["curves"]) == (alone["metrics"], alone["curves"])


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_two_processes_or_accumulated_batches_take_the_same_steps(workshops, wmt_tree, benchmark):
    """Of the same token batches, but for rounding; and validation inside fit, with unequal shares."""
    records = {}
    for name, more in {"alone": "", "pair": "", "accumulated": "--trainer.accumulate_grad_batches=2"}.items():
        workshop, devices = workshops(name), ["--devices=2"] if name == "pair" else []
        finish(workshop, *command(wmt_tree, *devices, benchmark=benchmark, more=f"--{NETWORK}.dropout=0 {more}"))
        (records[name],) = records_of(workshop, "mini-s0-*", benchmark)
        assert records[name]["environment"]["world_size"] == 1 + len(devices)
        assert records[name]["examples"] == {"expected": 26, "scored": 26, "unique": 26}
    for name, key in itertools.product(("pair", "accumulated"), ("train/loss", "val/perplexity", "val/bleu")):
        ours, alone = (torch.tensor(records[each]["curves"][key]).T for each in (name, "alone"))
        assert torch.equal(ours[0], alone[0])
        if (name, key) != ("accumulated", "train/loss"):  # which is that of the last of the accumulated batches
            torch.testing.assert_close(ours[1, 0], alone[1, 0], rtol=1e-5, atol=0)
        if key == "val/perplexity":
            torch.testing.assert_close(ours[1], alone[1], rtol=5e-3, atol=0)


def sgm(texts):
    segments = "".join(f'<seg id="{number}">{text}</seg>\n' for number, text in enumerate(texts, 1))
    return f'<srcset>\n<doc docid="welt.de/1" genre="news" origlang="de">\n<p>\n{segments}</p>\n</doc>\n</srcset>\n'


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
        (record,) = [each for each in records_of(workshop, "full-validate-*") if each["run_id"] not in found]
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


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_one_test_set_is_enough(workshop, trained, wmt_tree, tmp_path, benchmark):
    for language in LANGUAGES:
        shutil.copy(wmt_tree / f"newstest2014.{language}", tmp_path)
    weights = folder_of(trained, benchmark) / "weights.ckpt"
    out = finish(workshop, *validate(tmp_path, f"--checkpoint={weights}", benchmark=benchmark))
    assert "newstest2015 is not there" in out
    (record,) = records_of(workshop, "mini-validate-*", benchmark)
    (whole,) = records_of(trained, "mini-s0-*", benchmark)
    assert record["metrics"] == {key: value for key, value in whole["metrics"].items() if "2014" in key}
    assert record["examples"] == {"expected": 15, "scored": 15, "unique": 15}
    assert not (workshop.root / "data/tokenised").exists()


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_vocabulary_of_another_size_than_the_checkpoints_is_refused(workshop, trained, wmt_tree, benchmark):
    weights = folder_of(trained, benchmark) / "weights.ckpt"
    more = "--args=--data.init_args.subwords=345"
    arguments = validate(wmt_tree, f"--checkpoint={weights}", more, benchmark=benchmark)
    refused(workshop, *arguments, message="do not fit the network (size mismatch for")


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
