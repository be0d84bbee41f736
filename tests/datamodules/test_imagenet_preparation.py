"""`make data-imagenet` on small real archives: what it unpacks, what it asks for, and what it counts."""

from dataclasses import replace

import pytest

from benchmarks.errors import UserError
from datamodules.layouts.imagenet import open_split
from datamodules.preparation.imagenet import RELEASE, prepare
from tests.datamodules import imagenet_archives
from tests.datamodules.imagenet_archives import COUNTS, assert_complete
from tests.datamodules.imagenet_trees import write_flat, write_folders

archives = imagenet_archives.archives


def test_official_facts():
    assert RELEASE.counts == {"train": 1_281_167, "val": 50_000, "classes": 1000}
    assert {part: archive.digest for part, archive in RELEASE.archives.items()} == {
        "devkit": "fa75699e90414af021442c21a62c3abf",
        "val": "29b22e2961454d5413ddabcf34fc5622",
        "train": "1d675b47d978889d74fa0da5fadfb00e",
    }


def test_archives_become_a_tree_and_may_go(archives, capsys):
    root, release = archives
    prepare(str(root), release)
    assert_complete(root)
    assert "train is complete, 6 images of 3 classes" in capsys.readouterr().out
    for archive in release.archives.values():
        (root / archive.name).unlink()
    prepare(str(root), release)
    assert "val is complete, 5 images of 3 classes" in capsys.readouterr().out


def test_what_is_missing_is_said_exactly(tmp_path):
    with pytest.raises(UserError) as caught:
        prepare(str(tmp_path / "nowhere"))
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
    (root / "ILSVRC2012_img_train.tar").unlink()
    with pytest.raises(UserError, match=r"lacks ILSVRC2012_img_train\.tar\.\n"):
        prepare(str(root), release)
    assert len(open_split(str(root), "val")) == 5


@pytest.mark.parametrize("write", [write_folders, write_flat])
def test_a_ready_tree_needs_no_archive(tmp_path, write):
    write(tmp_path)
    prepare(str(tmp_path), replace(RELEASE, counts=COUNTS))


def test_wrong_counts_are_refused(archives):
    root, release = archives
    with pytest.raises(UserError, match="val has 5 images of 3 classes; the release has 50,000 of 3"):
        prepare(str(root), replace(release, counts=COUNTS | {"val": 50_000}))
