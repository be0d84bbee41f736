"""`make data-librispeech`: what it fetches and unpacks, what it leaves alone, and what it counts."""

import io
import shutil
from dataclasses import replace

import pytest

from benchmarks.errors import UserError
from datamodules.layouts.librispeech import OFFICIAL
from datamodules.preparation.librispeech import TEXTS, Release, prepare
from tests.datamodules import librispeech_archives
from tests.datamodules.archives import names
from tests.datamodules.librispeech_archives import (
    CHAPTERS,
    FOLDER,
    PARTS,
    TARS,
    TRAIN,
    TREE,
    UTTERANCES,
    assert_complete,
    place,
    tree,
)

ARCHIVES = librispeech_archives


def test_official_facts():
    release = Release()
    order = ["dev-clean", "dev-other", "test-clean", "test-other", "train-clean-100", "train-clean-360"]
    assert list(release.archives) == [*order, "train-other-500"]
    assert release.utterances == OFFICIAL
    for subset, archive in release.archives.items():
        assert (archive.name, archive.algorithm, archive.growth) == (f"{subset}.tar.gz", "sha256", 1.05)
        assert archive.url == f"http://www.openslr.org/resources/12/{subset}.tar.gz"
    sizes = ["337 MB", "314 MB", "346 MB", "328 MB", "6.3 GB", "23 GB", "30 GB"]
    assert [archive.size for archive in release.archives.values()] == sizes
    assert [archive.digest for archive in release.archives.values()] == [
        "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
        "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
        "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
        "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
        "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
        "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf",
        "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2",
    ]


def test_a_new_folder_is_filled_from_the_network(server, release, tmp_path, capsys):
    root = tmp_path / "new" / "speech"
    prepare(str(root), release)
    assert_complete(root)
    assert server.log == [(f"{subset}.tar.gz", None, len(data)) for subset, data in TARS.items()]
    out, err = capsys.readouterr()
    lines = [f"{root}: {subset} is complete, {count} utterances\n" for subset, count in UTTERANCES.items()]
    assert "".join(lines) in out
    assert "dev-clean.tar.gz, test-other.tar.gz, train-clean-100.tar.gz may be deleted" in out
    assert not err  # no bars where nobody watches


def test_archives_in_place_need_no_network_and_may_go(offline, tmp_path, capsys):
    place(tmp_path)
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    for subset, data in TARS.items():
        assert (tmp_path / f"{subset}.tar.gz").read_bytes() == data
        (tmp_path / f"{subset}.tar.gz").unlink()
    capsys.readouterr()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    lines = [f"{tmp_path}: {subset} is complete, {count} utterances\n" for subset, count in UTTERANCES.items()]
    assert capsys.readouterr().out == "".join(lines)


def test_only_what_is_missing_is_fetched(server, release, tmp_path):
    place(tmp_path, {"test-other": TARS["test-other"]})
    for name, data in PARTS["dev-clean"].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert [name for name, _, _ in server.log] == [TRAIN]


def test_a_text_of_the_users_stays(offline, tmp_path):
    place(tmp_path)
    theirs = tmp_path / "LibriSpeech" / "SPEAKERS.TXT"
    theirs.parent.mkdir()
    theirs.write_bytes(b"theirs")
    prepare(str(tmp_path), offline)
    assert tree(tmp_path) == {**TREE, "LibriSpeech/SPEAKERS.TXT": b"theirs"}


def test_the_folder_may_be_a_link(offline, tmp_path):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    place(root)
    elsewhere.mkdir()
    (root / "LibriSpeech").symlink_to(elsewhere)
    prepare(str(root), offline)
    assert sorted(names(elsewhere)) == sorted([*PARTS, *TEXTS])


def test_wrong_counts_are_refused(offline, tmp_path):
    place(tmp_path)
    prepare(str(tmp_path), offline)
    sound = tmp_path / FOLDER / "19" / "198" / "19-198-0001.flac"
    sound.unlink()
    remedy = rf"Remove that folder and run `make data-librispeech DATA={tmp_path}` again"
    with pytest.raises(
        UserError, match=rf"train-clean-100 has 1 utterances \(\*\.flac\); the release has 2\. {remedy}"
    ):
        prepare(str(tmp_path), offline)
    shutil.rmtree(tmp_path / FOLDER)
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    with pytest.raises(UserError, match=r"dev-clean has 2 utterances .*; the release has 2,703"):
        prepare(str(tmp_path), replace(offline, utterances=OFFICIAL))


def test_a_missing_transcript_is_refused(offline, tmp_path):
    place(tmp_path)
    prepare(str(tmp_path), offline)
    for each in CHAPTERS["test-other"]:
        (tmp_path / "LibriSpeech/test-other" / each / f"{each.replace('/', '-')}.trans.txt").unlink()
    with pytest.raises(UserError, match=r"test-other lacks 2 transcripts, first 367-130732\.trans\.txt, 367-293981\."):
        prepare(str(tmp_path), offline)


def test_strays_are_not_counted(offline, tmp_path):
    """What other systems leave behind, and what users note down."""
    place(tmp_path)
    prepare(str(tmp_path), offline)
    folder = tmp_path / FOLDER
    for stray in (".DS_Store", "notes.txt", "19/notes.txt", "19/198/._19-198-0000.flac", "19/198/notes.txt"):
        (folder / stray).touch()
    (folder / "19" / ".thumbnails").mkdir()
    prepare(str(tmp_path), offline)


def test_the_bar_counts_compressed_bytes(offline, tmp_path, monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    place(tmp_path)
    prepare(str(tmp_path), offline)
    last = screen.getvalue().rpartition("unpacking train-clean-100.tar.gz:")[2]
    assert len(TARS["train-clean-100"]) == pytest.approx(201_000, abs=500)
    assert last.startswith(" 100%")
    assert "201k/201k" in last


@pytest.mark.parametrize("place_of", ["LibriSpeech", "LibriSpeech/test-other", "LibriSpeech/train-clean-100"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_stray_file_in_the_way_is_said_before_anything_is_fetched(server, release, tmp_path, place_of, kind):
    stray = tmp_path / place_of
    stray.parent.mkdir(exist_ok=True)
    stray.touch() if kind == "file" else stray.symlink_to("nowhere")
    with pytest.raises(UserError, match=rf"{place_of} is a file or a broken link, not a folder\. Move it away"):
        prepare(str(tmp_path), release)
    assert server.log == []


def test_the_folder_above_is_asked_for(server, release, tmp_path):
    place(tmp_path)
    prepare(str(tmp_path), release)
    with pytest.raises(
        UserError, match=r"LibriSpeech/dev-clean lies where .*/LibriSpeech/LibriSpeech/dev-clean should"
    ):
        prepare(str(tmp_path / "LibriSpeech"), release)
    assert server.log == []


def test_a_hub_is_no_folder():
    with pytest.raises(
        UserError, match=r"hf:openslr/librispeech_asr: LibriSpeech is read from folders only\. Set DATA"
    ):
        prepare("hf:openslr/librispeech_asr")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file, not a folder"):
        prepare(str(tmp_path / "file"))
