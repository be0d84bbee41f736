"""LibriSpeech from the command line, as real processes: a run, a kill, two processes, beam search, anybody's words."""

import gzip
import json
import re
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from operator import methodcaller

import jiwer
import pytest
import soundfile
import torch

from datamodules.layouts.librispeech import open_split, truth
from tests.benchmarks.ended import STATE, assert_same_checkpoint, assert_scored_as_recorded, finish, kill, refused
from tests.lightning_modules.arpa import arpa

NETWORK = "model.init_args.network.init_args"
SMALL = (
    f"--trainer.max_epochs=3 --trainer.log_every_n_steps=1 --trainer.check_val_every_n_epoch=1 --threads=1 "
    f"--checkpoint_every_n_steps=2 --data.init_args.global_batch_size=12 --data.init_args.evaluation_batch_size=6 "
    f"--data.init_args.workers=0 --{NETWORK}.width=16 --{NETWORK}.channels=4 --{NETWORK}.num_lstms=1"
)
STEPS = 6  # an epoch

needs_decoder = pytest.mark.skipif(find_spec("flashlight") is None, reason="flashlight-text has no wheel here")


def command(tree, *extra, more=""):
    return ("run", "librispeech", "--profile=mini", f"--data={tree}", "--seeds=0", f"--args={SMALL} {more}", *extra)


folder_of = methodcaller("only_run", "librispeech")


@pytest.fixture(scope="module")
def trained(workshops, librispeech_tree):
    workshop = workshops("librispeech")
    workshop.out = finish(workshop, *command(librispeech_tree))
    return workshop


def words_of(file):
    """Id -> words of a trn file, as sclite reads it."""
    lines = [line.rpartition("(") for line in file.read_text().splitlines()]
    return {name.rstrip(")"): words.strip() for words, _, name in lines}


def test_a_record_says_what_jiwer_says_of_its_hypotheses(trained, librispeech_tree):
    (record,) = trained.contents("librispeech", "mini-s0-*")
    assert record["examples"] == {"expected": 15, "scored": 15, "unique": 15}
    for split in ("test-clean", "test-other"):
        folder, prefix = folder_of(trained) / "predictions" / split, split.replace("-", "_")
        said, heard = words_of(folder / "ref.trn"), words_of(folder / "hyp.trn")
        there = open_split(str(librispeech_tree), split)
        assert said == dict(zip(there.ids, there.transcripts, strict=True))
        assert list(heard) == sorted(said)
        errors = 100 * jiwer.wer(list(said.values()), list(heard.values()))
        assert record["metrics"][f"{prefix}/wer"]["value"] == pytest.approx(errors, abs=1e-12)
        assert record["metrics"][f"{prefix}/word_accuracy"]["value"] == pytest.approx(100 - errors, abs=1e-12)
        assert record["metrics"][f"{prefix}/wer"]["n"] == len(said)
        assert record["metrics"][f"{prefix}/wer"]["signature"] == {
            "normalisation": "upper case", "decoder": "greedy", "language_model": "none"
        }  # fmt: skip
        assert record["baselines"][f"silence/{prefix}/wer"] == {"value": 100.0, "metric": f"{prefix}/wer"}
    assert [len(record["curves"][key]) for key in ("val/wer", "train/loss")] == [3, 3 * STEPS]
    assert record["throughput"]["unit"] == "seconds of audio/s"
    assert (folder_of(trained) / "sheet.html").stat().st_size < 300_000
    assert not list(folder_of(trained).glob("predictions/**/shard*"))


def test_its_checkpoint_and_its_hypotheses_score_the_same_by_one_and_by_two(trained, librispeech_tree):
    (record,) = trained.contents("librispeech", "mini-s0-*")
    predictions = folder_of(trained) / "predictions"
    again = assert_scored_as_recorded(
        trained, "librispeech", librispeech_tree, record,
        [f"--predictions={predictions}", "--profile=mini"],
        [f"--checkpoint={folder_of(trained) / 'last.ckpt'}"],
        [f"--checkpoint={folder_of(trained) / 'weights.ckpt'}", "--devices=2"],
    )  # fmt: skip
    for each in again:
        for stored in each["predictions"]:
            path = trained.root / stored["path"]
            assert path.read_text() == (predictions / path.parent.name / path.name).read_text()


def test_a_file_of_hypotheses_is_scored_on_the_test_set_that_its_ids_are_of(
    workshop, trained, librispeech_tree, tmp_path
):
    theirs = tmp_path / "theirs.trn"
    shutil.copy(folder_of(trained) / "predictions/test-other/hyp.trn", theirs)
    out = finish(workshop, "validate", "librispeech", f"--data={librispeech_tree}", f"--predictions={theirs}")
    (record,) = workshop.contents("librispeech", "full-validate-*")
    assert set(record["metrics"]) == {f"test_other/{name}" for name in ("wer", "word_accuracy", "sentence_error_rate")}
    assert record["examples"] == {"expected": 5, "scored": 5, "unique": 5}
    assert "test_other/wer" in out
    assert "not comparable" in out, "five utterances are not test-other"


