"""`make data-wmt_*` cut off, offline, interrupted, without room, or with what is not whole or in its way."""

import shutil
import tarfile
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.wmt import prepare
from tests.datamodules import wmt_archives
from tests.datamodules.archives import full_disk, names, served
from tests.datamodules.wmt_archives import CRAWL, EUROPARL, NAMES, NEWS, TARS, TEXTS, assert_complete, place, texts

ARCHIVES = wmt_archives
pytestmark = pytest.mark.usefixtures("sacrebleu_folder")


@pytest.mark.parametrize("mode", ["cut", "reset"])
def test_a_download_is_continued_where_it_broke_off(server, release, tmp_path, mode):
    """Each run keeps what came, and neither a corpus nor an archive has its name before it is whole."""
    server.mode = mode
    archive, total = NAMES[EUROPARL], len(TARS[EUROPARL])
    with pytest.raises(UserError, match=rf"lacks {archive}, {NAMES[CRAWL]}; http.* cannot be fetched: ") as caught:
        prepare(str(tmp_path), release)
    assert "`make data-wmt_transformer DATA=" in str(caught.value)
    have = (tmp_path / f".{archive}.part").stat().st_size
    assert 0 < have <= total // 2
    assert not (tmp_path / archive).exists()
    assert names(tmp_path / "train") == [f"{NEWS}.de", f"{NEWS}.en"]
    server.mode = "range"
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, archive)[-1] == (f"bytes={have}-", total - have)
    assert len(served(server, NAMES[NEWS])) == 1


def test_without_a_network_what_is_missing_is_said_exactly(offline, tmp_path):
    root = tmp_path / "nowhere"
    with pytest.raises(UserError) as caught:
        prepare(str(root), offline)
    for archive in offline.archives.values():
        assert f"{archive.size}  {archive.algorithm} {archive.digest}  {archive.url}" in str(caught.value)
    for part in ("refused", "kept", f"into {root}", f"`make data-wmt_transformer DATA={root}`"):
        assert part in str(caught.value)


@pytest.mark.parametrize("moment", range(5 + 7 + 7 + 6))
def test_an_interrupted_run_is_continued(offline, tmp_path, monkeypatch, moment):
    """Killed, with no time to clean up, half-way through each copy, of corpora, raw test sets and their texts."""
    place(tmp_path)
    calls = []

    def stopping(copy):
        def stop(source, target, *rest, **more):
            calls.append(target)
            if len(calls) == moment + 1:
                target.write(source.read(20))
                raise KeyboardInterrupt
            copy(source, target, *rest, **more)

        return stop

    with monkeypatch.context() as patch:
        for module in (shutil, tarfile):
            patch.setattr(module, "copyfileobj", stopping(module.copyfileobj))
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            prepare(str(tmp_path), offline)
    proper = {name: data for name, data in texts(tmp_path).items() if "/." not in f"/{name}"}
    assert proper.items() <= TEXTS.items()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


@pytest.mark.parametrize("move", range(6))
def test_stopped_between_the_two_sides(offline, tmp_path, monkeypatch, move):
    """A corpus's sides get their names one after another; one alone is not taken for it."""
    place(tmp_path)
    rename, calls = Path.replace, []

    def stop(path, target):
        if "train" in str(target):
            calls.append(target)
            if len(calls) == move + 1:
                raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(str(tmp_path), offline)
    assert len(names(tmp_path / "train")) == move
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


def test_sides_of_different_length_are_refused(offline, tmp_path):
    place(tmp_path)
    prepare(str(tmp_path), offline)
    file = tmp_path / "train" / f"{CRAWL}.en"
    file.write_bytes(file.read_bytes() + b"one more\n")
    with pytest.raises(UserError, match=r"has 4 lines, but .* has 5, .* Remove .*de-en\.de and .*de-en\.en, and run"):
        prepare(str(tmp_path), offline)
    for side in ("de", "en"):
        (tmp_path / "train" / f"{CRAWL}.{side}").unlink()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


@pytest.mark.parametrize("left", [0, 2])
def test_a_test_set_that_is_not_whole_is_refused(offline, tmp_path, left):
    place(tmp_path)
    prepare(str(tmp_path), offline)
    for side in ("de", "en"):
        (tmp_path / f"newstest2014.{side}").write_bytes(b"a\n" * left)
    reason = "newstest2014 has 2 sentences; the official one has 3" if left else "is empty"
    remedy = rf"Remove .*newstest2014\.de and .*newstest2014\.en, and run `make data-wmt_transformer DATA={tmp_path}`"
    with pytest.raises(UserError, match=rf"{reason}.* {remedy}"):
        prepare(str(tmp_path), offline)


def test_a_full_disk_is_said_before_anything_is_written(offline, tmp_path, monkeypatch):
    place(tmp_path)
    before = names(tmp_path)
    needed = 2**30 + sum(map(len, TARS.values()))
    full_disk(monkeypatch, lambda: needed - 1)
    with pytest.raises(UserError, match=r"unpacking into .* needs 1\.1 GB"):
        prepare(str(tmp_path), offline)
    assert names(tmp_path) == before
    full_disk(monkeypatch, lambda: needed)
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


def test_a_disk_that_fills_up_on_the_way(offline, tmp_path, monkeypatch):
    place(tmp_path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "copyfileobj", fail)
        with pytest.raises(UserError, match=r"somewhere: No space left on device.*run this again"):
            prepare(str(tmp_path), offline)
    assert texts(tmp_path) == {}
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


def test_a_folder_of_sacrebleu_that_cannot_be_made(offline, tmp_path, sacrebleu_folder):
    place(tmp_path)
    (sacrebleu_folder / "wmt14").touch()
    with pytest.raises(UserError, match=rf"{sacrebleu_folder}/wmt14/full/raw: Not a directory"):
        prepare(str(tmp_path), offline)


@pytest.mark.parametrize("stray", ["", "train"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_stray_file_in_the_way_is_said_before_anything_is_fetched(server, release, tmp_path, stray, kind):
    root = tmp_path / "wmt"
    (root / stray).parent.mkdir(exist_ok=True)
    (root / stray).touch() if kind == "file" else (root / stray).symlink_to("nowhere")
    with pytest.raises(UserError, match=rf"{root / stray} is a file or a broken link, not a folder\. Move it away"):
        prepare(str(root), release)
    assert server.log == []
