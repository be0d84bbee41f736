"""File systems that lack something: hard links, modes, folders that can be put on disk, locks."""

import errno
import os
from unittest.mock import Mock

import pytest

from benchmarks import artefacts, paths
from benchmarks.artefacts import keep_with_record
from benchmarks.errors import UserError
from benchmarks.files import copy, give_name, make_once, sync, write_atomically
from benchmarks.measure import Scored, stored
from benchmarks.schema import Examples
from tests.benchmarks.conftest import mounted

NO_LINKS = (errno.EPERM, errno.EACCES, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP, 524)


def refusing(number):
    return Mock(side_effect=OSError(number, os.strerror(number)))


@pytest.fixture
def files(tmp_path):
    """A file, and another one that goes by the name `last`."""
    for name in ("new", "last"):
        (tmp_path / name).write_text(name)
    return tmp_path


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_name_is_given_by_a_link(files):
    give_name(files / "new", "last")
    assert contents(files) == {"new": "new", "last": "new"}
    assert (files / "last").samefile(files / "new")


@pytest.mark.parametrize("number", NO_LINKS)
def test_a_name_is_given_by_a_copy_where_there_are_no_links(files, monkeypatch, number):
    monkeypatch.setattr("os.link", refusing(number))
    give_name(files / "new", "last")
    assert contents(files) == {"new": "new", "last": "new"}
    (files / "new").unlink()
    assert contents(files) == {"last": "new"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_link_that_fails_for_another_reason_is_not_tried_otherwise(files, monkeypatch, number):
    monkeypatch.setattr("os.link", refusing(number))
    with pytest.raises(UserError, match=r"^cannot write .*last: "):
        give_name(files / "new", "last")
    assert contents(files) == {"new": "new", "last": "last"}


def test_no_room_for_a_copy(tmp_path, monkeypatch):
    """The checkpoint that went by the name before is still whole."""
    monkeypatch.setattr("os.link", refusing(errno.EPERM))
    with mounted(tmp_path / "small", "size=1m") as folder:
        (folder / "new").write_text("new" * 200_000)
        (folder / "last").write_text("last")
        with pytest.raises(UserError, match=r"cannot write .*last: the disk is full; free some space"):
            give_name(folder / "new", "last")
        assert contents(folder) == {"new": "new" * 200_000, "last": "last"}


def test_what_a_kill_left_is_no_obstacle(files):
    (files / ".last").write_text("of a kill between the link and its renaming")
    give_name(files / "new", "last")
    assert contents(files) == {"new": "new", "last": "new"}


def test_modes_that_only_the_owner_of_the_mount_may_change(files, monkeypatch):
    monkeypatch.setattr("os.chmod", refusing(errno.EPERM))
    write_atomically(files / "last", b"newer")
    assert contents(files) == {"new": "new", "last": "newer"}


def test_small_files_of_a_run_are_kept_beside_its_record_without_their_modes(tmp_path, monkeypatch):
    monkeypatch.setattr("os.chmod", refusing(errno.EPERM))
    weights, sheet, predictions = (tmp_path / "run" / name for name in ("w", "s", "predictions/p"))
    for path in (weights, sheet, predictions):
        write_atomically(path, b"whole")
    scored = Scored({}, Examples(1, 1, 1), (stored(predictions),), {})
    kept, kept_weights = keep_with_record("full", tmp_path / "record.json", scored, weights, sheet)
    assert kept.predictions == (stored(tmp_path / "record/p"),)
    assert kept_weights == stored(tmp_path / "record/w")
    assert contents(tmp_path / "record") == dict.fromkeys("wsp", "whole")


def test_what_is_kept_may_be_read_by_all_and_written_by_a_group_whose_folder_it_is_in(files):
    """Whatever the umask of who ran it."""
    for umask, mode in ((0o077, 0o755), (0o002, 0o775)):
        before = os.umask(umask)
        copy(files / "new", files / oct(umask) / "of a run/new")
        os.umask(before)
        made = [files / oct(umask), files / oct(umask) / "of a run", files / oct(umask) / "of a run/new"]
        assert [oct(path.stat().st_mode & 0o777) for path in made] == [oct(mode), oct(mode), oct(0o644)]


def test_files_behind_a_link_out_of_the_repository_are_stored_by_their_place_in_it(tmp_path, monkeypatch):
    """As where `results/runs` is a link to a larger file system: on another machine it may lead elsewhere."""
    root, large = tmp_path / "repository", tmp_path / "large/run"
    write_atomically(large / "predictions/p", b"whole")
    write_atomically(large / "w", b"whole")
    root.mkdir()
    (root / "runs").symlink_to(large.parent)
    monkeypatch.setattr(paths, "ROOT", root)
    monkeypatch.setattr(artefacts, "ROOT", root)
    weights, predictions = (stored(root / "runs/run" / name) for name in ("w", "predictions/p"))
    assert (weights.path, predictions.path) == ("runs/run/w", "runs/run/predictions/p")
    assert paths.relative(root / "runs/../runs/run/w") == str(tmp_path / "runs/run/w"), "`..` of a link is elsewhere"
    kept, _ = keep_with_record(
        "full",
        root / "record.json",
        Scored({}, Examples(1, 1, 1), (predictions,), {}),
        root / "runs/run/w",
        large / "w",
    )
    assert kept.predictions[0].path == "record/p"


def test_a_file_that_does_not_reach_the_disk_takes_no_ones_place(files, monkeypatch):
    monkeypatch.setattr("os.fsync", refusing(errno.EIO))
    with pytest.raises(UserError, match=r"^cannot write .*last: Input/output"):
        write_atomically(files / "last", b"newer")
    assert contents(files) == {"new": "new", "last": "last"}


def test_what_a_killed_maker_left_goes(tmp_path):
    (tmp_path / ".made.x1y2/made").mkdir(parents=True)
    make_once(tmp_path / "made", lambda draft: (draft / "file").touch())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".made.lock", "made"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_folders_that_cannot_be_synced(files, monkeypatch, number):
    monkeypatch.setattr("os.fsync", refusing(number))
    sync(files)
    with pytest.raises(OSError, match=os.strerror(number)):
        sync(files / "new")


def test_a_folder_that_is_lost_when_it_is_synced(files, monkeypatch):
    monkeypatch.setattr("os.fsync", refusing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        sync(files)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_no_locks(desk, monkeypatch, number):
    """Of the run's folder, and of what is made once: neither is touched by who may not be alone."""
    monkeypatch.setattr("benchmarks.files.flock", refusing(number))
    code, out, err = desk.call("run", "imagenet", "--seeds=0", "--profile=mini", f"--data={desk.tree}")
    assert (code, "training" in out, err.count("\n")) == (2, False, 1), err
    assert err.startswith("error: cannot lock results/runs/imagenet/mini-s0-")
    assert f"{os.strerror(number)}. Without locks" in err
    with pytest.raises(UserError, match=r"^cannot lock .*made: "):
        make_once(desk.tmp / "made", Mock(side_effect=AssertionError))
