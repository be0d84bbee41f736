"""Scoring without training: predictions, published weights and checkpoints."""

import csv
import hashlib
import os
import re
import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import top_k_accuracy_score
from torchvision import models
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from benchmarks import validate
from benchmarks.errors import UserError
from benchmarks.strict import load_record
from datamodules.layouts import imagenet
from results.scoring import classification, control
from tests.benchmarks.conftest import CHECKOUT, write_predictions
from tests.benchmarks.ended import finish

SHORT = (
    "--args=--trainer.max_epochs=2 --checkpoint_every_n_steps=5 --model.init_args.network.init_args.width=4 "
    "--data.init_args.global_batch_size=16 --data.init_args.workers=0"
)


def only_record(desk):
    (path,) = desk.records()
    return load_record(path)


# Predictions. Of 37 images, `write_predictions` gets the 25 right whose row modulo 3 is not 2.


def test_predictions_for_the_miniature(desk):
    path = write_predictions(desk.tmp / "mine.csv", desk.tree)
    out = finish(desk, "validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--predictions={path}")
    assert out.startswith("imagenet: scoring predictions")
    assert "profile mini, as asked by PROFILE" in out
    assert f"measured {100 * 25 / 37:.2f} %" in out
    assert "verdict  pipeline short" in out

    record = only_record(desk)
    assert out.splitlines()[-1].split() == ["record", f"results/records/imagenet/{record.run_id}.json"]
    assert record.run_id.startswith("mini-validate-")
    assert (record.mode, record.profile, record.seed, record.variant) == ("validate", "mini", None, None)
    assert {key: measured.value for key, measured in record.metrics.items()} == {
        "test/top1": 100 * 25 / 37, "test/top5": 100 * 25 / 37,
    }  # fmt: skip
    examples = record.examples
    assert (examples.expected, examples.scored, examples.unique) == (37, 37, 37)
    (stored,) = record.predictions
    assert stored.path == str(path)
    assert stored.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (record.checkpoint, record.config, record.config_hash, record.throughput) == (None, None, None, None)
    assert (record.official, record.deviations, record.wandb.mode) == (False, (), "disabled")
    digest = imagenet.open_split(str(desk.tree), "val").digest
    assert record.data == {"val": 37, "val digest": digest, "root": str(desk.tree)}


def test_a_file_that_is_replaced_while_it_is_scored_is_no_record(desk, monkeypatch):
    """It would vouch for other predictions than those that were scored."""
    path = write_predictions(desk.tmp / "mine.csv", desk.tree)
    score = classification.score
    monkeypatch.setattr(classification, "score", lambda *given: path.write_text("others") and score(*given))
    code, _, err = desk.call("validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--predictions={path}")
    assert (code, desk.records()) == (2, [])
    assert f"{path}: a file changed while it was scored. Leave it alone and run the same command again." in err


def test_predictions_for_the_embedded_data(desk, miniature_tree):
    target = desk.root / "data/miniature/imagenet"
    shutil.copytree(miniature_tree, target, copy_function=os.link)
    folder = desk.tmp / "predictions"
    folder.mkdir()
    write_predictions(folder / "predictions.csv", target)
    (folder / ".DS_Store").write_text("stray")
    (folder / "predictions-old").mkdir()
    code, _, err = desk.call("validate", "imagenet", "--profile=mini", f"--predictions={folder}")
    assert (code, err) == (0, "")
    record = only_record(desk)
    assert record.examples.scored == 400
    assert [stored.path for stored in record.predictions] == [str(folder / "predictions.csv")]


def test_predictions_for_a_small_tree_are_not_comparable(desk):
    path = write_predictions(desk.tmp / "mine.csv", desk.tree)
    for number in (1, 2):  # records are never overwritten
        code, out, _ = desk.call("validate", "imagenet", f"--data={desk.tree}", f"--predictions={path}")
        assert code == 0
        assert "profile full, as no PROFILE=mini is given" in out
        assert "val: 37 examples, officially 50,000" in out
        assert out.count("verdict  not comparable (37 examples were scored, the claim is about 50000)") == 2
        assert len(desk.records()) == number
    first, second = sorted((load_record(path) for path in desk.records()), key=lambda record: len(record.run_id))
    assert second.run_id == f"{first.run_id}-2"
    assert first.metrics == second.metrics
    assert not first.official
    assert first.deviations == ("val: 37 examples, officially 50,000",)


