"""Small runs of IMDB: their command, what they leave behind, and fixtures.

A file of tests takes a fixture, and those that it needs, by giving them their names: `tree = imdb_runs.tree`.
"""

import csv
import functools
from operator import methodcaller

import pytest
import torch

from tests.benchmarks.ended import finish
from tests.datamodules.imdb_trees import planted, put, reviews

NETWORK_OF = "model.init_args.network.init_args"
NETWORK = " ".join(
    f"--stages.{stage}.{NETWORK_OF}.{key}={value}"
    for stage in ("pretraining", "fine_tuning")
    for key, value in {"width": 16, "heads": 2, "feedforward": 16, "layers": 2, "dropout": 0.1}.items()
)
COMMON = (
    f"{NETWORK} --threads=1 --trainer.log_every_n_steps=1 --checkpoint_every_n_steps=2 --data.init_args.workers=0 "
    "--data.init_args.subwords=320 --data.init_args.longest=40 --data.init_args.evaluation_batch_size=900 "
    "--data.init_args.global_batch_size=700 --stages.fine_tuning.trainer.max_epochs=3"
)
SMALL = f"{COMMON} --stages.pretraining.trainer.max_epochs=2"
ALONE = f"{SMALL} --controls=[]"
TEST = 22  # reviews
STEPS = {"pretraining": 18, "": 15}


def command(tree, *extra, settings=ALONE):
    return ("run", "imdb", "--profile=mini", f"--data={tree}", "--seeds=0", f"--args={settings}", *extra)


def validate(tree, *extra):
    return ("validate", "imdb", f"--data={tree}", *extra)


folder_of = methodcaller("only_run", "imdb")


def checkpoint(path):
    return torch.load(path, weights_only=True)


# Both once for all files of tests that one process runs.


@functools.cache
def _written(folder):
    return put(folder / "imdb_tree", planted(reviews()))


@functools.cache
def _trained(workshops, tree):
    workshop = workshops("imdb")
    finish(workshop, *command(tree))
    return workshop


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return _written(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def trained(workshops, tree):
    return _trained(workshops, tree)


@pytest.fixture(scope="module")
def record(trained):
    (found,) = trained.contents("imdb", "mini-s0-*")
    return found


def rows_of(workshop):
    with (folder_of(workshop) / "predictions/predictions.csv").open() as file:
        return list(csv.DictReader(file))
