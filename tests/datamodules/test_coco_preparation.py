"""`make data-coco` against a real HTTP server and small real archives: whole, cut, offline, damaged, hostile."""

import hashlib
import io
import random
import shutil
import stat
import zipfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.preparation import downloads
from datamodules.preparation.coco import Release, prepare
from datamodules.preparation.downloads import Archive
from tests.datamodules.archives import names, served, serving

TREE = {
    "annotations/instances_train2017.json": b'{"images": [1, 2, 3]}',
    "annotations/instances_val2017.json": b'{"images": [4, 5]}',
    **{f"val2017/{number:012}.jpg": random.Random(number).randbytes(20_000) for number in (4, 5)},
    **{f"train2017/{number:012}.jpg": random.Random(number).randbytes(100_000) for number in (1, 2, 3)},
}
OTHERS = {"annotations/captions_val2017.json": b"{}", "annotations/person_keypoints_train2017.json": b"{}"}
NAMES = {"annotations": "annotations_trainval2017.zip", "val": "val2017.zip", "train": "train2017.zip"}


def zip_of(members):
    """A zip of (name or ZipInfo, bytes)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, data in members:
            packed.writestr(name, data)
    return stream.getvalue()


def folder_zip(name):
    files = [item for item in {**TREE, **OTHERS}.items() if item[0].startswith(f"{name}/")]
    return zip_of([(f"{name}/", b""), *files])


ZIPS = {part: folder_zip(name.removesuffix(".zip").removesuffix("_trainval2017")) for part, name in NAMES.items()}


@pytest.fixture
def server(monkeypatch):
    """A server of the three archives, on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({NAMES[part]: data for part, data in ZIPS.items()}, "train2017.zip") as running:
        yield running


def release_at(port, zips=ZIPS):
    """What the server has, or would have."""
    url = f"http://127.0.0.1:{port}/zips/"
    archives = {
        part: Archive(NAMES[part], url + NAMES[part], "md5", hashlib.md5(data).hexdigest(), f"{len(data)} B")
        for part, data in zips.items()
    }
    return Release(**archives, num_val=2, num_train=3)


def place(root, zips=ZIPS):
    """Puts the archives into `root`, as a user does."""
    root.mkdir(exist_ok=True)
    for part, data in zips.items():
        (root / NAMES[part]).write_bytes(data)


def assert_complete(root):
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob("*/*")}
    assert found == TREE
    assert [name for name in names(root) if name.startswith(".")] == []


def test_official_facts():
    release = Release()
    assert (release.num_train, release.num_val) == (118_287, 5_000)
    assert [(part.name, part.digest) for part in (release.train, release.val, release.annotations)] == [
        ("train2017.zip", "cced6f7f71b7629ddf16f17bbcfab6b2"),
        ("val2017.zip", "442b8da7639aecaf257c1dceb8ba8c80"),
        ("annotations_trainval2017.zip", "f4bbac642086de4f52a3fdda2de5fa2c"),
    ]
    assert release.train.url == "http://images.cocodataset.org/zips/train2017.zip"
    assert release.val.url == "http://images.cocodataset.org/zips/val2017.zip"
    assert release.annotations.url == "http://images.cocodataset.org/annotations/annotations_trainval2017.zip"


def test_a_new_folder_is_filled_from_the_network(server, release, tmp_path, capsys):
    root = tmp_path / "new" / "coco"
    prepare(str(root), release)
    assert_complete(root)
    assert [(asked, count) for _, asked, count in server.log] == [
        (None, len(ZIPS[part])) for part in ("annotations", "val", "train")
    ]
    out, err = capsys.readouterr()
    assert f"{root}: train2017 is complete, 3 images\n{root}: val2017 is complete, 2 images\n" in out
    assert "annotations_trainval2017.zip, val2017.zip, train2017.zip may be deleted" in out
    assert not err  # no bars where nobody watches


def test_archives_in_place_need_no_network_and_may_go(offline, tmp_path, capsys):
    place(tmp_path)
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    for part, data in ZIPS.items():
        assert (tmp_path / NAMES[part]).read_bytes() == data
        (tmp_path / NAMES[part]).unlink()
    capsys.readouterr()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    assert capsys.readouterr().out == (
        f"{tmp_path}: train2017 is complete, 3 images\n{tmp_path}: val2017 is complete, 2 images\n"
    )


