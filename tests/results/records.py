"""Records made by hand, and copies of committed ones, for the tests of what reads them."""

import json
import shutil

from benchmarks.modules import needs_data, scoring
from benchmarks.schema import SCHEMA, Baseline, Environment, Examples, Measurement, Record, StoredFile, Tracking
from benchmarks.strict import digest, load_claim, write_record
from results.statistics import NORMAL_QUANTILE
from tests.conftest import ROOT

FULL = {"resize": 256, "crop": 224, "interpolation": "bilinear", "views": 1}
SMALL = {"resize": 72, "crop": 64, "interpolation": "bilinear", "views": 1}


def measurement(value, error=0.1, n=50_000, signature=None):
    half = NORMAL_QUANTILE * error
    return Measurement(value, "%", (value - half, value + half), n, FULL if signature is None else signature)


def record(seed=0, top5=92.0, top1=70.0, error=0.1, n=50_000, signature=None, **changes):
    """A record of an official training run of ImageNet; what it measured, and any field, may be set."""
    known = {
        "schema": SCHEMA, "benchmark": "imagenet", "profile": "full", "mode": "train", "variant": None,
        "run_id": f"full-s{seed}-aaaaaaaaaaaa", "seed": seed,
        "started": "2026-01-01T00:00:00+00:00",
        "finished": f"2026-01-02T00:00:{seed or 0:02d}+00:00", "seconds": 86_400.5,
        "metrics": {
            "test/top5": measurement(top5, error, n, signature), "test/top1": measurement(top1, error, n, signature),
        },
        "baselines": {}, "examples": Examples(n, n, n), "checkpoint": StoredFile("results/runs/x/last.ckpt", "0" * 64),
        "predictions": (StoredFile("results/runs/x/predictions/predictions.csv", "1" * 64),),
        "config": {"trainer": {"max_epochs": 32}, "data": {"init_args": {"seed": seed}}}, "config_hash": "aaaaaaaaaaaa",
        "claim_hash": load_claim("imagenet").hash, "deviations": (), "official": True,
        "environment": Environment("c" * 40, False, "3.11.9", {"torch": "2.11.0"}, "a CPU", (), 8, "bf16-mixed", 512),
        "throughput": None, "curves": {}, "wandb": Tracking(None, "disabled"),
    }  # fmt: skip
    return Record(**known | changes)


def miniature_record(top5=95.0, top1=60.0, linear5=30.0, linear1=10.0, **changes):
    """A record of a miniature run with both its baselines."""
    baselines = {
        "majority_class/top5": Baseline(25.0, "test/top5"), "majority_class/top1": Baseline(5.0, "test/top1"),
        "linear_8x8/top5": Baseline(linear5, "test/top5"), "linear_8x8/top1": Baseline(linear1, "test/top1"),
    }  # fmt: skip
    known = {
        "profile": "mini", "run_id": "mini-s0-aaaaaaaaaaaa", "baselines": baselines, "official": False, "n": 400,
        "signature": SMALL, "error": 1.0,
    }  # fmt: skip
    return record(0, top5, top1, **known | changes)


def put(repository, *records):
    """Writes records where a repository keeps ImageNet's."""
    for each in records:
        write_record(each, repository / "results/records/imagenet" / f"{each.run_id}.json")


def whole(record):
    """Whether all is committed by which a record is scored again: predictions, and what they were held against."""
    claim = load_claim(record.benchmark)
    kept = all(each.path.startswith("results/records/") for each in record.predictions)
    ours = record.config is not None  # not somebody's predictions, beside which no references need lie
    return kept and (not needs_data(claim) or (ours and hasattr(scoring(claim), "stored_truth")))


def sealed(content):
    """A record's file as somebody would forge it, who knows of the digest."""
    return json.dumps(content | {"digest": digest(content)})


def copy_committed(workshop, benchmark, run_id):
    """Copies a committed record, and what is kept beside it, into a workshop; returns the folder of both."""
    source, folder = ROOT / "results/records" / benchmark, workshop.root / "results/records" / benchmark
    shutil.copytree(source / run_id, folder / run_id)
    shutil.copy(source / f"{run_id}.json", folder)
    return folder
