"""`make data-librispeech`: what it expects, counts and leaves alone, and how it goes on once it was interrupted."""

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.layouts.librispeech import OFFICIAL, open_split
from datamodules.preparation.librispeech import RELEASE, TEXTS, prepare
from tests.datamodules import librispeech_archives
from tests.datamodules.archives import assert_complete, names, proper, put
from tests.datamodules.librispeech_archives import CHAPTERS, FILES, FOLDER, PARTS, TREE

ARCHIVES = librispeech_archives


@pytest.fixture
def ready(offline, tmp_path):
    """A folder that was prepared from archives in it."""
    prepare(put(tmp_path, FILES), offline)
    assert_complete(tmp_path, TREE)
    return tmp_path


def test_official_facts():
    order = ["dev-clean", "dev-other", "test-clean", "test-other", "train-clean-100", "train-clean-360"]
    assert list(RELEASE.archives) == [*order, "train-other-500"]
    assert RELEASE.counts == OFFICIAL
    for subset, archive in RELEASE.archives.items():
        assert (archive.name, archive.algorithm, archive.growth) == (f"{subset}.tar.gz", "sha256", 1.05)
        assert archive.url == f"http://www.openslr.org/resources/12/{subset}.tar.gz"
    sizes = ["337 MB", "314 MB", "346 MB", "328 MB", "6.3 GB", "23 GB", "30 GB"]
    assert [archive.size for archive in RELEASE.archives.values()] == sizes
    assert [archive.digest for archive in RELEASE.archives.values()] == [
        "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
        "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
        "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
        "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
        "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
        "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
        "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2",
    ]


def test_what_was_prepared_can_be_read(ready):
    assert open_split(str(ready), "dev-clean").transcripts == ("GO", "DON'T GO")


def test_a_text_of_the_users_stays(offline, tmp_path):
    theirs = {"LibriSpeech/SPEAKERS.TXT": b"theirs"}
    prepare(put(tmp_path, FILES | theirs), offline)
    assert_complete(tmp_path, TREE | theirs)


def test_the_folder_may_be_a_link(offline, tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    put(root, FILES)
    elsewhere.mkdir()
    (root / "LibriSpeech").symlink_to(elsewhere)
    prepare(str(root), offline)
    assert sorted(names(elsewhere)) == sorted([*PARTS, *TEXTS])


def test_wrong_counts_are_refused(ready, offline):
    (ready / FOLDER / "19/198/19-198-0001.flac").unlink()
    remedy = rf"Remove that folder and run `make data-librispeech DATA={ready}` again"
    with pytest.raises(
        UserError, match=rf"train-clean-100 has 1 utterances \(\*\.flac\); the release has 2\. {remedy}"
    ):
        prepare(str(ready), offline)
    shutil.rmtree(ready / FOLDER)
    prepare(str(ready), offline)
    assert_complete(ready, TREE)
    with pytest.raises(UserError, match=r"dev-clean has 2 utterances .*; the release has 2,703"):
        prepare(str(ready), replace(offline, counts=OFFICIAL))


def test_a_missing_transcript_is_refused(ready, offline):
    for each in CHAPTERS["test-other"]:
        (ready / "LibriSpeech/test-other" / each / f"{each.replace('/', '-')}.trans.txt").unlink()
    with pytest.raises(UserError, match=r"test-other lacks 2 transcripts, first 367-130732\.trans\.txt, 367-293981\."):
        prepare(str(ready), offline)


def test_strays_are_not_counted(ready, offline):
    """What other systems leave behind, and what users note down."""
    for stray in (".DS_Store", "notes.txt", "19/notes.txt", "19/198/._19-198-0000.flac", "19/198/notes.txt"):
        (ready / FOLDER / stray).touch()
    (ready / FOLDER / "19" / ".thumbnails").mkdir()
    prepare(str(ready), offline)


def test_the_folder_above_is_asked_for(ready, offline):
    with pytest.raises(
        UserError, match=r"LibriSpeech/dev-clean lies where .*/LibriSpeech/LibriSpeech/dev-clean should"
    ):
        prepare(str(ready / "LibriSpeech"), offline)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file, not a folder"):
        prepare(str(tmp_path / "file"))


@pytest.mark.parametrize("cleaned", [True, False])
@pytest.mark.parametrize("member", range(1, 3 * 5 + 3 + 6 + 3 + 1))
def test_an_interrupted_run_is_continued(offline, tmp_path, monkeypatch, member, cleaned):
    """Stopped at each file in turn, after half of its bytes; or killed, with no time to clean up."""
    put(tmp_path, FILES)
    extract, calls = tarfile.TarFile.extract, []

    def stop(tar, info, path, **options):
        calls.append(info.name) if info.isfile() else None
        if len(calls) == member:
            put(Path(path), {info.name: b"half", f"{Path(info.name).parent}/half.flac": b"half"})
            raise KeyboardInterrupt
        extract(tar, info, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", stop)
        if not cleaned:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            prepare(str(tmp_path), offline)
    ready = {subset for subset in PARTS if (tmp_path / "LibriSpeech" / subset).exists()}
    assert ready == set(list(PARTS)[: sum(member > last for last in (5 + 3, 5 + 3 + 5 + 6, 3 * 5 + 3 + 6 + 3))])
    assert proper(tmp_path).items() <= TREE.items()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path, TREE)


@pytest.mark.parametrize("move", range(len(TEXTS) + len(PARTS)))
def test_stopped_between_unpacking_and_the_proper_name(offline, tmp_path, monkeypatch, move):
    """Texts and subsets appear whole, by renaming."""
    put(tmp_path, FILES)
    rename, calls = Path.rename, []

    def stop(path, target):
        calls.append(target)
        if len(calls) == move + 1:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(str(tmp_path), offline)
    assert len(names(tmp_path / "LibriSpeech")) == move
    assert proper(tmp_path).items() <= TREE.items()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path, TREE)
