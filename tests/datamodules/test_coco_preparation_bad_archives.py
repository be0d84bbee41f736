"""Archives of COCO that are not what they should be: another's, damaged, hostile, packed broken."""

import hashlib
import stat
import zipfile
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.coco import prepare
from tests.datamodules import coco_archives
from tests.datamodules.archives import names
from tests.datamodules.coco_archives import NAMES, TREE, ZIPS, assert_complete, place, release_at, zip_of

ARCHIVES = coco_archives


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
