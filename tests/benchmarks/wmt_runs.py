"""Small runs of WMT's two benchmarks: their commands, what they leave behind, and fixtures.

A file of tests takes a fixture by giving it its name: `trained = wmt_runs.trained`. All of them need `no_copy`.
"""

import functools
import os
import subprocess
import sys

import pytest

from tests.benchmarks.ended import finish

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
    return workshop.only_run(benchmark)


def predictions_of(workshop, name, benchmark="wmt_transformer"):
    return folder_of(workshop, benchmark) / "predictions" / f"{name}.{BENCHMARKS[benchmark]}"


def tokenised_in(workshop):
    """What lies where subwords are kept, but for locks, which are empty."""
    return [path for path in (workshop.root / "data/tokenised").glob("*") if path.stat().st_size]


@pytest.fixture(scope="module", autouse=True)
def no_copy(tmp_path_factory):
    """No copy of the official references, whatever this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SACREBLEU", str(tmp_path_factory.mktemp("none")))
        yield


@functools.cache  # once for all files of tests that one process runs
def _both_trained(workshops, tree):
    workshop = workshops("wmt")
    for benchmark in BENCHMARKS:
        finish(workshop, *command(tree, benchmark=benchmark))
    return workshop


@pytest.fixture(scope="module")
def trained(workshops, wmt_tree):
    return _both_trained(workshops, wmt_tree)


def sacrebleu(*arguments, **environment):
    """What sacreBLEU's own command says."""
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *map(str, arguments)], env=os.environ | environment, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout
