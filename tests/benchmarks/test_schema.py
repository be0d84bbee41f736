"""Claims and records: strict to load, hashed by what decides, written whole and once."""

import dataclasses
import errno
import json
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from unittest.mock import Mock

import pytest
import yaml
from torchvision import models

from benchmarks import strict
from benchmarks.errors import UserError
from benchmarks.paths import ROOT, benchmarks
from benchmarks.schema import Record, short_hash
from benchmarks.strict import digest, load_claim, load_record, write_new_record, write_record
from tests.results.records import record

CLAIM = yaml.safe_load((ROOT / "benchmarks/imagenet/claim.yaml").read_text())


@pytest.fixture
def changed(tmp_path, monkeypatch):
    """Loads the claim of ImageNet after a change of what its file says."""

    def load(change):
        content = json.loads(json.dumps(CLAIM))
        change(content)
        (tmp_path / "claim.yaml").write_text(yaml.safe_dump(content))
        monkeypatch.setattr(strict, "benchmark_folder", lambda _: tmp_path)
        return load_claim("imagenet")

    return load


@pytest.mark.parametrize("benchmark", benchmarks())
def test_every_committed_claim_loads(benchmark):
    claim = load_claim(benchmark)
    assert claim.readings
    assert claim.source.statement
    assert all(reading.margin.reason for reading in claim.readings)


def test_the_numbers_of_the_claim_on_imagenet():
    claim = load_claim("imagenet")
    headline, literal = claim.readings
    assert (claim.source.value, headline.name, headline.metric) == (91.3, "top-5", "test/top5")
    assert (literal.name, literal.metric) == ("top-1", "test/top1")
    for reading in claim.readings:
        assert (reading.target, reading.rounding, reading.unit) == (91.3, 0.05, "%")
        assert (reading.examples, reading.split, reading.higher_is_better) == (50_000, "val", True)
        assert reading.signature == {"resize": 256, "crop": 224, "interpolation": "bilinear", "views": 1}
    # The margin of two standard errors of one evaluation, in percent.
    assert headline.margin.value == 0.2
    assert 100 * sqrt(0.913 * 0.087 / 50_000) == pytest.approx(0.126, abs=5e-4)


NEIGHBOURS = {
    "ResNet-34 V1": ("ResNet34_Weights.IMAGENET1K_V1", 91.420),
    "MobileNetV3-L V1": ("MobileNet_V3_Large_Weights.IMAGENET1K_V1", 91.340),
    "ResNet-50 V1": ("ResNet50_Weights.IMAGENET1K_V1", 92.862),
    "VGG-16-BN": ("VGG16_BN_Weights.IMAGENET1K_V1", 91.516),
    "DenseNet-121": ("DenseNet121_Weights.IMAGENET1K_V1", 91.972),
    "EfficientNetV2-L": ("EfficientNet_V2_L_Weights.IMAGENET1K_V1", 85.808),
    "RegNetY-128GF, weakly supervised": ("RegNet_Y_128GF_Weights.IMAGENET1K_SWAG_E2E_V1", 88.228),
}


@pytest.mark.parametrize("system", NEIGHBOURS)
def test_the_neighbours_are_those_of_torchvision(system):
    name, value = NEIGHBOURS[system]
    (neighbour,) = (each for each in load_claim("imagenet").neighbours if each.system == system)
    published = models.get_weight(name).meta["_metrics"]["ImageNet-1K"]
    assert neighbour.value == value == published["acc@1" if neighbour.metric == "top-1" else "acc@5"]


def test_every_neighbour_from_torchvision_is_checked():
    from_torchvision = {each.system for each in load_claim("imagenet").neighbours if "torchvision" in each.citation}
    assert from_torchvision == set(NEIGHBOURS)


def reading(content, **values):
    content["readings"][0] |= values