def test_a_killed_run_ends_with_the_same_weights_and_numbers(workshops, librispeech_tree, trained):
    workshop = workshops("killed")
    for moment, last in ((f"step:{STEPS + 3}", STEPS + 2), ("test", 3 * STEPS)):
        kill(workshop, moment, *command(librispeech_tree))
        assert torch.load(folder_of(workshop) / "last.ckpt", weights_only=True)["global_step"] == last
    assert "continuing from" in finish(workshop, *command(librispeech_tree))
    assert_same_checkpoint("last.ckpt", map(folder_of, (workshop, trained)), *STATE, "subwords")
    (record,), (undisturbed,) = (each.contents("librispeech", "mini-s0-*") for each in (workshop, trained))
    assert record["metrics"] == undisturbed["metrics"]
    assert record["curves"] == undisturbed["curves"]


def test_a_run_with_subwords_of_another_sentencepiece_is_refused_by_its_name(workshops, librispeech_tree, trained):
    """Nothing is wrong with DATA."""
    workshop = workshops("upgraded")
    begun = folder_of(trained) / "run.json"
    known = json.loads(begun.read_text())
    known["data"]["subwords"] = "0" * 64
    known["states"][-1]["packages"]["sentencepiece"] = "0.1.99"
    there = workshop.root / begun.relative_to(trained.root)
    there.parent.mkdir(parents=True)
    there.write_text(json.dumps(known))
    told = f"0.1.99 learns, and {version('sentencepiece')}, which is installed now, learns others from the same data"
    refused(workshop, *command(librispeech_tree), message=told)


@pytest.mark.slow
def test_workers_change_nothing(workshops, librispeech_tree, trained):
    workshop = workshops("workers")
    finish(workshop, *command(librispeech_tree, more="--data.init_args.workers=2"))
    assert_same_checkpoint("weights.ckpt", map(folder_of, (workshop, trained)), "state_dict")


@pytest.mark.slow
def test_two_processes_train(workshops, librispeech_tree):
    """Validation inside fit, with an unequal share of the utterances."""
    workshop = workshops("pair")
    finish(workshop, *command(librispeech_tree, "--devices=2"))
    (record,) = workshop.contents("librispeech", "mini-s0-*")
    assert record["environment"]["world_size"] == 2
    assert record["examples"] == {"expected": 15, "scored": 15, "unique": 15}
    assert len(record["curves"]["val/wer"]) == 3


def beam(path):
    return f"--args=--model.init_args.beam.language_model={path} --model.init_args.beam.width=20"


@needs_decoder
def test_beam_search_is_a_metric_of_its_own(workshop, trained, librispeech_tree, tmp_path):
    words = ["SEA", "TREE", "STONE"]
    model = arpa(tmp_path / "small.arpa", words)
    packed = tmp_path / "small.arpa.gz"
    packed.write_bytes(gzip.compress(model.read_bytes()))
    for each in (model, packed):
        out = finish(
            workshop, "validate", "librispeech", f"--data={librispeech_tree}", beam(each),
            f"--checkpoint={folder_of(trained) / 'weights.ckpt'}",
        )  # fmt: skip
        assert "also       test_clean_beam/wer" in out
    plain, compressed = workshop.contents("librispeech", "mini-validate-*")
    assert {key.partition("/")[0] for key in plain["metrics"]} == {"test_clean_beam", "test_other_beam"}
    signatures = [each["metrics"]["test_clean_beam/wer"]["signature"] for each in (plain, compressed)]
    assert {signature["decoder"] for signature in signatures} == {"beam"}
    assert {signature["language_model"].split()[0] for signature in signatures} == {"small.arpa", "small.arpa.gz"}
    assert plain["official"] is False
    for each in (plain, compressed):
        heard = {
            w
            for stored in each["predictions"]
            if "hyp" in stored["path"]
            for text in words_of(workshop.root / stored["path"]).values()
            for w in text.split()
        }
        assert heard <= set(words), "no word but the language model's"
    texts = [[words_of(workshop.root / s["path"]) for s in each["predictions"]] for each in (plain, compressed)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("HELLO (100-200-0000)\n", "none of its 1 ids is an utterance of test-clean or test-other"),
        ("HELLO (100-200-0000)\n", "such as `WORDS ({id})`"),
        ("{all}{other}", "holds 10 of test-clean and 5 of test-other. Write a file a test set"),
        ("{all}TREE (1-2-3)\n", "1 ids are no utterances of the test set, first 1-2-3"),
    ],
)
def test_hypotheses_that_contradict_the_data_are_refused(workshop, librispeech_tree, tmp_path, content, message):
    ids = open_split(str(librispeech_tree), "test-clean").ids
    lines, others = (
        [f"SEA ({each})\n" for each in open_split(str(librispeech_tree), split).ids]
        for split in ("test-clean", "test-other")
    )
    file = tmp_path / "hyp.trn"
    file.write_text(content.format(all="".join(lines), other="".join(others)))
    arguments = ("validate", "librispeech", f"--data={librispeech_tree}", f"--predictions={file}")
    refused(workshop, *arguments, message=message.format(id=ids[0]))


