"""The command line, in a process that holds still at a chosen moment until the test kills it or lets it go on.

PAUSE_AT=<moment>:<n> with one of
    step        in the training step after n optimizer steps, on rank zero
    validation  in the first validation batch after n optimizer steps
    sanity      in the validation batch before training
    test        in the first test batch
    save        half-way through writing the n-th checkpoint of this process
    copy        half-way through copying the n-th checkpoint of this process, where there are no hard links
PAUSE_IN is a folder: the file `paused` appears in it, and the process goes on once that file is gone.
NO_LINKS, if it is set, names the error that a file system without hard links answers with, such as EPERM.
"""

import errno
import io
import os
import shutil
import time
from pathlib import Path

import torch

from benchmarks.__main__ import run
from benchmarks.processes import leave
from lightning_modules.classification import ImageClassifier
from lightning_modules.detection import Detector
from lightning_modules.language_model import MaskedLanguageModel
from lightning_modules.speech import SpeechRecognizer
from lightning_modules.text_classifier import TextClassifier
from lightning_modules.translation import Translator

MOMENT, _, NUMBER = os.environ["PAUSE_AT"].partition(":")
MARKER = Path(os.environ["PAUSE_IN"]) / "paused"
held = False


def hold():
    global held  # noqa: PLW0603
    if held or os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) != "0":
        return
    held = True
    MARKER.touch()
    while MARKER.exists():
        time.sleep(0.02)


def halfway(original, moment):
    """A function that writes `what` to a file, held in the middle of its n-th call if that is the moment."""
    calls = 0

    def write(what, file):
        nonlocal calls
        calls += 1
        if moment != MOMENT or calls != int(NUMBER):
            original(what, file)
            return
        whole = io.BytesIO()
        original(what, whole)
        data = whole.getvalue()
        file.write(data[: len(data) // 2])
        file.flush()
        hold()
        file.write(data[len(data) // 2 :])

    return write


def no_links(*_, **__):
    number = getattr(errno, os.environ["NO_LINKS"])
    raise OSError(number, os.strerror(number))


def stepping(original, moment, sanity=False):
    def step(self, batch, batch_idx, *loader):
        due = moment == "test" or sanity or self.trainer.global_step == int(NUMBER or 0)
        if moment == MOMENT and due and self.trainer.sanity_checking == sanity:
            hold()
        return original(self, batch, batch_idx, *loader)

    return step


torch.save = halfway(torch.save, "save")
shutil.copyfileobj = halfway(shutil.copyfileobj, "copy")
if "NO_LINKS" in os.environ:
    os.link = no_links
MaskedLanguageModel.training_step = stepping(MaskedLanguageModel.training_step, "step")
for system in (ImageClassifier, Detector, SpeechRecognizer, TextClassifier, Translator):
    system.training_step = stepping(system.training_step, "step")
    system.validation_step = stepping(system.validation_step, "validation")
    system.validation_step = stepping(system.validation_step, "sanity", sanity=True)
    system.test_step = stepping(system.test_step, "test")

if __name__ == "__main__":
    leave(run())
