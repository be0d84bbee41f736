"""COCO from the command line, as real processes: a run, a kill, two processes, and anybody's results."""

import hashlib
import re
import shutil
from operator import methodcaller

import pytest
import torch

from benchmarks.strict import load_record
from lightning_modules.networks.resnet import ResNet
from results.foreign import detection as by_pycocotools
from tests.benchmarks.ended import STATE, assert_same_checkpoint, assert_scored_as_recorded, finish, kill, refused
from tests.results.records import whole

NETWORK = "model.init_args.network.init_args"
SMALL = (
    f"--trainer.max_epochs=2 --trainer.log_every_n_steps=1 --trainer.check_val_every_n_epoch=1 --threads=1 "
    f"--checkpoint_every_n_steps=2 --data.init_args.global_batch_size=4 --data.init_args.evaluation_batch_size=2 "
    f"--data.init_args.workers=0 --{NETWORK}.body.init_args.width=8 --{NETWORK}.channels=16 --{NETWORK}.proposals=40"
)


def command(tree, *extra):
    return ("run", "coco", "--profile=mini", f"--data={tree}", "--seeds=0", f"--args={SMALL}", *extra)


folder_of = methodcaller("only_run", "coco")


@pytest.fixture(scope="module")
def trained(workshops, coco_tree):
    workshop = workshops("coco")
    workshop.out = finish(workshop, *command(coco_tree))
    return workshop


def test_a_record_says_what_the_official_tool_says_of_its_predictions(trained, coco_tree):
    (record,) = trained.contents("coco", "mini-s0-*")
    official = by_pycocotools.score(folder_of(trained) / "predictions", str(coco_tree), "val2017")
    assert len(official) >= 9
    for name, value in official.items():
        assert record["metrics"][f"test/{name}"]["value"] == pytest.approx(value, abs=1e-9), name
    assert {"test/AP_voc20", "test/AP/person"} <= set(record["metrics"])
    assert record["examples"] == {"expected": 15, "scored": 15, "unique": 15}
    assert record["baselines"]["mean_box/AP"]["metric"] == "test/AP"
    assert record["initialised_from"] is None
    assert record["curves"]["val/AP"]
    assert (folder_of(trained) / "sheet.html").stat().st_size < 300_000


def test_verify_asks_the_official_tool_where_the_annotations_are(trained, coco_tree):
    """Also of results that no configuration belongs to; elsewhere nobody can score them, so no test asks for it."""
    shutil.copy(folder_of(trained) / "predictions/results.json", trained.root / "theirs.json")
    finish(trained, "validate", "coco", f"--data={coco_tree}", "--predictions=theirs.json", "--variant=default")
    records = list(map(load_record, (trained.root / "results/records/coco").glob("*.json")))
    assert {each.config is None for each in records} == {True, False}
    assert not any(map(whole, records))
    out = finish(trained, "verify").splitlines()[:-1]
    assert [line.split()[0] for line in out] == ["ok"] * len(records)
    assert all(re.search(r"test/AP [\d.]+, test/AP50 [^;]* by pycocotools 2\.", line) for line in out)
    elsewhere = coco_tree.rename(coco_tree.with_name("elsewhere"))
    try:
        out = finish(trained, "verify").splitlines()[:-1]
    finally:
        elsewhere.rename(coco_tree)
    assert [line.split()[0] for line in out] == ["unchecked"] * len(records)
    assert all("pycocotools needs instances_val2017.json, which is not here" in line for line in out)
    said = f"our own scoring needs the data for the intervals of test, and {coco_tree} does not hold them now"
    assert all(said in line for line in out)


def test_its_checkpoint_and_its_predictions_score_the_same_by_one_and_by_two(trained, coco_tree):
    (record,) = trained.contents("coco", "mini-s0-*")
    results = folder_of(trained) / "predictions/results.json"
    again = assert_scored_as_recorded(
        trained, "coco", coco_tree, record,
        [f"--predictions={results}", "--profile=mini"],
        [f"--checkpoint={folder_of(trained) / 'last.ckpt'}", f"--args={SMALL}"],
        [f"--checkpoint={folder_of(trained) / 'weights.ckpt'}", f"--args={SMALL}", "--devices=2"],
    )  # fmt: skip
    for each in again:
        (stored,) = each["predictions"]
        assert (trained.root / stored["path"]).read_text() == results.read_text()


