"""WMT from the command line, as real processes: what a run leaves behind says what sacreBLEU says."""

import hashlib
import itertools
import json

import pytest
import torch

from datamodules.subwords import Subwords
from tests.benchmarks import wmt_runs
from tests.benchmarks.wmt_runs import (
    BENCHMARKS,
    COUNTS,
    LANGUAGES,
    METRICS,
    STEPS,
    folder_of,
    predictions_of,
    sacrebleu,
    tokenised_in,
)
from tests.conftest import ROOT

no_copy, trained = wmt_runs.no_copy, wmt_runs.trained


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_record_says_what_sacrebleu_says_of_its_files(trained, wmt_tree, benchmark):
    (record,) = trained.contents(benchmark, "mini-s0-*")
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
    (record,) = trained.contents(benchmark, "mini-s0-*")
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
