"""`make data-imagenet` on small real archives: whole, interrupted, missing, damaged, hostile."""

import hashlib
import io
import shutil
import tarfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.layouts import imagenet
from datamodules.layouts.imagenet import open_split
from datamodules.preparation.imagenet import Release, prepare
from tests.datamodules.archives import names, tar_of
from tests.datamodules.imagenet_trees import TRAIN, VAL, VAL_LABELS, WNIDS, write_devkit, write_flat, write_folders


def class_tar(wnid):
    return tar_of((f"{name[10:]}.JPEG", data) for name, data in TRAIN.items() if name.startswith(wnid))


def devkit_tar(root):
    write_devkit(root / "kit")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.add(root / "kit" / imagenet.DEVKIT, imagenet.DEVKIT)
    shutil.rmtree(root / "kit")
    return stream.getvalue()


def place(root, release, part, data):
    """Puts an archive into `root`; the release expects just these bytes."""
    archive = replace(getattr(release, part), md5=hashlib.md5(data).hexdigest())
    (root / archive.name).write_bytes(data)
    return replace(release, **{part: archive})


@pytest.fixture
def archives(tmp_path):
    """The folder with all three, and their release."""
    release = Release(num_train=len(TRAIN), num_val=len(VAL), num_classes=len(WNIDS))
    release = place(tmp_path, release, "devkit", devkit_tar(tmp_path))
    release = place(tmp_path, release, "val", tar_of((f"{name}.JPEG", data) for name, data in VAL.items()))
    release = place(tmp_path, release, "train", tar_of((f"{wnid}.tar", class_tar(wnid)) for wnid in WNIDS))
    return tmp_path, release


def assert_complete(root):
    train, val = open_split(str(root), "train"), open_split(str(root), "val")
    assert [train.read(index) for index in range(len(train))] == list(TRAIN.values())
    assert [val.read(index) for index in range(len(val))] == list(VAL.values())
    assert val.labels.tolist() == list(VAL_LABELS)
    assert [name for name in names(root) if name.startswith(".")] == []


def test_official_facts():
    release = Release()
    assert (release.num_train, release.num_val, release.num_classes) == (1_281_167, 50_000, 1000)
    assert release.train.md5 == "1d675b47d978889d74fa0da5fadfb00e"
    assert release.val.md5 == "29b22e2961454d5413ddabcf34fc5622"
    assert release.devkit.md5 == "fa75699e90414af021442c21a62c3abf"


def test_archives_become_a_tree_and_may_go(archives, capsys):
    root, release = archives
    prepare(str(root), release)
    assert_complete(root)
    assert "train is complete, 6 images of 3 classes" in capsys.readouterr().out
    for part in ("train", "val", "devkit"):
        (root / getattr(release, part).name).unlink()
    prepare(str(root), release)
    assert "val is complete, 5 images of 3 classes" in capsys.readouterr().out


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


def test_what_is_missing_is_said_exactly(tmp_path):
    with pytest.raises(UserError) as caught:
        prepare(str(tmp_path / "nowhere"), Release())
    for part in (
        "ILSVRC2012_img_train.tar",
        "138 GB",
        "1d675b47d978889d74fa0da5fadfb00e",
        "ILSVRC2012_img_val.tar",
        "6.3 GB",
        "ILSVRC2012_devkit_t12.tar.gz",
        "https://image-net.org/",
        "account",
        "licence",
        f"into {tmp_path / 'nowhere'}",
        "make data-imagenet DATA=",
    ):
        assert part in str(caught.value)


def test_what_is_there_is_unpacked_before_the_rest_is_asked_for(archives):
    root, release = archives
    (root / release.train.name).unlink()
    with pytest.raises(UserError, match=rf"lacks {release.train.name}\.\n"):
        prepare(str(root), release)
    assert len(open_split(str(root), "val")) == 5


@pytest.mark.parametrize("write", [write_folders, write_flat])
def test_a_ready_tree_needs_no_archive(tmp_path, write):
    write(tmp_path)
    prepare(str(tmp_path), Release(num_train=6, num_val=5, num_classes=3))


def test_wrong_counts_are_refused(archives):
    root, release = archives
    with pytest.raises(UserError, match="val has 5 images of 3 classes; the release has 50,000 of 3"):
        prepare(str(root), replace(release, num_val=50_000))


@pytest.mark.parametrize("change", [lambda data: data[:-600], lambda data: data[:700] + b"?" + data[701:]])
def test_a_damaged_archive_unpacks_nothing(archives, change):
    root, release = archives
    path = root / release.val.name
    path.write_bytes(change(path.read_bytes()))
    found = hashlib.md5(path.read_bytes()).hexdigest()
    before = names(root)
    with pytest.raises(UserError, match=rf"{release.val.name} .*MD5 is {found}, expected {release.val.md5}.*download"):
        prepare(str(root), release)
    assert names(root) == before


def link(name, kind, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE = {
    "parent": "../escaped.JPEG",
    "absolute": "/tmp/escaped.JPEG",
    "folder": "a/../../escaped.JPEG",
    "hidden": "..",
    "symbolic": link("a.JPEG", tarfile.SYMTYPE, "../escaped.JPEG"),
    "hard": link("a.JPEG", tarfile.LNKTYPE, "../escaped.JPEG"),
    "device": link("a.JPEG", tarfile.CHRTYPE, ""),
    "pipe": link("a.JPEG", tarfile.FIFOTYPE, ""),
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
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 10**6))
    with pytest.raises(UserError, match=r"needs 1\.1 GB, but 0\.0 GB are free"):
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
