"""The pixels that training and evaluation see, and which process draws them."""

import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from benchmarks.errors import UserError
from datamodules.imagenet import ImageNetData
from datamodules.imagenet_examples import random_crop, resolution_at
from datamodules.layouts.images import decode
from datamodules.miniature.imagenet import TRAPS
from datamodules.sampling import example_generator
from lightning_modules.classifier_scores import ClassifierScores
from tests.conftest import ROOT
from tests.datamodules.fitting import ready


def data(root, rank=0, world=1, step=0, accumulate=1, **changes):
    """A datamodule set up for fitting, attached to what it asks of a Trainer."""
    settings = {
        "root": str(root), "seed": 5, "global_batch_size": 12, "evaluation_batch_size": 8, "smallest": 32,
        "largest": 64, "ramp": [1, 2], "resize": 72, "crop": 64, "workers": 0,
    }  # fmt: skip
    made = ImageNetData(**settings | changes)
    return ready(made, step, rank, world, accumulate)


def drawn(datamodule, epochs=1):
    """(epoch, index) -> (label, pixels as bytes) of the training batches of whole epochs."""
    loader, found = datamodule.train_dataloader(), {}
    for epoch in range(epochs):
        datamodule.trainer.global_step = epoch * datamodule.steps_per_epoch
        for batch in loader:
            for image, label, index in zip(batch["image"], batch["label"], batch["index"], strict=True):
                assert image.dtype == torch.uint8
                found[epoch, int(index)] = int(label), tuple(image.shape), image.numpy().tobytes()
    return found


@pytest.fixture(scope="module")
def alone(small_tree):
    """What one process without workers draws in three epochs."""
    return drawn(data(small_tree), 3)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_no_bit(workers, small_tree, alone):
    assert drawn(data(small_tree, workers=workers), 3) == alone


def test_ranks_and_accumulation_change_no_bit(small_tree, alone):
    together = {}
    for rank in range(3):
        together |= drawn(data(small_tree, rank, 3, accumulate=2), 3)
    assert together == alone


def test_each_epoch_and_seed_draws_anew_at_its_resolution(small_tree, alone):
    shapes = {epoch: {value[1] for key, value in alone.items() if key[0] == epoch} for epoch in range(3)}
    assert shapes == {0: {(3, 32, 32)}, 1: {(3, 32, 32)}, 2: {(3, 64, 64)}}
    both = [index for epoch, index in alone if epoch == 0 and (1, index) in alone]
    assert len(both) > 100
    assert sum(alone[0, index] == alone[1, index] for index in both) == 0
    other = drawn(data(small_tree, seed=6))
    assert not any(other[key] == alone[key] for key in other.keys() & alone.keys())


def test_a_restart_draws_the_rest_of_the_epoch(small_tree):
    loader = data(small_tree).train_dataloader()
    whole = [batch["image"] for batch in loader]
    rest = [batch["image"] for batch in data(small_tree, step=4).train_dataloader()]
    assert len(rest) == len(whole) - 4
    assert all(torch.equal(a, b) for a, b in zip(rest, whole[4:], strict=True))


def test_validation_needs_no_training_data(small_tree, tmp_path):
    shutil.copytree(small_tree / "val", tmp_path / "val")
    made = ImageNetData(str(tmp_path), 0, 8, 8, 64, 64, [0, 1])
    made.setup("test")
    assert (made.num_classes, made.train, made.state_dict()["val"]) == (20, None, 37)


# Evaluation pixels.


def paths_of(datamodule):
    return [datamodule.val.where(index) for index in range(len(datamodule.val))]


@pytest.mark.parametrize(("resize", "crop", "workers"), [(256, 224, 1), (72, 64, 0), (232, 224, 0)])
def test_evaluation_pixels_are_torchvisions(resize, crop, workers, miniature_tree):
    """Bit for bit on every image, traps included."""
    made = data(miniature_tree, resize=resize, crop=crop, workers=workers, evaluation_batch_size=50)
    reference = transforms.Compose([transforms.Resize(resize), transforms.CenterCrop(crop), transforms.PILToTensor()])
    places = paths_of(made)
    odd = {place for places in TRAPS.values() for place in places if "val" in place}
    assert odd <= {f"{path.split('/')[-2]}/{path.split('/')[-1].removesuffix('.JPEG')}" for path in places}
    seen = []
    for batch in made.val_dataloader():
        for image, index in zip(batch["image"], batch["index"].tolist(), strict=True):
            assert torch.equal(image, reference(Image.open(places[index]).convert("RGB"))), places[index]
            seen.append(index)
    assert seen == list(range(400))


