"""What a user gets wrong: one message that says what, where and what to do; exit code 2; nothing written."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, replace

import pytest

from tests.benchmarks.conftest import mounted, write_predictions


@dataclass(frozen=True)
class Case:
    """A mistake: the command, what its message must say, and what must be there before.

    `{tree}` is a good tree of 37 validation images, `{bad}` what `prepare` made. `early` mistakes need no torch.
    """

    name: str
    command: str
    says: tuple[str, ...]
    prepare: object = None
    early: bool = True
    leaves: str = "nothing"  # a path prefix below which files may be left behind

    @property
    def edits(self):
        """Whether the mistake is in the copy of the packages."""
        return self.prepare is not None and self.prepare.__qualname__.startswith(("edited", "rewritten"))

    def arguments(self, desk):
        options, args, overrides = self.command.partition(" --args=")
        words = options.split() + ([f"--args={overrides}"] if args else [])
        return [word.format(tree=desk.tree, bad=desk.tmp / "bad", root=desk.root) for word in words]


TRAIN = "run imagenet --seeds=0 --profile=mini --data={tree}"
REPRODUCE = "reproduce imagenet --profile=mini --data={tree}"


# What `prepare` makes ready, as `tmp / "bad"` or in the copy of the packages.


def empty_folder(desk):
    (desk.tmp / "bad").mkdir()


def text_file(desk):
    (desk.tmp / "bad").write_text("no checkpoint, no folder")


def other_layout(desk):
    (desk.tmp / "bad/images/cats").mkdir(parents=True)


def broken_tree(change):
    def prepare(desk):
        shutil.copytree(desk.tree, desk.tmp / "bad")
        change(desk.tmp / "bad")

    return prepare


def other_classes(tree):
    (tree / "val/n90000007").rename(tree / "val/n80000007")


def truncate(split):
    def change(tree):
        path = tree / split / "n90000003"
        path = sorted(path.iterdir())[0]
        data = path.read_bytes()
        path.unlink()  # a hard link to the tree of every other test
        path.write_bytes(data[: len(data) // 2])

    return change


def edited(name, old, new):
    return lambda desk: desk.edit(name, old, new)


def rewritten(name, text):
    return lambda desk: desk.config(name).write_text(text)


def of_hopper(desk):
    (desk.tmp / "bad").write_text("environment,seed,episode,return,length\nHopper-v5,1,0,2.5,7\n")


def predicted(*changes):
    return lambda desk: write_predictions(desk.tmp / "bad", desk.tree, changes)


def lacking_a_row(desk):
    path = write_predictions(desk.tmp / "bad", desk.tree)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))


FIRST = "n90000001/ILSVRC2012_val_00000001"


def identity(**changes):
    from benchmarks.config import resolve_settings

    known = {
        "benchmark": "imagenet", "profile": "mini", "variant": None, "seed": 0, "config_hash": "0", "run_id": "mini-s0",
        "settings": resolve_settings("imagenet", "mini", None, {}),
    }  # fmt: skip
    return known | changes


def checkpoint(content):
    def prepare(desk):
        import torch

        torch.save(content(desk), desk.tmp / "bad")

    return prepare


def of_a_run(**changes):
    return checkpoint(lambda desk: {"suite": identity(**changes), "state_dict": {}, "ImageNetData": {"classes": ["a"]}})


def cut_short(desk):
    of_a_run()(desk)
    data = (desk.tmp / "bad").read_bytes()
    (desk.tmp / "bad").write_bytes(data[: len(data) // 2])


class Malicious:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def calling_home(desk):
    """The settings of a checkpoint that ask for a class which would write files where its author likes."""
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(desk.tmp / "created")}}
    settings = identity()["settings"]
    settings = settings | {"trainer": settings["trainer"] | {"logger": [logger]}}
    of_a_run(settings=settings)(desk)


LONG = "x" * 300
NO_DATA = "needs no data. Leave DATA=/data out"
VALIDATE = "validate imagenet --profile=mini --data={tree}"
SCORE = VALIDATE + " --predictions={bad}"
TEST = "validate imagenet --data={tree} --checkpoint={bad}"
EXPECTED_TREE = ("train/<wnid>/*.JPEG", "make data-imagenet")

CASES = [
    Case("unknown benchmark", "reproduce imagnet", ("no benchmark 'imagnet'", "Did you mean imagenet?")),
    Case("unknown benchmark, nothing near", "validate xyz --weights=a", ("no benchmark 'xyz'", "Known: ")),
    Case("unknown benchmark's data", "data imagnet --data=/x", ("Did you mean imagenet?",)),
    Case("no command", "", ("required", "command")),
    Case("an option cut short", "reproduce imagenet --dev=2", ("unrecognized arguments: --dev=2",)),
    # DATA
    Case("DATA does not exist", "reproduce imagenet --data={bad}", ("bad does not exist", "DATA", *EXPECTED_TREE)),
    Case("DATA is an empty string", "reproduce imagenet --data=", ("DATA is empty", "leave DATA out")),
    Case("run's DATA is an empty string", "run imagenet --seeds=0 --data=", ("DATA is empty",)),
    Case("DATA is an empty folder", "reproduce imagenet --data={bad}", ("is empty", *EXPECTED_TREE), empty_folder),
    Case("DATA has another layout", "reproduce imagenet --data={bad}", ("images", *EXPECTED_TREE), other_layout),
    Case("DATA is a file", "reproduce imagenet --data={bad}", ("bad is a file", "Set DATA to the folder"), text_file),
    Case("data without DATA", "data imagenet", ("make data-imagenet DATA=/path",)),
    Case("DATA of nobody's home", "data imagenet --data=~nobody-is-called-so/x", ("DATA=~nobody", "no such user")),
    Case("DATA with a long name", f"reproduce imagenet --data={LONG}", ("DATA=xxx", "File name too long. Give")),
    Case("PACK with a long name", f"data imagenet --data={{tree}} --pack={LONG}", ("PACK=xxx", "too long")),
    Case("the hub without a name", "data imdb --data=hf:", ("DATA=hf: names no data set", "hf:stanfordnlp/imdb")),
    Case("the hub with a slash alone", "reproduce imdb --data=hf:/", ("DATA=hf:/ names no data set",)),
    Case("DATA without a benchmark's folder", "reproduce --data={tree}", ("has no folder called like a benchmark",)),
    Case("DATA of all does not exist", "reproduce --data={bad}", ("bad has no folder called like a benchmark",)),
    Case("DATA of all is an empty string", "reproduce --data=", ("DATA is empty", "leave DATA out")),
    Case("DATA for robots", "reproduce locomotion_run --data=/data", (f"locomotion_run {NO_DATA}",)),
    Case("DATA for a plan of Go", "plan go --data=/data", (f"go {NO_DATA}",)),
    Case("DATA for games", "validate go --data=/data --predictions={tree}", (f"go {NO_DATA}",)),
    Case(
        "classes of train and val differ", "reproduce imagenet --data={bad}",
        ("only in train: n90000007", "only in val: n80000007"), broken_tree(other_classes),
    ),
    Case(
        "no training data", "reproduce imagenet --data={bad}", ("holds val but no train",),
        broken_tree(lambda tree: shutil.rmtree(tree / "train")),
    ),
    Case(
        "a truncated training image", "run imagenet --seeds=0 --profile=mini --data={bad}",
        ("train/n90000003/n90000003_", "truncated JPEG", "1 of 160 images"), broken_tree(truncate("train")),
        early=False, leaves="results/runs",
    ),
    Case(
        "a truncated validation image", "run imagenet --seeds=0 --profile=mini --data={bad}",
        ("val/n90000003/ILSVRC2012_val_", "truncated JPEG", "1 of 37 images"), broken_tree(truncate("val")),
        early=False, leaves="results/runs",
    ),
    # PROFILE, DEVICES, NODES, SEEDS, VARIANT
    Case("unknown PROFILE", "reproduce imagenet --profile=fast", ("PROFILE=fast is unknown", "full", "mini")),
    Case("full without DATA", "reproduce imagenet --profile=full", ("full profile needs DATA=/path",)),
    Case("DEVICES=0", REPRODUCE + " --devices=0", ("DEVICES=0 is no whole number of at least 1",)),
    Case("DEVICES=abc", REPRODUCE + " --devices=abc", ("DEVICES=abc is no whole number",)),
    Case("DEVICES of many digits", REPRODUCE + f" --devices={'1' * 5000}", ("DEVICES=111", "at most 1,000,000")),
    Case("DEVICES=", REPRODUCE + " --devices=", ("DEVICES= is no whole number",)),
    Case("DEVICES does not divide the batch", TRAIN + " --devices=3", ("batch of 32", "DEVICES"), early=False),
    Case("more DEVICES than there are", TRAIN + " --devices=999", ("DEVICES=999", "this machine has 8"), early=False),
    Case("DEVICES=0 in ARGS", REPRODUCE + " --args=--trainer.devices=0", ("ARGS: devices is 0", "at least 1")),
    Case("NODES=0", REPRODUCE + " --nodes=0", ("NODES=0 is no whole number of at least 1",)),
    Case("NODES without a launcher", REPRODUCE + " --nodes=2", ("NODES=2 needs torchrun or srun", "README")),
    Case("SEEDS=a", REPRODUCE + " --seeds=a", ("SEEDS=a is no list of integers", "SEEDS=0,1,2")),
    Case("SEEDS=0,0", REPRODUCE + " --seeds=0,0", ("SEEDS=0,0", "once")),
    Case("SEEDS=-1", REPRODUCE + " --seeds=-1", ("SEEDS=-1", "from 0")),
    Case("SEEDS=", REPRODUCE + " --seeds=", ("SEEDS= is no list of integers",)),
    Case("a SEED too large for a generator", REPRODUCE + f" --seeds={2**64}", (str(2**64), "from 0 to 4294967295")),
    Case("run with two seeds", TRAIN.replace("=0 ", "=0,1 "), ("exactly one seed",)),
    Case("unknown VARIANT", REPRODUCE + " --variant=tiny", ("imagenet has no variant 'tiny'", "Known: default")),
    Case(
        "VARIANT of another folder", REPRODUCE + " --variant=../config",
        ("imagenet has no variant '../config'", "Known: default"),
    ),
    Case("VARIANT of a miniature", "reproduce imdb --variant=scratch.mini", ("no variant 'scratch.mini'", "scratch")),
    # ARGS
    Case(
        "a typo in an override", TRAIN + " --args=--trainer.max_epoch=3", ("max_epoch", "configuration"), early=False
    ),
    Case("a wrong type in ARGS", TRAIN + " --args=--trainer.max_epochs=abc", ("trainer.max_epochs",), early=False),
    Case("a class that is none", TRAIN + " --args=--model.class_path=lightning_modules.x.Y", ("model",), early=False),
    Case("threads that are none", REPRODUCE + " --args=--threads=abc", ("ARGS: threads is 'abc'", "at least 1")),
    Case("no threads", REPRODUCE + " --args=--threads=0", ("ARGS: threads is 0", "at least 1")),
    Case("ARGS that are no option", REPRODUCE + " --args=fast", ("ARGS: 'fast'", "--trainer.max_epochs 5")),
    Case("ARGS without a value", REPRODUCE + " --args=--trainer.max_epochs", ("ARGS", "with their values")),
    Case("ARGS that end in a quotation", REPRODUCE + ' --args=--a.b="3', ("ARGS", "No closing quotation")),
    Case("ARGS whose value is no YAML", REPRODUCE + " --args=--a.max_epochs=[3", ("--a.max_epochs", "YAML")),
    Case("ARGS that replace a section", REPRODUCE + " --args=--trainer=3", ("ARGS: trainer is 3", "trainer.<key>")),
    Case(
        "a plan's ARGS that replace a section", "plan imagenet --gpu=H200 --args=--trainer 3",
        ("ARGS: trainer is 3", "trainer.<key>"),
    ),
    Case("ARGS that name the seed", REPRODUCE + " --args=--data.init_args.seed=3", ("data.init_args.seed", "SEEDS=0")),
    Case("ARGS that name DATA", REPRODUCE + " --args=--data.init_args.root=/x", ("data.init_args.root", "DATA=/path")),
    # YAML
    Case(
        "a typo in config.yaml", TRAIN, ("momentun",), edited("config.yaml", "momentum: 0.9", "momentun: 0.9"),
        early=False,
    ),
    Case("a typo in mini.yaml", TRAIN, ("max_epoch",), edited("mini.yaml", "max_epochs:", "max_epoch:"), early=False),
    Case(
        "config.yaml does not parse", REPRODUCE, ("benchmarks/imagenet/config.yaml cannot be read as YAML", "line"),
        edited("config.yaml", "trainer:\n", "trainer: [\n"),
    ),
    Case(
        "mini.yaml is no mapping", REPRODUCE, ("benchmarks/imagenet/mini.yaml: expected a mapping",),
        rewritten("mini.yaml", "- 3\n"),
    ),
    Case(
        "mini.yaml has an empty section", REPRODUCE, ("benchmarks/imagenet/mini.yaml: trainer is None",),
        rewritten("mini.yaml", "trainer:\n"),
    ),
    Case(
        "claim.yaml does not parse", REPRODUCE, ("benchmarks/imagenet/claim.yaml cannot be read as YAML",),
        edited("claim.yaml", "readings:", "readings: {"),
    ),
    Case(
        "claim.yaml has an unknown key", REPRODUCE,
        ("benchmarks/imagenet/claim.yaml", "checkpont: Unexpected", "checkpoint: ", "dataset, task, source"),
        edited("claim.yaml", "checkpoint: last", "checkpont: last"),
    ),
    Case(
        "claim.yaml lacks a key", "tables", ("benchmarks/imagenet/claim.yaml", "source.unit", "section, statement"),
        edited("claim.yaml", "  value: 91.3\n  unit: \"%\"\n", "  value: 91.3\n"),
    ),
    Case(
        "claim.yaml has a wrong type", REPRODUCE, ("claim.yaml", "seeds.0", "integer"),
        edited("claim.yaml", "seeds: [0, 1, 2]", "seeds: ['0', 1, 2]"),
    ),
    Case(
        "claim.yaml has a value that is no number", REPRODUCE, ("claim.yaml", "source.value", "finite"),
        edited("claim.yaml", "  value: 91.3\n  unit", "  value: .nan\n  unit"),
    ),
    Case(
        "claim.yaml names a metric that no run logs", REPRODUCE,
        ("claim.yaml", "'top-5'", "no run logs 'test/top50'", "<prefix>/top5"),
        edited("claim.yaml", "metric: test/top5", "metric: test/top50"),
    ),
    Case(
        "a margin without a reason", REPRODUCE, ("claim.yaml", "'top-1'", "margin.reason is empty"),
        edited("claim.yaml", '"The same as for top-5; the standard error of the claimed value is the same."', '" "'),
    ),
    Case(
        "two readings of one name", REPRODUCE, ("claim.yaml", "the name 'top-5' stands twice", "rename"),
        edited("claim.yaml", "- name: top-1", "- name: top-5"),
    ),
    Case(
        "a data set that is none", REPRODUCE, ("claim.yaml", "datamodules/imagenett.py"),
        edited("claim.yaml", "dataset: imagenet", "dataset: imagenett"),
    ),
    Case(
        "a task that is none", REPRODUCE, ("claim.yaml", "results/scoring/sorting.py"),
        edited("claim.yaml", "task: classification", "task: sorting"),
    ),
    # what validate takes
    Case("nothing to validate", VALIDATE, ("exactly one of CHECKPOINT", "WEIGHTS", "PREDICTIONS")),
    Case("two things to validate", VALIDATE + " --checkpoint=a --weights=b", ("exactly one of CHECKPOINT",)),
    Case("unknown PROFILE of a validation", "validate imagenet --predictions={tree} --profile=x", ("PROFILE=x",)),
    Case("predictions do not exist", SCORE, ("PREDICTIONS=", "bad", "no such file")),
    Case("predictions without a name", VALIDATE + " --predictions=", ("PREDICTIONS is empty",)),
    Case("predictions in nobody's home", "validate go --predictions=~nobody-is-called-so", ("no such user",)),
    Case("predictions with a long name", VALIDATE + f" --predictions={LONG}", ("PREDICTIONS=xxx", "too long")),
    Case("predictions with ARGS", SCORE + " --args=--trainer.max_epoch=3", ("ARGS", "Leave ARGS out"), text_file),
    Case(
        "games of any variant", "validate go --predictions={bad}",
        ("go has several variants", "VARIANT=default or VARIANT=dqn or VARIANT=9x9"), empty_folder,
    ),
    Case(
        "drives of any variant", "validate driving --predictions={bad}", ("VARIANT=default or VARIANT=long",), text_file
    ),
    Case(
        "episodes of any agent", "validate locomotion_walk --predictions={bad}",
        ("is meant: VARIANT=hopper-ppo or VARIANT=hopper-decqn.",), of_hopper,
    ),
    Case("predictions without DATA", "validate imagenet --predictions={tree}", ("needs DATA=/path",)),
    Case("a folder without predictions", SCORE, ("bad/predictions.csv", "No such file"), empty_folder),
    Case("predictions lack an id", SCORE, ("1 of 37", FIRST), lacking_a_row),
    Case(
        "predictions hold an id twice", SCORE, ("line 3", FIRST, "line 2"),
        predicted((2, "n90000001/ILSVRC2012_val_00000021", FIRST)),
    ),
    Case("predictions of an unknown id", SCORE, ("line 2", "not in DATA", "x/y"), predicted((1, FIRST, "x/y"))),
    Case("predictions with NaN", SCORE, ("line 4", "score1", "'nan'"), predicted((3, "0.2", "nan"))),
    Case("predictions with other columns", SCORE, ("line 1", "expected the columns"), predicted((0, "label", "y"))),
    Case("predictions with another label", SCORE, ("line 2", "DATA says 0"), predicted((1, ",0,", ",3,"))),
    Case("weights without DATA", "validate imagenet --weights=ResNet34_Weights.IMAGENET1K_V1", ("needs DATA=/path",)),
    Case("unknown weights", VALIDATE + " --weights=ResNet34", ("WEIGHTS=ResNet34", "IMAGENET1K_V1"), early=False),
    Case(
        "weights of a detector", VALIDATE + " --weights=FasterRCNN_ResNet50_FPN_Weights.COCO_V1",
        ("no ImageNet-1k classifier",), early=False,
    ),
    Case("a checkpoint that is missing", TEST, ("CHECKPOINT=", "no such file")),
    Case("a checkpoint in nobody's home", VALIDATE + " --checkpoint=~nobody-is-called-so", ("no such user",)),
    Case("a checkpoint with a long name", f"watch driving --checkpoint={LONG}", ("CHECKPOINT=xxx", "too long")),
    Case("a checkpoint without its DATA", TEST.replace("{tree}", "/nowhere"), ("/nowhere does not exist",), text_file),
    Case(
        "an empty checkpoint", TEST, ("bad", "an empty one"), lambda desk: (desk.tmp / "bad").write_bytes(b"")
    ),
    Case("a text file as checkpoint", TEST, ("bad", "no checkpoint"), text_file, early=False),
    Case("a truncated checkpoint", TEST, ("bad", "no readable checkpoint"), cut_short, early=False),
    Case(
        "a file of another program", TEST, ("not written by this suite", "WEIGHTS="),
        checkpoint(lambda desk: {"state_dict": {}}), early=False,
    ),
    Case(
        "a checkpoint of another benchmark", TEST, ("checkpoint of coco", "make validate-coco"),
        of_a_run(benchmark="coco"), early=False,
    ),
    Case("a checkpoint that says little", TEST, ("Field required",), checkpoint(lambda _: {"suite": {}}), early=False),
    Case("a checkpoint of a wild profile", TEST, ("bad", "profile"), of_a_run(profile="../../../tmp/x"), early=False),
    Case("a checkpoint's profile", TEST + " --profile=full", ("profile mini", "PROFILE=full"), of_a_run(), early=False),
    Case(
        "a malicious checkpoint", TEST, ("could run code", "not loaded"),
        checkpoint(lambda desk: {"suite": Malicious(desk.tmp / "created")}), early=False,
    ),
    Case(
        "a malicious pickle", TEST, ("not loaded",),
        lambda desk: (desk.tmp / "bad").write_bytes(pickle.dumps(Malicious(desk.tmp / "created"))), early=False,
    ),
    Case("a checkpoint with foreign classes", TEST, ("CSVLogger", "no part of this suite"), calling_home, early=False),
    Case("a checkpoint of other classes", TEST, ("1 classes", "DATA has 20"), of_a_run(), early=False),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_one_message_and_nothing_else(case, desk, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    if case.prepare:
        case.prepare(desk)
    before = desk.files()

    if "reproduce" in case.command and not case.early:
        pytest.fail("reproduce would start a process: test `run`")
    code, out, err = desk.call(*case.arguments(desk))

    assert code == 2, f"{code}\n{out}\n{err}"
    assert err.count("error:") == 1
    assert "Traceback" not in out + err
    assert [part for part in case.says if part not in err] == [], err
    assert "training" not in out
    left = {name for name, size in desk.files().items() if before.get(name) != size}
    assert [name for name in left if not name.startswith(case.leaves)] == []
    assert not (desk.tmp / "created").exists()


def test_torchrun_starts_one_run(desk, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("RANK", "0")
    code, _, err = desk.call("reproduce", "imagenet", "--profile=mini", f"--data={desk.tree}", "--seeds=0,1")
    assert code == 2
    assert "torchrun and SLURM start one run: give one seed (SEEDS=0)" in err


# Published weights: the registry says where the file is to be had and how its hash begins.

WEIGHTS = "ResNet34_Weights.IMAGENET1K_V1"
FILE = "resnet34-b627a593.pth"


def test_weights_that_are_nowhere_to_be_had(desk, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(desk.tmp / "hub"))
    monkeypatch.setattr("urllib.request.urlopen", _no_network)
    monkeypatch.setattr("torch.hub.urlopen", _no_network)
    code, _, err = desk.call("validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--weights={WEIGHTS}")
    assert code == 2
    place = desk.tmp / "hub/hub/checkpoints" / FILE
    assert f"Fetch https://download.pytorch.org/models/{FILE} elsewhere and put the file at {place}" in err
    assert list(place.parent.iterdir()) == []
    assert desk.records() == []


def _no_network(*_, **__):
    from urllib.error import URLError

    raise URLError("no network")


def test_cached_weights_with_another_hash(desk, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(desk.tmp / "hub"))
    place = desk.tmp / "hub/hub/checkpoints" / FILE
    place.parent.mkdir(parents=True)
    place.write_bytes(b"half a download")
    code, _, err = desk.call("validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--weights={WEIGHTS}")
    assert code == 2
    assert f"{place} is not the published file" in err
    assert "Delete it" in err
    assert desk.records() == []


# Disks that are full or may not be written to.


def test_a_full_disk_leaves_no_record(desk):
    predictions = write_predictions(desk.tmp / "predictions.csv", desk.tree)
    with mounted(desk.root / "results/records", "size=8k") as records:
        (records / "filler").write_bytes(bytes(8192))
        code, _, err = desk.call(
            "validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--predictions={predictions}"
        )
        assert code == 2
        assert "cannot write results/records/imagenet/mini-validate-" in err
        assert "the disk is full; free some space and run the same command again" in err
        assert [path for path in records.rglob("*") if path.is_file()] == [records / "filler"]


def test_a_read_only_folder(desk):
    predictions = write_predictions(desk.tmp / "predictions.csv", desk.tree)
    with mounted(desk.root / "results/records", "size=1m,ro"):
        code, _, err = desk.call(
            "validate", "imagenet", "--profile=mini", f"--data={desk.tree}", f"--predictions={predictions}"
        )
    assert code == 2
    assert "cannot write results/records/imagenet" in err
    assert "the file system is read-only; work in a copy of the repository" in err


def test_a_run_on_a_read_only_folder(desk):
    with mounted(desk.root / "results/runs", "size=1m,ro"):
        code, out, err = desk.call("run", "imagenet", "--seeds=0", "--profile=mini", f"--data={desk.tree}")
    assert code == 2
    assert "the file system is read-only" in err
    assert "training" not in out


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EROFS"])
def test_a_disk_that_refuses_what_libraries_write(desk, monkeypatch, number):
    import errno

    def refuse(*_):
        raise OSError(getattr(errno, number), "no")

    monkeypatch.setattr("benchmarks.commands.write_tables", refuse)
    code, _, err = desk.call("tables")
    assert code == 2
    assert err.startswith("error: cannot write ")


def test_other_errors_of_the_system_are_no_mistake_of_the_user(desk, monkeypatch):
    monkeypatch.setattr(
        "benchmarks.commands.write_tables", lambda: (_ for _ in ()).throw(ConnectionResetError(104, "gone"))
    )
    with pytest.raises(ConnectionResetError):
        desk.call("tables")


def test_a_checkpoint_on_a_full_disk(desk):
    import torch

    from benchmarks.checkpointing import AtomicCheckpointIO
    from benchmarks.errors import UserError

    with mounted(desk.tmp / "small", "size=1m") as folder:
        AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(1000)}, folder / "last.ckpt")
        before = (folder / "last.ckpt").read_bytes()
        with pytest.raises(UserError, match="the disk is full"):
            AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(1_000_000)}, folder / "last.ckpt")
        assert (folder / "last.ckpt").read_bytes() == before
        assert [path.name for path in folder.iterdir()] == ["last.ckpt"]


def test_a_file_that_cannot_be_synced(tmp_path, monkeypatch):
    """The same without the right to mount: what the file system says when the bytes should reach the disk."""
    from benchmarks.errors import UserError
    from benchmarks.files import write_atomically

    def full(_):
        raise OSError(28, "No space left on device")

    write_atomically(tmp_path / "file", b"old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"cannot write .*file: the disk is full"):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# Real processes.

REAL = [
    ("unknown benchmark", True),
    ("DATA has another layout", True),
    ("ARGS whose value is no YAML", True),
    ("a margin without a reason", True),
    ("predictions with NaN", True),
    ("a malicious checkpoint", False),
]


def _process(desk, program, *arguments):
    environment = os.environ | {"PYTHONPATH": str(desk.root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=desk.root,
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(("name", "quick"), REAL)
def test_real_processes_end_as_users_see_them(name, quick, desk):
    (case,) = (case for case in CASES if case.name == name)
    if case.prepare:
        case.prepare(desk)
    before = desk.files()
    seconds = []
    for _ in range(2 if quick else 1):  # the better of two: the machine may be busy
        started = time.monotonic()
        done = _process(desk, ["-m", "benchmarks"], *case.arguments(desk))
        seconds.append(time.monotonic() - started)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert [part for part in case.says if part not in done.stderr] == []
    assert desk.files() == before
    assert not quick or min(seconds) < 2


WITHOUT_TORCH = """
import json, sys
from benchmarks import cli
for name, arguments in json.loads(sys.stdin.read()):
    try:
        code = cli.main(arguments)
    except SystemExit as end:
        code = end.code
    assert code == 2, (name, code)
    assert "torch" not in sys.modules, name
"""


def test_early_mistakes_are_answered_without_torch(desk, tmp_path_factory):
    commands = []
    for case in CASES:
        if case.early and not case.edits:
            place = replace(desk, tmp=tmp_path_factory.mktemp("early"))
            if case.prepare:
                case.prepare(place)
            commands.append((case.name, case.arguments(place)))
    assert len(commands) > 30
    environment = os.environ | {"PYTHONPATH": str(desk.root)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH], cwd=desk.root, env=environment, text=True, capture_output=True,
        input=json.dumps(commands), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