def test_only_what_is_missing_is_fetched(server, release, tmp_path):
    place(tmp_path, {"val": ZIPS["val"]})
    for name in ("annotations/instances_train2017.json", "annotations/instances_val2017.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(TREE[name])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert [name for name, _, _ in server.log] == ["train2017.zip"]


def test_an_annotation_file_of_the_users_stays(offline, tmp_path):
    place(tmp_path)
    theirs = tmp_path / "annotations" / "instances_val2017.json"
    theirs.parent.mkdir()
    theirs.write_bytes(b"theirs")
    prepare(str(tmp_path), offline)
    assert theirs.read_bytes() == b"theirs"
    assert (theirs.parent / "instances_train2017.json").is_file()


def test_a_partial_download_is_continued(server, release, tmp_path):
    (tmp_path / ".train2017.zip.part").write_bytes(ZIPS["train"][:123_456])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, "train2017.zip") == [("bytes=123456-", len(ZIPS["train"]) - 123_456)]


def test_a_server_without_ranges_sends_it_all_again(server, release, tmp_path):
    server.mode = "whole"
    (tmp_path / ".train2017.zip.part").write_bytes(ZIPS["train"][:123_456])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, "train2017.zip") == [("bytes=123456-", len(ZIPS["train"]))]


def test_a_download_that_only_lacks_its_name(server, release, tmp_path):
    """Stopped between the last byte and the check."""
    (tmp_path / ".train2017.zip.part").write_bytes(ZIPS["train"])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, "train2017.zip") == []


def test_a_connection_cut_again_and_again(server, release, tmp_path):
    """Each run keeps what came: half of the rest."""
    server.mode = "cut"
    total, have = len(ZIPS["train"]), 0
    for _ in range(3):
        have += (total - have) // 2
        with pytest.raises(UserError, match=f"cannot be fetched: the connection ended after {have:,} of {total:,}"):
            prepare(str(tmp_path), release)
        assert (tmp_path / ".train2017.zip.part").stat().st_size == have
        assert not (tmp_path / "train2017.zip").exists()
        assert not (tmp_path / "train2017").exists()
    server.mode = "range"
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, "train2017.zip")[-1] == (f"bytes={have}-", total - have)
    assert sum(count for _, count in served(server, "train2017.zip")) == total
    assert len(served(server, "val2017.zip")) == 1


@pytest.mark.parametrize(("mode", "reason"), [("reset", "reset by peer"), ("stall", "timed out")])
def test_a_connection_that_fails_otherwise(server, release, tmp_path, monkeypatch, mode, reason):
    monkeypatch.setattr(downloads, "TIMEOUT", 0.5)
    server.mode = mode
    with pytest.raises(UserError, match=rf"lacks train2017\.zip; http.* cannot be fetched: .*{reason}"):
        prepare(str(tmp_path), release)
    kept = (tmp_path / ".train2017.zip.part").stat().st_size
    assert kept <= len(ZIPS["train"]) // 2
    server.mode = "range"
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, "train2017.zip")[-1] == (f"bytes={kept}-" if kept else None, len(ZIPS["train"]) - kept)


def test_a_login_page_does_not_replace_a_partial_download(server, release, tmp_path):
    server.mode = "login"
    (tmp_path / ".train2017.zip.part").write_bytes(ZIPS["train"][:123_456])
    place(tmp_path, {part: ZIPS[part] for part in ("annotations", "val")})
    with pytest.raises(UserError, match="a web page came in its place"):
        prepare(str(tmp_path), release)
    assert (tmp_path / ".train2017.zip.part").read_bytes() == ZIPS["train"][:123_456]


def test_a_file_that_the_server_lacks(server, release, tmp_path):
    del server.files["train2017.zip"]
    with pytest.raises(UserError, match=r"lacks train2017\.zip; .*/zips/train2017\.zip cannot be fetched: .*404"):
        prepare(str(tmp_path), release)
    assert len(list((tmp_path / "val2017").iterdir())) == 2


def test_without_a_network_what_is_missing_is_said_exactly(offline, tmp_path):
    root = tmp_path / "nowhere"
    with pytest.raises(UserError) as caught:
        prepare(str(root), offline)
    for archive in (offline.annotations, offline.val, offline.train):
        for part in (archive.name, archive.size, archive.digest, archive.url):
            assert part in str(caught.value)
    for part in ("refused", "kept", f"into {root}", f"`make data-coco DATA={root}`"):
        assert part in str(caught.value)


def test_without_a_network_what_is_there_is_unpacked(offline, tmp_path):
    place(tmp_path, {"val": ZIPS["val"]})
    with pytest.raises(UserError, match=r"lacks annotations_trainval2017\.zip, train2017\.zip; ") as caught:
        prepare(str(tmp_path), offline)
    assert offline.val.digest not in str(caught.value)
    assert len(list((tmp_path / "val2017").iterdir())) == 2


def test_a_wrong_download_is_removed(server, release, tmp_path):
    server.files["train2017.zip"] = bytes(1000)
    found = hashlib.md5(bytes(1000)).hexdigest()
    with pytest.raises(UserError, match=rf"MD5 is {found}, expected {release.train.digest}\. It was removed; run"):
        prepare(str(tmp_path), release)
    assert [name for name in names(tmp_path) if "train" in name] == ["annotations_trainval2017.zip"]
    server.files["train2017.zip"] = ZIPS["train"]
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)