VOID = {
    "target": lambda claim: reading(claim, target=91.4),
    "rounding": lambda claim: reading(claim, rounding=0.5),
    "margin": lambda claim: claim["readings"][0]["margin"].update(value=0.3),
    "direction": lambda claim: reading(claim, higher_is_better=False),
    "metric": lambda claim: reading({**claim, "neighbours": claim["neighbours"].clear()}, metric="val/top5"),
    "split": lambda claim: reading(claim, split="train", examples=1_281_167),
    "signature": lambda claim: claim["readings"][0]["signature"].update(crop=256),
    "another reading": lambda claim: claim["readings"].append(claim["readings"][1] | {"name": "second"}),
}
HARMLESS = {
    "audit": lambda claim: claim.update(audit="mended"),
    "source": lambda claim: claim["source"].update(statement="mended"),
    "neighbours": lambda claim: claim["neighbours"].pop(),
    "the margin's reason": lambda claim: claim["readings"][0]["margin"].update(reason="mended"),
    "seeds": lambda claim: claim.update(seeds=[7]),
    "miniature": lambda claim: reading(claim, miniature={"target": 1.0, "distance": 1.0}),
    "the order of a signature": lambda claim: reading(
        claim, signature=dict(reversed(claim["readings"][0]["signature"].items()))
    ),
    "an ill-posed reading": lambda claim: claim["readings"].append(
        claim["readings"][1] | {"name": "second", "ill_posed": "nobody knows"}
    ),
}


@pytest.mark.parametrize("change", VOID.values(), ids=VOID)
def test_what_decides_the_verdict_changes_the_hash(changed, change):
    assert changed(change).hash != changed(lambda claim: None).hash


def test_so_does_the_number_of_examples():
    claim = load_claim("go")
    fewer = tuple(dataclasses.replace(each, examples=100) for each in claim.readings)
    assert dataclasses.replace(claim, readings=fewer).hash != claim.hash


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_decides_nothing_leaves_the_hash(changed, change):
    assert changed(change).hash == changed(lambda claim: None).hash


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda claim: claim.update(extra=1), ("extra: Unexpected", "a claim has the keys dataset, task")),
        (lambda claim: claim.pop("audit"), ("audit: Field required",)),
        (lambda claim: reading(claim, target="91.3"), ("readings.0.target", "valid number")),
        (lambda claim: reading(claim, stand_in=1), ("readings.0.stand_in", "boolean")),
        (lambda claim: reading(claim, examples=5e4), ("readings.0.examples", "integer")),
        (lambda claim: reading(claim, tolerance=1), ("readings.0.tolerance", "a reading has the keys name, metric")),
        (
            lambda claim: claim["readings"][1]["margin"].pop("reason"),
            ("readings.1.margin.reason", "a margin has the keys"),
        ),
        (lambda claim: reading(claim, signature={"crop": [1]}), ("readings.0.signature.crop",)),
        (lambda claim: claim.update(checkpoint="best"), ("checkpoint is 'best'", "`last`", "val/accuracy")),
        (lambda claim: claim.update(checkpoint="best test/accuracy"), ("checkpoint is 'best test/accuracy'",)),
        (lambda claim: claim.update(readings=[]), ("need at least one entry each",)),
        (lambda claim: claim.update(seeds=[]), ("need at least one entry each",)),
        (
            lambda claim: claim["neighbours"][0].update(beside="test/top6"),
            ("neighbour 'ResNet-34 V1'", "'test/top6', which no reading is about", "test/top1, test/top5"),
        ),
        (
            lambda claim: reading(claim, split="test"),
            ("'top-5': split is 'test'", "OFFICIAL in datamodules/layouts/imagenet.py has train, val"),
        ),
        (lambda claim: reading(claim, examples=500), ("'top-5': examples is 500", "50000", "OFFICIAL['val']")),
    ],
)
def test_a_claim_that_breaks_the_schema_is_refused(changed, change, words):
    with pytest.raises(UserError) as refused:
        changed(change)
    message = str(refused.value)
    assert "claim.yaml" in message
    assert [part for part in words if part not in message] == []


def test_numbers_of_a_claim_are_read_as_those_of_a_config(changed, tmp_path):
    """`913e-1`, which PyYAML alone takes for a string."""
    changed(lambda claim: None)
    path = tmp_path / "claim.yaml"
    path.write_text(path.read_text().replace("target: 91.3", "target: 913e-1").replace("crop: 224", "crop: 1e6"))
    first = load_claim("imagenet").readings[0]
    assert (first.target, first.signature["crop"]) == (91.3, 1e6)


def test_a_list_instead_of_a_claim(changed, tmp_path):
    changed(lambda claim: None)
    (tmp_path / "claim.yaml").write_text("- 1\n")
    with pytest.raises(UserError, match=r"claim\.yaml: the top level"):
        load_claim("imagenet")


