"""Mistakes in what `validate` takes: predictions, published weights and checkpoints."""

import gzip
import os
import pickle

from tests.benchmarks.conftest import write_predictions
from tests.benchmarks.mistakes import LONG, Case, empty_folder, text_file


def of_hopper(desk):
    (desk.tmp / "bad").write_text("environment,seed,episode,return,length\nHopper-v5,1,0,2.5,7\n")


def predicted(*changes):
    return lambda desk: write_predictions(desk.tmp / "bad", desk.tree, changes)


def lacking_a_row(desk):
    path = write_predictions(desk.tmp / "bad", desk.tree)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + lines[2:]))


def packed(desk):
    path = write_predictions(desk.tmp / "bad", desk.tree)
    path.write_bytes(gzip.compress(path.read_bytes()))


def pipe(desk):
    os.mkfifo(desk.tmp / "bad")


FIRST = "n90000001/ILSVRC2012_val_00000001"


OFF = (1, "0.2,0.2,0.2,0.2,0.2", "0.9,0.2,0.2,0.2,0.2")


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


VALIDATE = "validate imagenet --profile=mini --data={tree}"
SCORE = VALIDATE + " --predictions={bad}"
TEST = "validate imagenet --data={tree} --checkpoint={bad}"

CASES = [
    Case("nothing to validate", VALIDATE, ("exactly one of CHECKPOINT", "WEIGHTS", "PREDICTIONS")),
    Case("two things to validate", VALIDATE + " --checkpoint=a --weights=b", ("exactly one of CHECKPOINT",)),
    Case("unknown PROFILE of a validation", "validate imagenet --predictions={tree} --profile=x", ("PROFILE=x",)),
    Case("predictions do not exist", SCORE, ("PREDICTIONS=", "bad", "no such file")),
    Case("predictions through a pipe", SCORE, ("PREDICTIONS=", "bad", "a pipe", "Write it to a file"), pipe),
    Case("predictions without a name", VALIDATE + " --predictions=", ("PREDICTIONS is empty",)),
    Case("predictions whose name is no UTF-8", VALIDATE + " --predictions=/a\udcff", ("PREDICTIONS=", "is no UTF-8")),
    Case("predictions in nobody's home", "validate go --predictions=~nobody-is-called-so", ("no such user",)),
    Case("predictions with a long name", VALIDATE + f" --predictions={LONG}", ("PREDICTIONS=xxx", "too long")),
    Case("predictions with ARGS", SCORE + " --args=--trainer.max_epoch=3", ("ARGS", "Leave ARGS out"), text_file),
    Case("predictions with DEVICES", SCORE + " --devices=8", ("Leave DEVICES out",), text_file),
    Case(
        "games of any variant", "validate go --predictions={bad}",
        ("go has several variants", "VARIANT=default or VARIANT=dqn or VARIANT=9x9"), empty_folder,
    ),
    Case(
        "games of any variant in the miniature", "validate go --profile=mini --predictions={bad}",
        ("VARIANT=default or VARIANT=dqn or VARIANT=9x9",), empty_folder,
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
    Case("packed predictions", SCORE, ("bad: packed by gzip; unpack it (`gunzip`)",), packed),
    Case("predictions that are no probabilities", SCORE, ("line 2", "sum to 1.7", "a softmax's"), predicted(OFF)),
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
    Case("a truncated checkpoint", TEST, ("bad", "or one that was cut short"), cut_short, early=False),
    Case(
        "a file of another program", TEST, ("not written by this suite", "WEIGHTS="),
        checkpoint(lambda desk: {"state_dict": {}}), early=False,
    ),
    Case(
        "a checkpoint of another benchmark", TEST, ("checkpoint of coco", "make validate-coco"),
        of_a_run(benchmark="coco"), early=False,
    ),
    Case(
        "a checkpoint that says little", TEST, ("Field required",),
        checkpoint(lambda _: {"suite": {}, "state_dict": {}}), early=False,
    ),
    Case(
        "a checkpoint without weights", TEST, ("bad holds no weights",),
        checkpoint(lambda _: {"suite": identity()}), early=False,
    ),
    Case("a checkpoint of a wild profile", TEST, ("bad", "profile"), of_a_run(profile="../../../tmp/x"), early=False),
    Case("a checkpoint's profile", TEST + " --profile=full", ("profile mini", "PROFILE=full"), of_a_run(), early=False),
    Case(
        "a malicious checkpoint", TEST, ("could run code", "not loaded"),
        checkpoint(lambda desk: {"suite": Malicious(desk.tmp / "created")}), early=False,
    ),
    Case(
        "a malicious pickle", TEST, ("is no checkpoint", "PREDICTIONS="),
        lambda desk: (desk.tmp / "bad").write_bytes(pickle.dumps(Malicious(desk.tmp / "created"))), early=False,
    ),
    Case("a checkpoint with foreign classes", TEST, ("CSVLogger", "no part of this suite"), calling_home, early=False),
    Case("a checkpoint of other classes", TEST, ("1 classes", "DATA has 20"), of_a_run(), early=False,
         leaves="data/verified"),
]  # fmt: skip