@pytest.mark.parametrize("change", [lambda data: data[:-600], lambda data: data[:700] + b"?" + data[701:]])
def test_a_damaged_archive_unpacks_nothing(offline, tmp_path, change):
    damaged = change(ZIPS["train"])
    place(tmp_path, {**ZIPS, "train": damaged})
    before = names(tmp_path)
    found = hashlib.md5(damaged).hexdigest()
    with pytest.raises(
        UserError, match=rf"train2017\.zip .*MD5 is {found}, expected {offline.train.digest}.*Remove it"
    ):
        prepare(str(tmp_path), offline)
    assert names(tmp_path) == before


@pytest.mark.parametrize("member", range(1, 2 + 2 + 3 + 1))
def test_an_interrupted_run_is_continued(offline, tmp_path, monkeypatch, member):
    """Stopped at each file in turn (2 of annotations, 2 of val, 3 of train), after half of its bytes."""
    place(tmp_path)
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
    proper = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.glob("[!.]*/*")}
    assert proper.items() <= TREE.items()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


HOSTILE = {
    "parent": "../escaped.jpg",
    "absolute": "/tmp/escaped.jpg",
    "through": "{part}/../../escaped.jpg",
    "above": "{part}/..",
    "elsewhere": "escaped/escaped.jpg",
    "beside": "escaped.jpg",
    "deeper": "{part}/escaped/escaped.jpg",
    "backslash": "{part}/..\\..\\escaped.jpg",
    "symbolic": link("{part}/escaped.jpg"),
}


@pytest.mark.parametrize("member", HOSTILE)
@pytest.mark.parametrize(("part", "folder"), [("annotations", "annotations"), ("train", "train2017")])
def test_a_hostile_archive_stays_in_its_folder(offline, tmp_path, part, folder, member):
    root = tmp_path / "a" / "b"
    root.parent.mkdir()
    hostile = HOSTILE[member]
    if isinstance(hostile, zipfile.ZipInfo):
        hostile = link(hostile.filename.format(part=folder))
    else:
        hostile = hostile.format(part=folder)
    good = [item for item in TREE.items() if item[0].startswith(folder)]
    zips = {**ZIPS, part: zip_of([*good, (hostile, b"../../escaped.jpg")])}
    place(root, zips)
    with pytest.raises(UserError, match=rf"{NAMES[part]} holds '.*', which is no plain file.*Download it again"):
        prepare(str(root), release_at(1, zips))
    assert not list(tmp_path.glob("**/escaped*"))
    assert not Path("/tmp/escaped.jpg").exists()
    assert not (root / folder).exists()


def test_what_is_no_zip_is_refused(tmp_path):
    """Right checksum, but what was packed was broken already."""
    zips = {**ZIPS, "train": ZIPS["train"][:5000]}
    place(tmp_path, zips)
    with pytest.raises(UserError, match=r"train2017\.zip cannot be unpacked: File is not a zip file\. Download"):
        prepare(str(tmp_path), release_at(1, zips))
    assert not (tmp_path / "train2017").exists()


def test_wrong_counts_are_refused(offline, tmp_path):
    place(tmp_path)
    (tmp_path / "train2017").mkdir()
    (tmp_path / "train2017" / "1.jpg").touch()
    with pytest.raises(UserError, match=r"train2017 has 1 images \(\*\.jpg\); the release has 3\. Remove that folder"):
        prepare(str(tmp_path), offline)
    shutil.rmtree(tmp_path / "train2017")
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    with pytest.raises(UserError, match=r"val2017 has 2 images .*; the release has 5,000"):
        prepare(str(tmp_path), replace(offline, num_val=5_000))


@pytest.mark.parametrize("source", ["archives", "network"])
def test_a_full_disk_is_said_before_anything_is_written(server, release, tmp_path, monkeypatch, source):
    if source == "archives":
        place(tmp_path)
    before = names(tmp_path)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 10**6))
    with pytest.raises(UserError, match=r"unpacking into .* needs 1\.1 GB, but 0\.0 GB are free"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == before


def test_a_disk_that_fills_up_on_the_way(offline, tmp_path, monkeypatch):
    place(tmp_path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extract", fail)
        with pytest.raises(UserError, match=r"somewhere: No space left on device.*run this again"):
            prepare(str(tmp_path), offline)
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


def test_a_hub_is_no_folder():
    with pytest.raises(UserError, match=r"hf:detection/coco: COCO's images are read from folders only\. Set DATA"):
        prepare("hf:detection/coco")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file, not a folder"):
        prepare(str(tmp_path / "file"))