def test_punctuation_that_nobody_says_is_a_note_and_changes_no_score(workshop, librispeech_tree, tmp_path):
    said = truth(str(librispeech_tree), "test-clean")
    file = tmp_path / "theirs.trn"
    lines = zip(said.ids, said.transcripts, strict=True)
    file.write_text("".join(f"{text}. ({each})\n" for each, text in lines))
    out = finish(workshop, "validate", "librispeech", f"--data={librispeech_tree}", f"--predictions={file}")
    assert "note: test-clean: 10 of 10 hypotheses hold characters that no transcript holds ('.' in 10)" in out
    (record,) = workshop.contents("librispeech", "full-validate-*")
    assert record["metrics"]["test_clean/sentence_error_rate"]["value"] == 100


def test_more_errors_than_words_are_a_rate_above_100(workshop, librispeech_tree, tmp_path):
    """Transcripts spelt letter by letter; and the words that are right are a share below 0."""
    said = truth(str(librispeech_tree), "test-clean")
    spelt = [" ".join(text.replace(" ", "")) for text in said.transcripts]
    file = tmp_path / "theirs.trn"
    file.write_text("".join(f"{text} ({each})\n" for each, text in zip(said.ids, spelt, strict=True)))
    rate = 100 * jiwer.wer([*said.transcripts], spelt)
    assert rate > 200
    out = finish(workshop, "validate", "librispeech", f"--data={librispeech_tree}", f"--predictions={file}")
    found = re.search(r"measured (\S+) %, 95 % interval (\S+) to (\S+),", out)
    low, high = (float(found[place]) for place in (2, 3))
    assert float(found[1]) == pytest.approx(100 - rate, abs=0.005)
    assert low < 100 - rate < high < -100
    assert low + high == pytest.approx(2 * (100 - rate), abs=0.02), "as far below as above"


def first_audio(tree, subset):
    return sorted((tree / "LibriSpeech" / subset).glob("*/*/*.flac"))[0]


def truncate(tree):
    file = first_audio(tree, "test-other")
    file.write_bytes(file.read_bytes()[:-200])


def hurry(tree):
    """Half of a second for a transcript of many words."""
    file = first_audio(tree, "train-clean-100")
    soundfile.write(file, soundfile.read(file)[0][:8_000], 16_000)
    lines = next(file.parent.glob("*.txt"))
    rest = lines.read_text().split("\n", 1)[1]
    lines.write_text(f"{file.stem} {'SISTER MASTER ' * 20}\n{rest}")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "lost sync.); 1 of 5 files of test-other are broken like this"),
        (hurry, "1 recordings are too short for their transcripts"),
    ],
)
def test_broken_data_end_a_run_before_it_begins(workshop, librispeech_tree, tmp_path, damage, message):
    tree = shutil.copytree(librispeech_tree, tmp_path / "tree")
    damage(tree)
    refused(workshop, *command(tree), message=message)


@pytest.mark.slow
def test_steps_that_cannot_be_shared_out_are_refused_before_any_recording_is_decoded(
    workshop, librispeech_tree, tmp_path
):
    tree = shutil.copytree(librispeech_tree, tmp_path / "tree")
    truncate(tree)
    small = "--data.init_args.global_batch_size=7"
    refused(workshop, *command(tree, "--devices=2", more=small), message="too few for 2 device(s)")
    torchrun = "torch.distributed.run --standalone --nproc-per-node 2 -m benchmarks"
    code, out, err = workshop.call(*command(tree, "--devices=2", more=small), module=torchrun)
    assert (code, err.count("too few for 2 device(s)")) == (1, 1), (out, err)


@needs_decoder
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no model\n", "is no ARPA file"),
        (None, "cannot be read (No such file or directory)"),
        ("\\data\\\nngram 1=9\n\n\\1-grams:\n-1\tSEA\n", "KenLM cannot use the language model"),
    ],
)
def test_a_language_model_that_is_none_is_refused(workshop, trained, librispeech_tree, tmp_path, content, message):
    model = tmp_path / "model.arpa"
    if content is not None:
        model.write_text(content)
    weights = f"--checkpoint={folder_of(trained) / 'weights.ckpt'}"
    refused(workshop, "validate", "librispeech", f"--data={librispeech_tree}", beam(model), weights, message=message)


def test_one_test_set_is_enough(workshop, trained, librispeech_tree, tmp_path):
    tree = shutil.copytree(librispeech_tree, tmp_path / "tree")
    for needless in ("train-clean-100", "dev-clean", "test-other"):
        shutil.rmtree(tree / "LibriSpeech" / needless)
    out = finish(
        workshop, "validate", "librispeech", f"--data={tree}", f"--checkpoint={folder_of(trained) / 'weights.ckpt'}"
    )
    assert "test-other is not there, so its readings stay `not run`" in out
    (record,) = workshop.contents("librispeech", "mini-validate-*")
    (whole,) = trained.contents("librispeech", "mini-s0-*")
    assert record["metrics"] == {key: value for key, value in whole["metrics"].items() if key.startswith("test_clean/")}
