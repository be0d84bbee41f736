"""`make data-coco`: what it fetches and unpacks, what it leaves alone, and what it counts."""

import shutil
from dataclasses import replace

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.coco import Release, prepare
from tests.datamodules import coco_archives
from tests.datamodules.archives import names
from tests.datamodules.coco_archives import NAMES, TREE, ZIPS, assert_complete, place

ARCHIVES = coco_archives


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


def test_a_hub_is_no_folder():
    with pytest.raises(UserError, match=r"hf:detection/coco: COCO's images are read from folders only\. Set DATA"):
        prepare("hf:detection/coco")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file or a broken link, not a folder"):
        prepare(str(tmp_path / "file"))


@pytest.mark.parametrize("part", ["annotations", "val2017", "train2017"])
def test_what_is_in_a_parts_place_is_said_before_anything_is_fetched(server, release, tmp_path, part):
    place(tmp_path, {"val": ZIPS["val"]})
    (tmp_path / part).symlink_to(tmp_path / "gone")
    before = names(tmp_path)
    with pytest.raises(UserError, match=rf"{part} is a file or a broken link, not a folder\. Move it away"):
        prepare(str(tmp_path), release)
    assert (names(tmp_path), server.log) == (before, [])