def test_bicubic_evaluation_pixels_are_torchvisions(small_tree):
    made = data(small_tree, interpolation="bicubic")
    resize = transforms.Resize(72, transforms.InterpolationMode.BICUBIC)
    reference = transforms.Compose([resize, transforms.CenterCrop(64), transforms.PILToTensor()])
    first = next(iter(made.val_dataloader()))["image"]
    for image, path in zip(first, paths_of(made), strict=False):
        assert torch.equal(image, reference(Image.open(path).convert("RGB")))


def test_normalised_pixels_are_torchvisions(small_tree):
    class Identity(ClassifierScores):
        network = torch.nn.Identity()

        def build_network(self, num_classes):
            raise NotImplementedError

    made = data(small_tree)
    reference = transforms.Compose(
        [
            transforms.Resize(72), transforms.CenterCrop(64), transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )  # fmt: skip
    batch = next(iter(made.val_dataloader()))
    expected = torch.stack([reference(Image.open(path).convert("RGB")) for path in paths_of(made)[:8]])
    before = batch["image"].clone()
    torch.testing.assert_close(Identity()(batch["image"]), expected, rtol=0, atol=0)
    assert torch.equal(batch["image"], before)


@pytest.mark.parametrize("trap", TRAPS)
def test_trap_pixels_are_as_torchvision_reads_them(trap, miniature_tree):
    for split, name in zip(("train", "val"), TRAPS[trap], strict=True):
        path = miniature_tree / split / f"{name}.JPEG"
        ours = decode(path.read_bytes(), str(path))
        assert np.array_equal(np.asarray(ours), np.asarray(Image.open(path).convert("RGB")))


# Broken images.


@pytest.fixture
def torn(small_tree, tmp_path):
    """A tree whose second validation image is cut off after 700 bytes; and that image."""
    shutil.copytree(small_tree, tmp_path / "torn")
    path = sorted((tmp_path / "torn/val").glob("*/*"))[1]
    path.write_bytes(path.read_bytes()[:700])
    return tmp_path / "torn", path


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_named_in_one_clean_message(workers, torn):
    root, path = torn
    with pytest.raises(UserError) as caught:
        list(data(root, workers=workers).val_dataloader())
    message = str(caught.value)
    assert message.startswith(f"{path} is no readable image")
    assert message.endswith("Replace it by an intact copy.")
    assert "Traceback" not in message
    assert "\n" not in message


def test_verify_finds_it_before_training(torn):
    root, path = torn
    with pytest.raises(UserError, match=str(path)):
        data(root).verify(training=True)


def test_workers_ignore_signals(small_tree):
    """What Ctrl-C in a terminal, or a scheduler, sends to every process of a run."""
    before = set(multiprocessing.active_children())
    batches = iter(data(small_tree, workers=2).val_dataloader())
    first = [next(batches), next(batches)]  # one of each worker, which has started then
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    for worker in workers:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(worker.pid, number)
    rest = list(batches)
    assert sum(len(batch["label"]) for batch in (*first, *rest)) == 37
    assert all(worker.is_alive() for worker in workers)


@pytest.mark.parametrize(("on_gpu", "behind"), [(True, 10), (False, 0)])
def test_workers_leave_the_cores_to_the_process_that_feeds_a_gpu(on_gpu, behind, small_tree, monkeypatch):
    made = data(small_tree, workers=1)
    monkeypatch.setattr(type(made), "on_gpu", on_gpu)
    loader = made.val_dataloader()
    loader.pin_memory = False  # which takes a GPU
    before = set(multiprocessing.active_children())
    batches = iter(loader)
    next(batches)
    (worker,) = set(multiprocessing.active_children()) - before
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == min(own + behind, 19)


def test_workers_do_not_keep_their_parent_from_leaving(small_tree):
    """At exit, multiprocessing ends its children by a signal that they ignore."""
    program = (
        "import sys; from tests.datamodules.test_imagenet import data\n"
        "batches = iter(data(sys.argv[1], workers=2).val_dataloader()); next(batches)\n"
        "print('leaving', flush=True); sys.exit(7)"
    )
    command = [sys.executable, "-c", program, str(small_tree)]
    done = subprocess.run(command, cwd=ROOT, timeout=60, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (7, b"leaving\n"), done.stderr


# Random crops, and the resolution.


@pytest.mark.parametrize(("width", "height"), [(500, 375), (375, 500), (400, 12), (9, 7), (1, 1), (3000, 10)])
def test_crops_keep_their_limits(width, height):
    for number in range(500):
        top, left, h, w = random_crop(width, height, 0.08, example_generator(0, 0, str(number)))
        assert 0 <= top <= height - h
        assert 0 <= left <= width - w
        assert h > 0
        assert w > 0


def test_crops_are_distributed_as_torchvisions():
    """Means and quantiles of area, aspect and position over 6,000 crops; about four standard errors apart at most."""
    width, height, count = 500, 375, 6000
    ours = [random_crop(width, height, 0.08, example_generator(1, 0, str(number))) for number in range(count)]
    torch.manual_seed(0)
    image = Image.new("L", (width, height))
    theirs = [transforms.RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(count)]

    def features(boxes):
        top, left, h, w = np.array(boxes, float).T
        return np.stack([h * w / width / height, np.log(w / h), top / height, left / width], axis=1)

    a, b = features(ours), features(theirs)
    error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / count)
    assert (np.abs(a.mean(axis=0) - b.mean(axis=0)) < 4 * error).all()
    for share in (0.05, 0.25, 0.5, 0.75, 0.95):
        gap = np.abs(np.quantile(a, share, axis=0) - np.quantile(b, share, axis=0))
        assert (gap < 0.05).all(), (share, gap)


def test_the_crop_of_last_resort_is_torchvisions():
    """No crop of an admissible aspect fits a strip of one row, so both fall back to the middle."""
    image = Image.new("L", (3000, 1))
    expected = transforms.RandomResizedCrop.get_params(image, [0.9, 1.0], [3 / 4, 4 / 3])
    assert random_crop(3000, 1, 0.9, example_generator(0, 0, "x")) == tuple(expected)
    image = Image.new("L", (10, 900))
    expected = transforms.RandomResizedCrop.get_params(image, [0.9, 1.0], [3 / 4, 4 / 3])
    assert random_crop(10, 900, 0.9, example_generator(0, 0, "x")) == tuple(expected)


def test_resolutions_are_the_sources():
    """libffcv/ffcv-imagenet:train_imagenet.py:get_resolution at 160 to 192 over the epochs 23 to 27."""

    def source(epoch, min_res, max_res, start_ramp, end_ramp):
        if epoch <= start_ramp:
            return min_res
        if epoch >= end_ramp:
            return max_res
        interp = np.interp([epoch], [start_ramp, end_ramp], [min_res, max_res])
        return int(np.round(interp[0] / 32)) * 32

    for smallest, largest, ramp in ((160, 192, (23, 27)), (128, 224, (0, 13)), (160, 192, (65, 76))):
        for epoch in range(90):
            assert resolution_at(epoch, smallest, largest, ramp) == source(epoch, smallest, largest, *ramp)
    # By hand: halfway from 128 to 224 is 176 = 5.5 x 32, which rounds to the even 6.
    assert resolution_at(5, 128, 224, (0, 10)) == 192


def test_areas_are_uniform():
    shares = []
    for number in range(4000):
        _, _, h, w = random_crop(640, 640, 0.25, example_generator(2, 0, str(number)))
        shares.append(h * w / 640 / 640)
    assert min(shares) > 0.24
    # Uniform on 0.25-1 but for large crops of long aspect, which do not fit and are drawn again.
    assert math.isclose(np.mean(np.array(shares) < 0.4), 0.2, abs_tol=0.06)
