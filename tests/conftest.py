"""What tests share: a copy of the packages that real processes may run in, and trees cut from the miniature."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import scipy.io

# Threads that wait for each other would spin on the cores that the other test process computes on; OpenMP reads this
# when torch loads it.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
# Every machine is tested as one without a GPU, as CI's is: what runs and messages say and compute depends on it.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from datamodules.layouts import imagenet as layouts
from datamodules.miniature import coco as coco_miniature
from datamodules.miniature import imagenet as miniature
from datamodules.miniature import librispeech as librispeech_miniature
from datamodules.miniature import wmt as wmt_miniature
from tests.warm import Server, Warm

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmarks", "datamodules", "lightning_modules", "results")
PAUSED = Path(__file__).parent / "benchmarks" / "paused.py"

# A network that draws random numbers in training, so that a resume must find the generators where they were.
NOISY = """from torch import nn

from lightning_modules.networks.resnet import ResNet


class Noisy(ResNet):
    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, [1, 1, 1, 1], bottleneck=False, width=4)
        self.fc = nn.Sequential(nn.Dropout(0.3), self.fc)
"""

# 160 training images: ten steps an epoch, thirty in all, a checkpoint every four and at the end of an epoch.
SHORT = {
    "trainer.max_epochs": 3,
    "trainer.log_every_n_steps": 1,
    "checkpoint_every_n_steps": 4,
    "model.init_args.network.class_path": "lightning_modules.networks.noisy.Noisy",
    "data.init_args.global_batch_size": 16,
    "data.init_args.evaluation_batch_size": 8,
    "data.init_args.workers": 0,
}
STEPS = 30


def short(**changes):
    """`--args` of a short run."""
    values = SHORT | changes
    return "--args=" + " ".join(f"--{key}={value}" for key, value in values.items())


@dataclass
class Process:
    """A started command."""

    popen: subprocess.Popen | Warm
    folder: Path

    def wait(self, seconds=240):
        """(exit code, stdout, stderr); all is killed if it does not end."""
        try:
            out, err = self.popen.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.end()
            out, err = self.popen.communicate()
            pytest.fail(f"did not end within {seconds} s\n{out}\n{err}")
        return self.popen.returncode, out, err

    def until(self, condition, seconds=120):
        """Waits for a condition to hold while the process lives."""
        end = time.monotonic() + seconds
        while not condition():
            if self.popen.poll() is not None or time.monotonic() > end:
                self.end()
                pytest.fail("\n".join(("what was waited for did not happen", *self.popen.communicate())))
            time.sleep(0.02)

    def until_paused(self):
        """Waits for the moment at which `PAUSE_AT` holds the process."""
        self.until((self.folder / "paused").exists)

    def go_on(self):
        """Lets a paused process continue."""
        (self.folder / "paused").unlink()

    def kill_group(self, number=signal.SIGKILL):
        """Sends a signal to the process and all that it started."""
        os.killpg(self.popen.pid, number)

    def members(self):
        """Ids of the living processes that work in the workshop, whoever started them and in whichever group."""
        return [int(entry.name) for entry in Path("/proc").iterdir() if _works_in(entry, self.folder)]

    def end(self):
        """Kills all of them."""
        for pid in self.members():
            os.kill(pid, signal.SIGKILL)


def _works_in(entry, folder):
    try:
        return (entry / "cwd").readlink() == folder and "Z" not in (entry / "stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False


@dataclass
class Workshop:
    """A copy of the packages: what runs there leaves the checkout alone."""

    root: Path
    server: Server

    def start(self, *arguments, pause=None, module="benchmarks", **environment):
        """Starts a command in a process group of its own; with `pause` it stops at that moment (`paused.py`)."""
        settings = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "PYTEST_"))}
        settings |= {"OMP_WAIT_POLICY": "PASSIVE", "WANDB_MODE": "disabled"} | environment
        settings |= {"PAUSE_AT": pause or "", "PAUSE_IN": str(self.root)}
        settings["PYTHONPATH"] = str(self.root)
        if module != "benchmarks":
            popen = subprocess.Popen(
                [sys.executable, "-m", *module.split(), *map(str, arguments)], cwd=self.root, env=settings, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            return Process(popen, self.root)
        program = str(PAUSED) if pause else module
        return Process(self.server.start(program, list(map(str, arguments)), self.root, settings), self.root)

    def call(self, *arguments, **options):
        """Runs a command to its end: (exit code, stdout, stderr)."""
        return self.start(*arguments, **options).wait()

    def runs(self, benchmark="imagenet"):
        """Folders of runs."""
        return sorted((self.root / "results/runs" / benchmark).glob("*"))

    def records(self):
        """Files of records."""
        return sorted((self.root / "results/records/imagenet").glob("*.json"))

    def contents(self, benchmark, pattern):
        """The records whose run ids match."""
        found = sorted((self.root / "results/records" / benchmark).glob(f"{pattern}.json"))
        return [json.loads(path.read_text()) for path in found]

    def only_run(self, benchmark="imagenet"):
        """The folder of the one training run."""
        (run,) = (run for run in self.runs(benchmark) if "validate" not in run.name)
        return run

    def only_record(self, benchmark):
        """The record of the one training run."""
        (record,) = self.contents(benchmark, self.only_run(benchmark).name)
        return record


@pytest.fixture(scope="session")
def workshops(tmp_path_factory):
    """Makes workshops."""
    server = Server(tmp_path_factory.mktemp("server"))

    def make(name):
        root = tmp_path_factory.mktemp(name)
        for package in PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__", "runs", "records", "tables")
            shutil.copytree(ROOT / package, root / package, ignore=ignored)
        (root / "lightning_modules/networks/noisy.py").write_text(NOISY)
        return Workshop(root, server)

    return make


@pytest.fixture
def workshop(workshops):
    """An empty workshop."""
    return workshops("workshop")


@pytest.fixture(scope="session")
def miniature_tree(tmp_path_factory):
    """The miniature ImageNet, written once."""
    root = tmp_path_factory.mktemp("data") / "imagenet"
    miniature.write(root)
    return root


def cut(source, target, train, val):
    """The first `train` training images of each class, and the first `val` validation images by number."""
    for wnid in miniature.CLASSES:
        (target / "train" / wnid).mkdir(parents=True)
        for path in sorted((source / "train" / wnid).iterdir())[:train]:
            os.link(path, target / "train" / wnid / path.name)
    for path in sorted((source / "val").glob("*/*"), key=lambda path: path.name)[:val]:
        (target / "val" / path.parent.name).mkdir(parents=True, exist_ok=True)
        os.link(path, target / "val" / path.parent.name / path.name)
    return target


@pytest.fixture(scope="session")
def small_tree(miniature_tree, tmp_path_factory):
    """160 training and 37 validation images."""
    return cut(miniature_tree, tmp_path_factory.mktemp("small") / "imagenet", 8, 37)


@pytest.fixture(scope="session")
def coco_tree(tmp_path_factory):
    """The miniature COCO with 40 training and 15 validation images, every trap of the real data among them."""
    root = tmp_path_factory.mktemp("coco") / "coco"
    root.mkdir()
    with patch.dict(coco_miniature.SCENES, {"train2017": 40, "val2017": 15}):
        coco_miniature.write(root)
    return root


@pytest.fixture(scope="session")
def librispeech_tree(tmp_path_factory):
    """The miniature LibriSpeech with 4 x 8 utterances to train on, 2 x 3 to look at, and 2 x 5 and 1 x 5 to test on."""
    root = tmp_path_factory.mktemp("librispeech") / "librispeech"
    root.mkdir()
    few = {"train-clean-100": (4, 8), "dev-clean": (2, 3), "test-clean": (2, 5), "test-other": (1, 5)}
    sizes = {name: (*few[name], noise) for name, (_, _, noise) in librispeech_miniature.SUBSETS.items()}
    with patch.dict(librispeech_miniature.SUBSETS, sizes):
        librispeech_miniature.write(root)
    return root


@pytest.fixture(scope="session")
def wmt_tree(tmp_path_factory):
    """The miniature WMT with 400 training pairs, 20 to look at, and 15 and 11 to test on; all of them with its traps.

    Only training has the very long pair, and its other traps end otherwise, or it would be trained on what is tested.
    The first line of a text is none of the traps.
    """
    root = tmp_path_factory.mktemp("wmt") / "wmt"
    root.mkdir()
    counts = {"newstest2013": 20, "newstest2014": 15, "newstest2015": 11, "train": 400}
    with patch.dict(wmt_miniature.COUNTS, counts), patch.object(wmt_miniature, "TRAPS", ()):
        wmt_miniature.write(root)
    for name, count in counts.items():
        traps = wmt_miniature.TRAPS if name == "train" else wmt_miniature.TRAPS[:-1]
        for number, side in enumerate(("de", "en")):
            file = root / f"{name}.{side}"
            lines = file.read_bytes().decode().split("\n")
            for place, trap in enumerate(traps):
                end = "!" if name == "train" and trap[number] else ""
                lines[1 + place * (count // len(traps))] = trap[number] + end
            file.write_bytes("\n".join(lines).encode())
    return root


@pytest.fixture(scope="session")
def single_tree(miniature_tree, tmp_path_factory):
    """160 training images and one for validation: flat, as one image cannot fill twenty class folders."""
    root = cut(miniature_tree, tmp_path_factory.mktemp("single") / "imagenet", 8, 0)
    wnid = miniature.CLASSES[3]
    (root / "val").mkdir()
    os.link(next((miniature_tree / "val" / wnid).iterdir()), root / "val" / "ILSVRC2012_val_00000001.JPEG")
    kit = root / layouts.DEVKIT
    (kit / "data").mkdir(parents=True)
    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")
    synsets = np.zeros((len(miniature.CLASSES), 1), dtype=[(field, object) for field in fields])
    for row, name in enumerate(miniature.CLASSES):
        synsets[row, 0] = (row + 1, name, "a shape", "a drawn shape", 0)
    scipy.io.savemat(kit / layouts.META, {"synsets": synsets})
    (kit / layouts.TRUTH).write_text("4\n")
    return root