def test_a_killed_run_ends_with_the_same_weights_and_numbers(workshops, coco_tree, trained):
    workshop = workshops("killed")
    kill(workshop, "step:3", *command(coco_tree))
    assert torch.load(folder_of(workshop) / "last.ckpt", weights_only=True)["global_step"] == 2
    assert "continuing from" in finish(workshop, *command(coco_tree))
    assert_same_checkpoint("last.ckpt", map(folder_of, (workshop, trained)), *STATE)
    (record,), (undisturbed,) = (each.contents("coco", "mini-s0-*") for each in (workshop, trained))
    assert record["metrics"] == undisturbed["metrics"]
    assert record["curves"] == undisturbed["curves"]


@pytest.mark.slow
def test_two_processes_train(workshops, coco_tree):
    """Validation inside fit, with an unequal share of the images and of the detections."""
    workshop = workshops("pair")
    finish(workshop, *command(coco_tree, "--devices=2"))
    (record,) = workshop.contents("coco", "mini-s0-*")
    assert record["environment"]["world_size"] == 2
    assert record["examples"] == {"expected": 15, "scored": 15, "unique": 15}
    assert record["curves"]["val/AP"][-1][1] == pytest.approx(record["metrics"]["test/AP"]["value"], rel=1e-6)


@pytest.mark.slow
def test_a_record_names_the_weights_that_training_began_with(workshops, coco_tree):
    """They are needed once: a run that was killed goes on without them."""
    workshop = workshops("transfer")
    body = ResNet(20, [1, 1, 1], bottleneck=False, width=8, blur_pool=False)
    path = workshop.root / "imagenet.ckpt"
    torch.save({"state_dict": {f"network.{k}": v for k, v in body.state_dict().items()}, "suite": {}}, path)
    arguments = [*command(coco_tree)]
    arguments[-1] += f" --model.init_args.init_from={path}"
    kill(workshop, "step:3", *arguments)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()
    assert "continuing from" in finish(workshop, *arguments)
    (record,) = workshop.contents("coco", "mini-s0-*")
    assert record["initialised_from"]["path"] == "imagenet.ckpt"
    assert record["initialised_from"]["sha256"] == digest
    assert any("init_from" in deviation for deviation in record["deviations"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"image_id": 5, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]', "seem to be of another split"),
        ('[{"image_id": 1142, "category_id": 8, "bbox": [1, 2, 3, 4], "score": 0.5}]', "with their gaps"),
        ('[{"image_id": 1142, "category_id": 1, "bbox": [1, 2, -3, 4], "score": 0.5}]', "never negative"),
        ('[{"image_id": 1142, "category_id": 1, "bbox": [1, 2, 3, 4], "score": NaN}]', "holds NaN"),
        ('[{"image_id": 1142, "category_id": 1, "bbox": [1, 2, 3', "ends in the middle"),
    ],
)
def test_results_that_contradict_the_data_are_refused(workshop, coco_tree, tmp_path, content, message):
    file = tmp_path / "theirs.json"
    file.write_text(content)
    refused(workshop, "validate", "coco", f"--data={coco_tree}", f"--predictions={file}", message=message)


def test_images_without_detections_are_a_note(workshop, coco_tree, tmp_path):
    (tmp_path / "theirs.json").write_text("[]")
    out = finish(workshop, "validate", "coco", f"--data={coco_tree}", f"--predictions={tmp_path / 'theirs.json'}")
    assert "note: val2017: 15 of 15 images have no detections" in out


def test_a_variant_that_no_reading_names_is_scored_too(workshop, coco_tree, trained):
    results = folder_of(trained) / "predictions/results.json"
    out = finish(
        workshop, "validate", "coco", f"--data={coco_tree}", f"--predictions={results}", "--variant=retinanet-v2"
    )
    assert "test/AP50" in out
    assert "note: no reading of the claim is about variant retinanet-v2, so there is no verdict; " in out
    (record,) = workshop.contents("coco", "full-validate-*")
    assert record["variant"] == "retinanet-v2"


def test_predictions_need_annotations_alone(workshop, coco_tree, trained, tmp_path):
    (tmp_path / "annotations").mkdir()
    name = "annotations/instances_val2017.json"
    (tmp_path / name).write_bytes((coco_tree / name).read_bytes())
    results = folder_of(trained) / "predictions/results.json"
    out = finish(workshop, "validate", "coco", f"--data={tmp_path}", f"--predictions={results}")
    assert "AP over VOC's 20 classes" in out
    assert "not comparable" in out
    code, _, err = workshop.call(
        "validate", "coco", f"--data={tmp_path}", f"--checkpoint={folder_of(trained) / 'last.ckpt'}"
    )
    assert code == 2
    assert "val2017 is missing, whose images this command reads" in err
