"""`make data-*` of every data set that is downloaded: what it fetches, unpacks and refuses, and what it says then."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.archives import alone_in
from tests.datamodules import coco_archives, imdb_archives, librispeech_archives, wmt_archives
from tests.datamodules.archives import assert_complete, full_disk, names, proper, put, unpacked
from tests.refusals import refusal

pytestmark = pytest.mark.usefixtures("sacrebleu_folder")

ALL = (coco_archives, imdb_archives, librispeech_archives, wmt_archives)


def called(value):
    return getattr(value, "COMMAND", value)


@pytest.fixture(params=ALL, ids=called)
def archives(request):
    return request.param


def said(archives, root):
    return "".join(f"{root}: {line}\n" for line in archives.LINES)


def test_a_new_folder_is_filled_from_the_network(archives, server, release, tmp_path, capsys):
    root = tmp_path / "new" / "data"
    archives.prepare(str(root), release)
    assert_complete(root, archives.TREE)
    assert server.log == [(name, None, len(data)) for name, data in archives.FILES.items()]
    out, err = capsys.readouterr()
    assert said(archives, root) in out
    assert out.endswith(f"{root}: all is unpacked, so {', '.join(archives.FILES)} may be deleted\n")
    assert not err  # no bars where nobody watches


def test_archives_in_place_need_no_network_and_may_go(archives, offline, tmp_path, capsys):
    archives.prepare(put(tmp_path, archives.FILES), offline)
    assert_complete(tmp_path, archives.TREE)
    for name, data in archives.FILES.items():
        assert (tmp_path / name).read_bytes() == data
        (tmp_path / name).unlink()
    capsys.readouterr()
    archives.prepare(str(tmp_path), offline)
    assert_complete(tmp_path, archives.TREE)
    assert capsys.readouterr().out == said(archives, tmp_path)


def test_two_at_once_would_take_each_others_files_away(archives, offline, tmp_path):
    put(tmp_path, archives.FILES)
    before = unpacked(tmp_path)
    with alone_in(tmp_path):
        assert f"another process is preparing {tmp_path}. Wait" in refusal(archives.prepare, str(tmp_path), offline)
    assert unpacked(tmp_path) == before
    archives.prepare(str(tmp_path), offline)
    assert_complete(tmp_path, archives.TREE)


def test_only_what_is_missing_is_fetched(archives, server, release, tmp_path):
    archives.prepare(put(tmp_path, archives.BEFORE), release)
    assert_complete(tmp_path, archives.TREE)
    order = [*archives.FILES]
    assert [name for name, *_ in server.log] == order[order.index(archives.FAULT) :]


def test_without_a_network_what_is_missing_is_said_exactly(archives, offline, tmp_path):
    root = tmp_path / "nowhere"
    message = refusal(archives.prepare, str(root), offline)
    for archive in offline.archives.values():
        assert f"{archive.size}  {archive.algorithm} {archive.digest}  {archive.url}" in message
    for part in ("refused", "kept", f"into {root}", f"`make {archives.COMMAND} DATA={root}`"):
        assert part in message


def test_what_was_packed_broken_is_refused(archives, tmp_path):
    """Right checksum, but what was packed was cut already: nothing of it is seen, what went before stays."""
    whole = archives.FILES[archives.FAULT]
    files = archives.FILES | {archives.FAULT: whole[: len(whole) // 2]}
    with pytest.raises(UserError, match=rf"{archives.FAULT} cannot be unpacked: .*\. Download it again from http"):
        archives.prepare(put(tmp_path, files), archives.release_at(1, files))
    assert unpacked(tmp_path) == archives.BEFORE
    archives.prepare(put(tmp_path, archives.FILES), archives.release_at(1))
    assert_complete(tmp_path, archives.TREE)


@pytest.mark.parametrize(("archives", "way"), [(each, way) for each in ALL for way in each.HOSTILE], ids=called)
def test_a_hostile_archive_stays_in_its_folder(archives, way, tmp_path):
    """What is good stands before it in the archive, and is not seen either."""
    root = tmp_path / "a" / "b" / "c"
    files = archives.FILES | {archives.FAULT: archives.hostile(way)}
    with pytest.raises(UserError, match=rf"{archives.FAULT} holds '.*', which is no plain file.*Download it again"):
        archives.prepare(put(root, files), archives.release_at(1, files))
    assert not list(tmp_path.glob("**/*escaped*"))
    assert not list(Path("/tmp").glob("escaped*"))
    assert unpacked(root) == archives.BEFORE


def test_a_disk_that_fills_up_on_the_way(archives, offline, tmp_path, monkeypatch):
    put(tmp_path, archives.FILES)

    def fail(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        for kind in (tarfile.TarFile, zipfile.ZipFile):
            patch.setattr(kind, "extract", fail)
        with pytest.raises(UserError, match=r"somewhere: No space left on device.*run this again"):
            archives.prepare(str(tmp_path), offline)
    assert proper(tmp_path).items() <= archives.TREE.items()
    archives.prepare(str(tmp_path), offline)
    assert_complete(tmp_path, archives.TREE)


@pytest.mark.parametrize("source", ["archives", "network"])
def test_the_room_needed_is_looked_for_first(archives, server, release, tmp_path, monkeypatch, source):
    """Exactly enough for what archives grow to (and for themselves, where fetched, one by one); then a byte less."""
    sizes = [(len(archives.FILES[each.name]), each.growth) for each in release.archives.values()]
    if source == "archives":
        put(tmp_path, archives.FILES)
        needed = sum(int(size * growth) for size, growth in sizes)
    else:
        needed = max(size + int(size * growth) for size, growth in sizes)
    before = names(tmp_path)
    full_disk(monkeypatch, lambda: 2**30 + needed - 1)
    with pytest.raises(UserError, match=r"unpacking into .* needs 1\.1 GB, but 1\.1 GB are free"):
        archives.prepare(str(tmp_path), release)
    assert source == "network" or names(tmp_path) == before
    full_disk(monkeypatch, lambda: 2**30 + needed)
    archives.prepare(str(tmp_path), release)
    assert_complete(tmp_path, archives.TREE)


@pytest.mark.parametrize("source", ["archives", "network"])
def test_what_a_killed_run_left_makes_room_first(archives, server, release, tmp_path, monkeypatch, source):
    if source == "archives":
        put(tmp_path, archives.FILES)
    left = tmp_path / archives.LEFT
    left.mkdir(parents=True)
    full_disk(monkeypatch, lambda: 10**6 if left.exists() else 10**12)
    archives.prepare(str(tmp_path), release)
    assert_complete(tmp_path, archives.TREE)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_in_a_parts_place_is_said_before_anything_is_fetched(archives, server, release, tmp_path, kind):
    for number, stray in enumerate(archives.STRAYS):
        root = tmp_path / str(number)
        (root / stray).parent.mkdir(parents=True, exist_ok=True)
        (root / stray).touch() if kind == "file" else (root / stray).symlink_to("nowhere")
        with pytest.raises(UserError, match=rf"{root / stray} is a file or a broken link, not a folder\. Move it away"):
            archives.prepare(str(root), release)
    assert server.log == []


def test_a_hub_is_no_folder(archives):
    assert archives.HUB in refusal(archives.prepare, archives.HUB.partition(" ")[0].removesuffix(":"))