def test_translations_that_another_sacrebleu_scores_are_not_comparable(desk, monkeypatch):
    """Its version stands in the claim's signature, as it may count words in another way."""
    for language in ("en", "de"):
        (desk.tmp / f"newstest2014.{language}").write_text("Ein Satz.\n" * 3003)
    monkeypatch.setattr("sacrebleu.metrics.base.__version__", "2.4.3")
    theirs = desk.tmp / "newstest2014.de"
    out = finish(desk, "validate", "wmt_transformer", f"--data={desk.tmp}", f"--predictions={theirs}")
    different = r"bleu [^,]*\|version:2\.4\.3 instead of [^,]*\|version:2\.6\.0, "
    assert re.search(rf"verdict  not comparable \(the protocol differs: {different}", out), out


def test_a_test_set_that_is_not_whole_is_unofficial_and_no_claim_may_ask_for_less(desk):
    path = write_predictions(desk.tmp / "mine.csv", desk.tree)
    command = ("validate", "imagenet", f"--data={desk.tree}", f"--predictions={path}")
    code, out, _ = desk.call(*command)
    assert code == 0
    assert "note: DATA is not ILSVRC2012 whole (val: 37 examples, officially 50,000): unofficial" in out
    record = only_record(desk)
    assert (record.official, record.deviations) == (False, ("val: 37 examples, officially 50,000",))
    desk.config("claim.yaml").write_text(desk.config("claim.yaml").read_text().replace("50000", "37"))
    code, _, err = desk.call(*command)
    assert (code, err.count("\n")) == (2, 1)
    assert "'top-5': examples is 37, but OFFICIAL['val'] in datamodules/layouts/imagenet.py is 50000" in err


def test_a_claim_about_what_nobody_measures_has_no_verdict_and_says_so(desk):
    claim = desk.config("claim.yaml")
    claim.write_text(claim.read_text().replace("metric: test/top5", "metric: test/accuracy"))
    desk.edit("claim.yaml", "metric: test/top1", "metric: test/accuracy")
    claim.write_text(claim.read_text().replace("beside: test/top5", "beside: test/accuracy"))
    claim.write_text(claim.read_text().replace("beside: test/top1", "beside: test/accuracy"))
    path = write_predictions(desk.tmp / "mine.csv", desk.tree)
    out = finish(desk, "validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--predictions={path}")
    assert "note: no reading of the claim is about any of these metrics, so there is no verdict; they are about " in out
    assert "verdict  " not in out


def test_a_validation_that_another_overtakes_takes_the_next_number(desk, monkeypatch):
    path = write_predictions(desk.tmp / "mine.csv", desk.tree)
    write = validate.write_new_record

    def overtaken(record, path):
        if not desk.records():
            assert write(record, path)
        return write(record, path)

    monkeypatch.setattr(validate, "write_new_record", overtaken)
    out = finish(desk, "validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--predictions={path}")
    theirs, ours = sorted((load_record(path) for path in desk.records()), key=lambda record: len(record.run_id))
    assert ours.run_id == f"{theirs.run_id}-2"
    assert f"{ours.run_id}.json" in out.splitlines()[-1]


def test_nobody_scores_into_a_folder_whose_record_is_there(tmp_path):
    """It may have been written while this process waited for the folder."""
    subject = SimpleNamespace(free_run_id=lambda: "full-validate-0-2")
    with pytest.raises(UserError, match="has just scored"), validate._reserved(subject, tmp_path / "full-validate-0"):
        pass


def test_what_predictions_are_said_to_be_of_is_part_of_the_name(desk):
    """Or two validations that go on at once would hold each other's for a repetition of their own."""
    played = [{"seed": 2 * i, "return": 2600.0 + i, "length": 1000} for i in range(100)]
    control.write(desk.tmp, played, control.truth("Hopper-v5", 100))
    for variant in ("hopper-decqn", "hopper-ppo"):
        given = (f"--predictions={desk.tmp}", f"--variant={variant}")
        assert desk.call("validate", "locomotion_walk", *given)[0] == 0
    one, other = (path.stem for path in desk.records())
    assert not other.startswith(one)


def test_predictions_need_no_training_data(desk, copied_tree):
    path = write_predictions(desk.tmp / "mine.csv", copied_tree)
    shutil.rmtree(copied_tree / "train")
    finish(desk, "validate", "imagenet", f"--data={copied_tree}", f"--predictions={path}")


def test_predictions_are_held_against_the_variant_that_is_named(desk):
    played = [{"seed": 2 * i, "return": 2600.0 + i, "length": 1000} for i in range(100)]
    control.write(desk.tmp, played, control.truth("Hopper-v5", 100))
    out = finish(desk, "validate", "locomotion_walk", f"--predictions={desk.tmp}", "--variant=hopper-decqn")
    assert "reading    Hopper by DecQN: Hopper-v5/return" in out
    assert "measured 2649.50 reward" in out
    assert "verdict  unofficial (uncommitted code)" in out  # the workshop's is
    record = only_record(desk)
    assert record.variant == "hopper-decqn"
    assert record.metrics["Hopper-v5/return"].signature["steps"] == 500_000


# A yardstick that others measured.

DRIVES = "results/records/driving/full-s0-e32402ef0a1f"


def swapped(row):
    return row.replace("agent", "?").replace("idm", "agent").replace("?", "idm")


def with_a_poor_idm(row):
    return re.sub(r"idm,[\d.]+", "idm,1.0", row)


def from_other_resets(row):
    return re.sub(r"-v0,(\d+)", lambda found: f"-v0,{int(found[1]) + 10**6}", row)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (str, "verdict  unofficial (uncommitted code)"),
        (
            swapped,
            "IDM's rows differ from those of benchmarks/driving/idm.csv in length or crash, in 500 episodes; copy",
        ),
        (with_a_poor_idm, "verdict  not comparable (the protocol differs: yardstick an IDM that drives 500 of 500"),
        (from_other_resets, "theirs.csv, line 2: seed is 1000001, expected 1: in every run episode k of the test"),
    ],
)
def test_drives_are_compared_with_the_yardstick_and_by_the_resets_of_every_run(desk, change, said):
    header, *rows = (CHECKOUT / DRIVES / "episodes.csv").read_text().splitlines()
    file = desk.tmp / "theirs.csv"
    file.write_text("\n".join([header, *map(change, rows), ""]))
    _, out, err = desk.call("validate", "driving", f"--predictions={file}", "--variant=default")
    assert said in out + err
    assert "exceeded" not in out


# Published weights: a small network of random weights, under a name of the registry, with a preset of its own.

WEIGHTS = "ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1"
PRESET = {"resize": 80, "crop": 64, "interpolation": "bicubic", "views": 1}
PRESET_TRANSFORMS = partial(ImageClassification, crop_size=64, resize_size=80, interpolation=InterpolationMode.BICUBIC)


@pytest.fixture(scope="module")
def thousand_classes(tmp_path_factory):
    """One small image of each of 1,000 classes, for validation only."""
    root = tmp_path_factory.mktemp("thousand")
    generator = np.random.default_rng(0)
    for label in range(1000):
        folder = root / "val" / f"n{label + 1:08d}"
        folder.mkdir(parents=True)
        coarse = Image.fromarray(generator.integers(0, 256, (4, 5, 3), dtype=np.uint8))
        coarse.resize((50, 40)).save(folder / f"ILSVRC2012_val_{label + 1:08d}.JPEG")
    return root


@pytest.fixture(scope="module")
def images(thousand_classes):
    """Ids, and what torchvision's own preset makes of the images, [1000, 3, 64, 64]."""
    paths = sorted((thousand_classes / "val").glob("*/*.JPEG"))
    pixels = torch.stack([PRESET_TRANSFORMS()(Image.open(path).convert("RGB")) for path in paths])
    return [f"{path.parent.name}/{path.stem}" for path in paths], pixels


@pytest.fixture(scope="module")
def network(images):
    """A network of random weights that tells images apart."""
    torch.manual_seed(0)
    made = models.shufflenet_v2_x0_5()
    _tell_images_apart(made, images[1][::20])
    return made


@pytest.fixture
def cached_network(desk, network, monkeypatch):
    """The network, its weights in the hub's cache under a name that ends in the hash of the file."""
    entry = models.get_weight(WEIGHTS)
    monkeypatch.setattr(entry.value, "transforms", PRESET_TRANSFORMS)
    torch.save(network.state_dict(), desk.tmp / "weights")
    data = (desk.tmp / "weights").read_bytes()
    name = f"shufflenet-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    monkeypatch.setattr(entry.value, "url", f"https://example.invalid/{name}")
    monkeypatch.setenv("TORCH_HOME", str(desk.tmp / "hub"))
    (desk.tmp / "hub/hub/checkpoints").mkdir(parents=True)
    (desk.tmp / "hub/hub/checkpoints" / name).write_bytes(data)
    return network


