"""`bench-imagenet`: ways side by side, and where plan and report find what was measured."""

import os
import shutil
import sys
import time

import pytest
import torch
from torch.utils.data import DataLoader

from benchmarks import paths, plan, speeds
from benchmarks.errors import UserError
from benchmarks.forecast import Published
from benchmarks.speed import imagenet as bench
from benchmarks.speed import imagenet_stores
from benchmarks.speeds import Speeds, Way, load_speeds, write_speeds
from results.report import page
from tests.conftest import ROOT

SPEEDS = Speeds(
    "images/s", "a processor", "512 photographs", 5,
    (
        Way("torchvision, float32", 2, (90.0, 100.0, 110.0), (1.0, 1.0, 1.0)),
        Way("ours", 0, (300.0, 310.0, 320.0), (2.0, 2.0, 2.0)),
        Way("ours", 2, (240.0, 250.0, 260.0), (2.4, 2.5, 2.6)),
    ),
)  # fmt: skip


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A checkout with nothing but ImageNet's claim."""
    for module in (speeds, paths, page):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "benchmarks/imagenet").mkdir(parents=True)
    shutil.copy(ROOT / "benchmarks/imagenet/claim.yaml", tmp_path / "benchmarks/imagenet")
    return tmp_path


def test_every_way_is_measured_beside_the_first(monkeypatch, small_tree):
    for name, value in {"PHOTOGRAPHS": 4, "BATCH": 2, "COUNTED": 2, "A_PROCESS": 1}.items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(bench, "process_counts", lambda: [1])
    available, threads = os.sched_getaffinity(0), torch.get_num_threads()
    for data in (None, str(small_tree)):
        measured = bench.measured(data, 2)
        assert measured.inputs.startswith("4 of its training images" if data else "4 photographs made up, 500 x 375")
        ways = {(way.name, way.processes): way for way in measured.ways}
        loaders = [name for name, processes in ways if processes == 1]
        assert loaders[:4] == ["torchvision, float32", "torchvision", "ours", "ours, stored at 256"]
        assert ways["torchvision, float32", 0].ratio == ways["torchvision, float32", 1].ratio == (1, 1, 1)
        assert all(0 < way.speed[0] <= way.speed[1] <= way.speed[2] for way in measured.ways)
        assert measured.ours is ways["ours", 1]
    assert (os.sched_getaffinity(0), torch.get_num_threads()) == (available, threads)


class Slow(torch.utils.data.Dataset):
    """Takes 5 ms an image, asleep, so that processes do not need a core each."""

    def __len__(self):
        return 10_000

    def __getitem__(self, index):
        time.sleep(0.005)
        return index


@pytest.mark.parametrize("processes", [1, 8])
def test_batches_held_ready_do_not_count(processes, monkeypatch):
    monkeypatch.setattr(bench, "BATCH", 4)
    speed = bench.speed_of_loader(lambda count: DataLoader(Slow(), 4, num_workers=count), processes)
    assert 0.1 * processes / 0.005 < speed < 1.1 * processes / 0.005


def test_data_that_are_none_end_in_one_message(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["imagenet", f"--data={tmp_path / 'nothing'}"])
    assert bench.main() == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'nothing'} does not exist.")


def test_a_broken_image_is_named(small_tree, tmp_path, monkeypatch, capsys):
    shutil.copytree(small_tree, tmp_path / "tree")
    broken = min((tmp_path / "tree/train").glob("*/*"))
    broken.write_bytes(b"")
    monkeypatch.setattr(sys, "argv", ["imagenet", f"--data={tmp_path / 'tree'}"])
    assert bench.main() == 2
    assert capsys.readouterr().err.startswith(f"error: {broken} is no readable image")


def test_what_was_measured_is_found_again(repository):
    assert load_speeds("imagenet") is None
    path = write_speeds("imagenet", SPEEDS)
    assert load_speeds("imagenet") == SPEEDS
    path.write_text(path.read_text().replace('"ours"', '"theirs"'))
    with pytest.raises(UserError, match=r"imagenet\.json has no speed of 'ours'\. Remove it, or measure again\."):
        load_speeds("imagenet")
    path.write_text(path.read_text()[:-20])
    with pytest.raises(UserError, match=r"imagenet\.json is damaged .* Remove it, or measure again\."):
        load_speeds("imagenet")


def test_the_plan_says_how_long_the_input_takes(repository):
    published = Published(None, "A100", 3.83, "somewhere", 3_600_000)
    assert list(plan._fed("imagenet", published.examples)) == []
    write_speeds("imagenet", SPEEDS)
    # 3.6 million images at 250 a second: 14,400 seconds.
    assert list(plan._fed("imagenet", published.examples)) == [
        "reading the input takes 4.0 h with 2 processes on a processor, once it is in memory"
    ]


def test_the_report_shows_them(repository):
    write_speeds("imagenet", SPEEDS)
    page.write_report()
    text = (repository / page.REPORT).read_text()
    assert "How fast its input is read" in text
    assert "2.50 (2.40 to 2.60)" in text
    assert "one core alone" in text


def test_every_store_gives_the_images(tmp_path, monkeypatch):
    for name, value in {"IMAGES": 5, "SLOW": 2, "ROW_GROUP": 2}.items():
        monkeypatch.setattr(imagenet_stores, name, value)
    images = imagenet_stores.tree(tmp_path / "one")
    whole = [images.read(index) for index in range(5)]
    packed = imagenet_stores.packed(images, tmp_path / "one", tmp_path / "packed")
    tar, parquet = (
        imagenet_stores.tar(images, tmp_path / "a.tar"),
        imagenet_stores.parquet(images, tmp_path / "a.parquet"),
    )
    for read in (packed, tar, parquet):
        assert [read(index) for index in (4, 0, 3, 1, 2)] == [whole[index] for index in (4, 0, 3, 1, 2)]
    names = [name for name, _, _ in imagenet_stores.stores(tmp_path / "two")]
    assert names[:4] == ["tree", "ours: Arrow, mapped", "tar, mapped, with an index", "Parquet"]
