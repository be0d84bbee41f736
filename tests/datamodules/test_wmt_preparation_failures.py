"""`make data-wmt_*` interrupted, or with what is not whole."""

import shutil
import tarfile
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.preparation.wmt import prepare
from tests.datamodules import wmt_archives
from tests.datamodules.archives import assert_complete, names, proper, put, unpacked
from tests.datamodules.wmt_archives import CRAWL, EUROPARL, FILES, NAMES, TREE, packed, release_at

ARCHIVES = wmt_archives
pytestmark = pytest.mark.usefixtures("sacrebleu_folder")


@pytest.mark.parametrize("moment", range(5 + 7 + 7 + 6))
def test_an_interrupted_run_is_continued(offline, tmp_path, monkeypatch, moment):
    """Killed, with no time to clean up, half-way through each copy, of corpora, raw test sets and their texts."""
    put(tmp_path, FILES)
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
    assert proper(tmp_path).items() <= TREE.items()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path, TREE)


@pytest.mark.parametrize("move", range(6))
def test_stopped_between_the_two_sides(offline, tmp_path, monkeypatch, move):
    """A corpus's sides get their names one after another; one alone is not taken for it."""
    put(tmp_path, FILES)
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
    assert_complete(tmp_path, TREE)


def test_sides_of_different_length_are_refused(offline, tmp_path):
    prepare(put(tmp_path, FILES), offline)
    file = tmp_path / "train" / f"{CRAWL}.en"
    file.write_bytes(file.read_bytes() + b"one more\n")
    with pytest.raises(UserError, match=r"has 4 lines, but .* has 5, .* Remove .*de-en\.de and .*de-en\.en, and run"):
        prepare(str(tmp_path), offline)
    for side in ("de", "en"):
        (tmp_path / "train" / f"{CRAWL}.{side}").unlink()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path, TREE)


@pytest.mark.parametrize("left", [0, 2])
def test_a_test_set_that_is_not_whole_is_refused(offline, tmp_path, left):
    prepare(put(tmp_path, FILES), offline)
    for side in ("de", "en"):
        (tmp_path / f"newstest2014.{side}").write_bytes(b"a\n" * left)
    reason = "newstest2014 has 2 sentences; the official one has 3" if left else "is empty"
    remedy = rf"Remove .*newstest2014\.de and .*newstest2014\.en, and run `make data-wmt_transformer DATA={tmp_path}`"
    with pytest.raises(UserError, match=rf"{reason}.* {remedy}"):
        prepare(str(tmp_path), offline)


def test_a_folder_of_sacrebleu_that_cannot_be_made(offline, tmp_path, sacrebleu_folder):
    put(tmp_path, FILES)
    (sacrebleu_folder / "wmt14").touch()
    with pytest.raises(UserError, match=rf"{sacrebleu_folder}/wmt14/full/raw: Not a directory"):
        prepare(str(tmp_path), offline)


@pytest.mark.parametrize(
    ("part", "missing"),
    [(EUROPARL, f"training/{EUROPARL}.en"), ("newstest2014", "test-full/newstest2014-deen-ref.de.sgm")],
)
def test_an_archive_without_a_member_is_refused(tmp_path, sacrebleu_folder, part, missing):
    """Nothing of it is unpacked."""
    files = FILES | {NAMES[part]: packed(part, without=missing)}
    with pytest.raises(UserError, match=rf"{NAMES[part]} cannot be unpacked: it holds no {missing}\."):
        prepare(put(tmp_path, files), release_at(1, files))
    assert not [name for name in unpacked(tmp_path) if part in name]
    assert part == EUROPARL or unpacked(sacrebleu_folder / "wmt14") == {}