def test_a_record_comes_back_as_it_went(tmp_path):
    before = record(top5=91.3 + 1e-13, curves={"val/top1": ((10.0, 3.3333333333333335), (20.0, 4.0))})
    write_record(before, tmp_path / "a" / "r.json")
    after = load_record(tmp_path / "a" / "r.json")
    assert dataclasses.replace(after, digest=None) == before
    assert after.metrics["test/top5"].value == 91.3 + 1e-13


def test_of_several_that_write_one_record_at_once_one_does(tmp_path):
    path = tmp_path / "r.json"
    start = threading.Barrier(8)

    def write(value):
        start.wait()
        return write_new_record(record(top5=value), path)

    with ThreadPoolExecutor(8) as pool:
        wrote = dict(zip(range(8), pool.map(write, range(8)), strict=True))
    (first,) = (value for value, did in wrote.items() if did)
    assert load_record(path).metrics["test/top5"].value == first
    assert [each.name for each in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize("links", [True, False])
def test_a_record_is_never_overwritten(tmp_path, monkeypatch, links):
    """Nor where the file system has no links, which must not lose the record of a run."""
    if not links:
        monkeypatch.setattr(os, "link", Mock(side_effect=PermissionError(errno.EPERM, "Operation not permitted")))
    path = tmp_path / "r.json"
    write_record(record(top5=91.0), path)
    before = path.read_bytes()
    with pytest.raises(UserError, match="exists already, and records are never edited"):
        write_record(record(top5=99.0), path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_never_recorded(tmp_path, value):
    with pytest.raises((ValueError, UserError)):
        write_record(record(top5=value), tmp_path / "r.json")
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_a_wrong_type_is_never_written(tmp_path):
    with pytest.raises(UserError, match="seconds"):
        write_record(record(seconds="long"), tmp_path / "r.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", [each.name for each in dataclasses.fields(Record) if each.name != "digest"])
def test_no_key_of_a_record_can_be_left_out_of_its_digest(key):
    contents = dict.fromkeys((each.name for each in dataclasses.fields(Record)), 1)
    assert digest(contents | {key: 2}) != digest(contents) == digest(contents | {"digest": 2})


def test_a_crash_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def crash(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        write_record(record(), tmp_path / "r.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "Invalid JSON"),
        (lambda text: "", "Invalid JSON"),
        (lambda text: text.replace('"official": true', '"official": "yes"'), "official"),
        (lambda text: text.replace('"seed": 0', '"seed": 0, "luck": 7'), "luck"),
        (lambda text: text.replace('"schema": 2', '"schema": 1'), "schema: Input should be 2"),
        (lambda text: text.replace('"value": 92.0', '"value": 92.5'), "was edited: its digest is not that"),
        (lambda text: text.replace('"official": true', '"official": false'), "was edited: its digest is not that"),
        (lambda text: text.replace('"max_epochs": 32', '"max_epochs": 33'), "was edited: its digest is not that"),
        (lambda text: re.sub(r',\s+"digest": "\w+"', "", text), "was edited"),
    ],
)
def test_a_damaged_record_is_named(tmp_path, damage, words):
    path = tmp_path / "full-s0.json"
    write_record(record(), path)
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError) as refused:
        load_record(path)
    assert "full-s0.json" in str(refused.value)
    assert words in str(refused.value)
    remedy = "move it away, and make it anew." if "schema" in words else "restore the file, or move it away."
    assert str(refused.value).endswith(remedy)


def test_hashes_do_not_depend_on_the_order_of_keys():
    assert short_hash({"a": 1, "b": 2}) == short_hash({"b": 2, "a": 1})
    assert len(short_hash({})) == 12


def test_everything_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        record().seed = 3


def test_a_miniature_may_be_tested_on_less(changed):
    def smaller(content):
        content["small_tests"] = {"val": {"split": "tiny", "examples": 7}}

    claim = changed(smaller)
    assert (claim.splits(None), claim.examples("val")) == ((("test", "val"),), 50_000)
    assert claim.within("full") is claim
    small = claim.within("mini")
    assert (small.splits(None), small.examples("tiny")) == ((("test", "tiny"),), 7)
    assert [reading.target for reading in small.readings] == [reading.target for reading in claim.readings]
