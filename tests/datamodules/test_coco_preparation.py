"""`make data-coco`: what it expects, counts and leaves alone, and how it goes on once it was interrupted."""

import shutil
from dataclasses import replace

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.coco import RELEASE, prepare
from tests.datamodules import coco_archives
from tests.datamodules.archives import assert_complete, proper, put
from tests.datamodules.coco_archives import FILES, TREE

ARCHIVES = coco_archives


def test_official_facts():
    assert RELEASE.counts == {"train2017": 118_287, "val2017": 5_000}
    site = "http://images.cocodataset.org"
    assert {part: (each.name, each.url, each.digest) for part, each in RELEASE.archives.items()} == {
        "annotations": (
            "annotations_trainval2017.zip",
            f"{site}/annotations/annotations_trainval2017.zip",
            "f4bbac642086de4f52a3fdda2de5fa2c",
        ),
        "val2017": ("val2017.zip", f"{site}/zips/val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80"),
        "train2017": ("train2017.zip", f"{site}/zips/train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2"),
    }


def test_an_annotation_file_of_the_users_stays(offline, tmp_path):
    theirs = {"annotations/instances_val2017.json": b"theirs"}
    prepare(put(tmp_path, FILES | theirs), offline)
    assert_complete(tmp_path, TREE | theirs)


def test_wrong_counts_are_refused(offline, tmp_path):
    put(tmp_path, FILES | {"train2017/1.jpg": b""})
    with pytest.raises(UserError, match=r"train2017 has 1 images \(\*\.jpg\); the release has 3\. Remove that folder"):
        prepare(str(tmp_path), offline)
    shutil.rmtree(tmp_path / "train2017")
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path, TREE)
    with pytest.raises(UserError, match=r"val2017 has 2 images .*; the release has 5,000"):
        prepare(str(tmp_path), replace(offline, counts={"val2017": 5_000}))


@pytest.mark.parametrize("member", range(1, 2 + 2 + 3 + 1))
def test_an_interrupted_run_is_continued(offline, tmp_path, monkeypatch, member):
    """Stopped at each file in turn (2 of annotations, 2 of val, 3 of train), after half of its bytes."""
    put(tmp_path, FILES)
    copy, calls = shutil.copyfileobj, []

    def stop(source, target, *rest):
        calls.append(target)
        if len(calls) == member:
            target.write(b"half")
            raise KeyboardInterrupt
        copy(source, target, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(str(tmp_path), offline)
    assert (tmp_path / "val2017").exists() == (member > 4)
    assert not (tmp_path / "train2017").exists()
    assert proper(tmp_path).items() <= TREE.items()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path, TREE)
