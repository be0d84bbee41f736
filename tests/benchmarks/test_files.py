"""File systems that lack hard links."""

import errno
import os
from unittest.mock import Mock

import pytest

from benchmarks.errors import UserError
from benchmarks.files import give_name
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
