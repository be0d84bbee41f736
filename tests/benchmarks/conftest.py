"""Commands in this process, on a copy of the packages: what they write never lands in the checkout."""

import contextlib
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks import cli, config, paths
from benchmarks.processes import SIGNALS
from datamodules.layouts import imagenet

CHECKOUT = Path(__file__).parents[2]


@dataclass
class Desk:
    """A copy of the packages, a real tree of a few images, and a folder for whatever a test needs."""

    root: Path
    tree: Path
    tmp: Path
    capture: pytest.CaptureFixture

    def call(self, *arguments):
        """(exit code, stdout, stderr) of a command."""
        self.capture.readouterr()
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            code = end.code
        return code, *self.capture.readouterr()

    def files(self):
        """Every file of the copy with its size."""
        found = (path for path in self.root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path.relative_to(self.root).as_posix(): path.stat().st_size for path in found}

    def records(self):
        """Files of records."""
        return sorted((self.root / "results/records").glob("*/*.json"))

    def config(self, name):
        """A file of the benchmark."""
        return self.root / "benchmarks/imagenet" / name

    def edit(self, name, old, new):
        """Changes the one place of a file of the benchmark that says `old`."""
        text = self.config(name).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        self.config(name).write_text(text.replace(old, new))


def redirect(monkeypatch, root):
    """Makes `root` the repository for every module that has been imported."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("benchmarks", "results", "datamodules") and getattr(module, "ROOT", None) == CHECKOUT:
            monkeypatch.setattr(module, "ROOT", root)


@pytest.fixture
def undisturbed(monkeypatch):
    """Puts back the environment and the signal handlers that a command changes for its own process."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    before = dict(os.environ)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def desk(undisturbed, workshop, small_tree, tmp_path, monkeypatch, capsys):
    """A place to run commands in this process."""
    # Imported before the repository is moved, or they would keep the moved one for ever.
    import benchmarks.rehearsal
    import benchmarks.validate  # noqa: F401
    import datamodules.verified  # noqa: F401
    import results.verify  # noqa: F401

    shutil.copy(CHECKOUT / "README.md", workshop.root)
    redirect(monkeypatch, workshop.root)
    assert workshop.root == paths.ROOT
    return Desk(workshop.root, small_tree, tmp_path, capsys)


@pytest.fixture
def copied_tree(small_tree, tmp_path):
    """A copy of the small tree that a test may break."""
    return shutil.copytree(small_tree, tmp_path / "tree")


@pytest.fixture
def small_benchmark(tmp_path, monkeypatch):
    """A benchmark of four overlays that each set `d`, and one key of their own."""
    (tmp_path / "variants").mkdir()
    for name in ("config", "variants/v", "mini", "variants/v.mini"):
        key = name.replace("/", "_").replace(".", "_")
        (tmp_path / f"{name}.yaml").write_text(f"{key}: 1\nd: {key}\n")
    monkeypatch.setattr(config, "benchmark_folder", lambda _: tmp_path)
    return tmp_path


def write_predictions(path, tree, changes=()):
    """Predictions of every validation image, right in two of three, then changed line by line: (line, old, new)."""
    truth = imagenet.truth(str(tree), "val")
    depth = min(5, truth.num_classes)
    ranks = range(1, depth + 1)
    lines = [",".join(["id", "label", *(f"pred{rank}" for rank in ranks), *(f"score{rank}" for rank in ranks)])]
    for row, (example, label) in enumerate(zip(truth.ids, truth.labels, strict=True)):
        classes = (label + (row % 3 == 2) + np.arange(depth)) % truth.num_classes
        lines.append(",".join([example, str(label), *map(str, classes), *("0.2" for _ in ranks)]))
    for line, old, new in changes:
        assert old in lines[line]
        lines[line] = lines[line].replace(old, new, 1)
    path.write_text("\n".join(line for line in lines if line) + "\n")
    return path


@contextlib.contextmanager
def mounted(folder, options):
    """A file system in memory at `folder`; skips the test where this user may not mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.system(f"mount -t tmpfs -o {options} tmpfs '{folder}' 2>/dev/null"):
        pytest.skip("this user may not mount a file system")
    try:
        yield folder
    finally:
        os.system(f"umount -l '{folder}'")
