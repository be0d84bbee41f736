"""`make data-imagenet` interrupted, without room, or with archives that are damaged, hostile or packed broken."""

import hashlib
import tarfile
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.layouts import imagenet
from datamodules.preparation.imagenet import prepare
from tests.datamodules import imagenet_archives
from tests.datamodules.archives import full_disk, names, tar_of, typed
from tests.datamodules.imagenet_archives import assert_complete, class_tar, place

archives = imagenet_archives.archives


@pytest.mark.parametrize("member", range(1, 5 + 6 + 1))
def test_an_interrupted_run_is_continued(archives, monkeypatch, member):
    """Stopped at each image in turn (5 of val, then 2 a class), after half of its bytes."""
    root, release = archives
    extract, calls = tarfile.TarFile.extract, []

    def record(tar, info, path, **options):
        if info.name.endswith(".JPEG"):
            calls.append(info.name)
        extract(tar, info, path, **options)

    def stop(tar, info, path, **options):
        if len(calls) == member - 1 and info.name.endswith(".JPEG"):
            (Path(path) / info.name).write_bytes(b"half")
            raise KeyboardInterrupt
        record(tar, info, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(str(root), release)
    assert (root / "val").exists() == (member > 5)
    assert not (root / "train").exists()
    finished = len(list(root.glob(".train.unpacking/n*/*")))
    assert finished == max(0, 2 * ((member - 6) // 2))
    calls.clear()
    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", record)
        prepare(str(root), release)
    assert_complete(root)
    assert len(calls) == 6 - finished + (5 if member <= 5 else 0)


@pytest.mark.parametrize("change", [lambda data: data[:-600], lambda data: data[:700] + b"?" + data[701:]])
def test_a_damaged_archive_unpacks_nothing(archives, change):
    root, release = archives
    val = release.archives["val"]
    path = root / val.name
    path.write_bytes(change(path.read_bytes()))
    found = hashlib.md5(path.read_bytes()).hexdigest()
    before = names(root)
    with pytest.raises(UserError, match=rf"{val.name} .*MD5 is {found}, expected {val.digest}.*download"):
        prepare(str(root), release)
    assert names(root) == before


HOSTILE = {
    "parent": "../escaped.JPEG",
    "absolute": "/tmp/escaped.JPEG",
    "folder": "a/../../escaped.JPEG",
    "hidden": "..",
    "symbolic": typed("a.JPEG", tarfile.SYMTYPE, "../escaped.JPEG"),
    "hard": typed("a.JPEG", tarfile.LNKTYPE, "../escaped.JPEG"),
    "device": typed("a.JPEG", tarfile.CHRTYPE, ""),
    "pipe": typed("a.JPEG", tarfile.FIFOTYPE, ""),
}


@pytest.mark.parametrize("member", HOSTILE)
@pytest.mark.parametrize("part", ["val", "class", "train", "devkit"])
def test_a_hostile_archive_stays_in_its_folder(archives, part, member):
    root, release = archives
    data = tar_of([(HOSTILE[member], b"")], "w:gz" if part == "devkit" else "w")
    if part == "class":
        data = tar_of([("n01440764.tar", data)])
    release = place(root, release, "train" if part == "class" else part, data)
    with pytest.raises(UserError, match=r"no plain file|cannot be unpacked"):
        prepare(str(root), release)
    assert not list(root.parent.glob("escaped*"))
    assert not list(root.glob("**/escaped*"))
    assert not Path("/tmp/escaped.JPEG").exists()
    target = {"val": "val", "devkit": imagenet.DEVKIT}.get(part, "train")
    assert not (root / target).exists()


def test_a_class_cut_short_is_refused(archives):
    """Right checksum, but what was packed was a part already."""
    root, release = archives
    release = place(root, release, "train", tar_of([("n01440764.tar", class_tar("n01440764")[:1200])]))
    with pytest.raises(UserError, match=r"ILSVRC2012_img_train\.tar cannot be unpacked: unexpected end of data"):
        prepare(str(root), release)
    assert not (root / "train").exists()


def test_a_full_disk_is_said_before_anything_is_written(archives, monkeypatch):
    root, release = archives
    before = names(root)
    full_disk(monkeypatch)
    with pytest.raises(UserError, match=r"needs 1\.1 GB, but 0\.0 GB are free"):
        prepare(str(root), release)
    assert names(root) == before


def test_what_a_killed_run_left_makes_room_first(archives, monkeypatch):
    root, release = archives
    left = root / ".val.unpacking"
    left.mkdir()
    full_disk(monkeypatch, lambda: 10**6 if left.exists() else 10**12)
    prepare(str(root), release)
    assert_complete(root)


@pytest.mark.parametrize("part", ["val", "train", imagenet.DEVKIT])
def test_what_is_in_a_parts_place_is_said_before_anything_is_written(archives, part):
    root, release = archives
    (root / part).symlink_to(root / "gone")
    before = names(root)
    with pytest.raises(UserError, match=rf"{part} is a file or a broken link, not a folder\. Move it away"):
        prepare(str(root), release)
    assert names(root) == before


def test_a_disk_that_fills_up_on_the_way(archives, monkeypatch):
    root, release = archives

    def fail(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", fail)
        with pytest.raises(UserError, match=r"somewhere: No space left on device.*run this again"):
            prepare(str(root), release)
    prepare(str(root), release)
    assert_complete(root)