def _tell_images_apart(network, images):
    """Random weights answer much the same to all images; what they have in common is taken off."""
    with torch.no_grad():
        network.train()
        for _ in range(3):
            network(images)
        network.eval()
        network.fc.weight.normal_(std=1.0)
        outputs = network(images)
        network.fc.bias -= outputs.mean(0)
        network.fc.weight *= 5 / outputs.std(0).mean()
        network.fc.bias *= 5 / outputs.std(0).mean()


def test_published_weights_score_as_under_their_own_preset(desk, thousand_classes, images, cached_network):
    code, out, err = desk.call(
        "validate", "imagenet", f"--data={thousand_classes}", f"--weights={WEIGHTS}",
        "--args=--data.init_args.workers=1 --threads=2",
    )  # fmt: skip
    assert code == 0, err
    assert "not comparable (1000 examples were scored" in out
    record = only_record(desk)
    ids, pixels = images
    with torch.inference_mode():
        probabilities = cached_network(pixels).softmax(1).numpy()

    with (desk.root / record.predictions[0].path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ids
    assert [int(row["label"]) for row in rows] == list(range(1000))
    best = np.argsort(-probabilities, axis=1)[:, :5]
    assert len(set(best[:, 0])) > 50  # the network tells images apart
    said = np.array([[int(row[f"pred{rank}"]) for rank in range(1, 6)] for row in rows])
    assert (said == best).mean() > 0.999  # near ties may fall either way
    scores = np.array([[float(row[f"score{rank}"]) for rank in range(1, 6)] for row in rows])
    np.testing.assert_allclose(scores, -np.sort(-probabilities, axis=1)[:, :5], rtol=2e-4)
    for key, k in (("test/top1", 1), ("test/top5", 5)):
        expected = top_k_accuracy_score(range(1000), probabilities, k=k, labels=range(1000), normalize=False)
        assert record.metrics[key].value == 100 * expected / 1000
        assert record.metrics[key].signature == PRESET
        assert record.metrics[key].n == 1000

    assert (record.mode, record.profile, record.checkpoint, record.seed) == ("validate", "full", None, None)
    assert record.environment.precision == "32-true"
    assert record.deviations == ("threads: 4 -> 2", "val: 1,000 examples, officially 50,000")
    assert record.config["data"]["init_args"]["resize"] == 80


def test_published_weights_on_other_classes(desk, cached_network):
    code, _, err = desk.call("validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--weights={WEIGHTS}")
    assert code == 2
    assert "tell 1000 classes apart, but DATA has 20" in err
    assert desk.records() == []


# A checkpoint.


def test_a_checkpoint_scores_as_its_own_run_did(desk):
    code, _, err = desk.call("run", "imagenet", "--seeds=0", "--profile=mini", f"--data={desk.tree}", SHORT)
    assert code == 0, err
    trained = only_record(desk)
    moved = desk.tmp / "moved.ckpt"
    shutil.copy(desk.root / trained.checkpoint.path, moved)

    code, out, err = desk.call("validate", "imagenet", f"--data={desk.tree}", f"--checkpoint={moved}")
    assert code == 0, err
    assert "profile mini, as the checkpoint's own run" in out
    wider = "--args=--model.init_args.network.init_args.width=8"
    code, _, err = desk.call("validate", "imagenet", f"--data={desk.tree}", f"--checkpoint={moved}", wider)
    assert (code, err.count("\n")) == (2, 1), err
    assert "moved.ckpt do not fit the network (Missing key(s) in state_dict: " in err
    assert len(desk.records()) == 2
    (again,) = (record for record in map(load_record, desk.records()) if record.mode == "validate")
    assert again.metrics == trained.metrics
    assert again.predictions[0].sha256 == trained.predictions[0].sha256
    assert (again.seed, again.config_hash, again.claim_hash) == (0, trained.config_hash, trained.claim_hash)
    assert again.checkpoint.sha256 == trained.checkpoint.sha256
    assert again.data == {key: trained.data[key] for key in ("val", "val digest")}
    # What the run itself deviated in still counts.
    assert again.deviations == trained.deviations
    assert any(line.startswith("trainer.max_epochs: ") and line.endswith(" -> 2") for line in again.deviations)
    assert not again.official
    assert again.baselines == {}
