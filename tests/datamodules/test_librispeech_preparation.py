"""`make data-librispeech` against a real HTTP server and small real archives: whole, cut, offline, damaged, hostile."""

import gzip
import hashlib
import io
import random
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.errors import UserError
from datamodules.layouts.librispeech import OFFICIAL, open_split
from datamodules.preparation.downloads import Archive
from datamodules.preparation.librispeech import TEXTS, Release, prepare
from tests.datamodules.archives import full_disk, names, served, serving, tar_of

CHAPTERS = {"dev-clean": ["84/121123"], "test-other": ["367/130732", "367/293981"], "train-clean-100": ["19/198"]}
UTTERANCES = {"dev-clean": 2, "test-other": 4, "train-clean-100": 2}
TRAIN, FOLDER = "train-clean-100.tar.gz", "LibriSpeech/train-clean-100"


def chapter(subset, folder):
    """Two utterances and their transcripts, as paths and bytes."""
    name = folder.replace("/", "-")
    size = 100_000 if subset == "train-clean-100" else 5_000
    path = f"LibriSpeech/{subset}/{folder}/{name}"
    sounds = {f"{path}-{number:04}.flac": random.Random(f"{name}{number}").randbytes(size) for number in (0, 1)}
    return {**sounds, f"{path}.trans.txt": f"{name}-0000 GO\n{name}-0001 DON'T GO\n".encode()}


PARTS = {subset: {k: v for each in CHAPTERS[subset] for k, v in chapter(subset, each).items()} for subset in CHAPTERS}
LETTERS = {f"LibriSpeech/{text}": text.lower().encode() for text in TEXTS}
TREE = {**LETTERS, **PARTS["dev-clean"], **PARTS["test-other"], **PARTS["train-clean-100"]}


def directory(name):
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info


def packed(subset, *more):
    """The archive of a subset, with further members at its end."""
    folders = dict.fromkeys(str(parent) for name in PARTS[subset] for parent in reversed(Path(name).parents[:-1]))
    members = [*LETTERS.items(), *((directory(name), b"") for name in folders), *PARTS[subset].items()]
    return tar_of([*members, *more], "w:gz")


TARS = {subset: packed(subset) for subset in PARTS}


def release_at(port, tars=TARS):
    """What the server has, or would have."""
    archives = {
        subset: Archive(
            f"{subset}.tar.gz",
            f"http://127.0.0.1:{port}/12/{subset}.tar.gz",
            "sha256",
            hashlib.sha256(data).hexdigest(),
            f"{len(data)} B",
            1.05,
        )
        for subset, data in tars.items()
    }
    return Release(archives, UTTERANCES)


@pytest.fixture
def server(monkeypatch):
    """A server of the three archives, on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({f"{subset}.tar.gz": data for subset, data in TARS.items()}, TRAIN) as running:
        yield running


def place(root, tars=TARS):
    """Puts the archives into `root`, as a user does."""
    root.mkdir(parents=True, exist_ok=True)
    for subset, data in tars.items():
        (root / f"{subset}.tar.gz").write_bytes(data)


def tree(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob("LibriSpeech/**/*") if path.is_file()
    }


def assert_complete(root):
    assert tree(root) == TREE
    assert [path for path in root.glob("**/*") if path.name.startswith(".")] == []
    assert open_split(str(root), "dev-clean").transcripts == ("GO", "DON'T GO")


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


def test_a_partial_download_is_continued(server, release, tmp_path):
    (tmp_path / f".{TRAIN}.part").write_bytes(TARS["train-clean-100"][:123_456])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, TRAIN) == [("bytes=123456-", len(TARS["train-clean-100"]) - 123_456)]


def test_a_server_without_ranges_sends_it_all_again(server, release, tmp_path):
    server.mode = "whole"
    (tmp_path / f".{TRAIN}.part").write_bytes(TARS["train-clean-100"][:123_456])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, TRAIN) == [("bytes=123456-", len(TARS["train-clean-100"]))]


def test_a_connection_cut_again_and_again(server, release, tmp_path):
    """Each run keeps what came: half of the rest."""
    server.mode = "cut"
    total, have = len(TARS["train-clean-100"]), 0
    for _ in range(3):
        have += (total - have) // 2
        reason = f"the connection ended after {have:,} of {total:,} bytes"
        with pytest.raises(UserError, match=rf"lacks {TRAIN}; http.* cannot be fetched: {reason}"):
            prepare(str(tmp_path), release)
        assert (tmp_path / f".{TRAIN}.part").stat().st_size == have
        assert not (tmp_path / TRAIN).exists()
        assert not (tmp_path / FOLDER).exists()
    server.mode = "range"
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, TRAIN)[-1] == (f"bytes={have}-", total - have)
    assert sum(count for _, count in served(server, TRAIN)) == total
    assert len(served(server, "test-other.tar.gz")) == 1


def test_without_a_network_what_is_missing_is_said_exactly(offline, tmp_path):
    root = tmp_path / "nowhere"
    with pytest.raises(UserError) as caught:
        prepare(str(root), offline)
    for archive in offline.archives.values():
        assert f"{archive.size}  sha256 {archive.digest}  {archive.url}" in str(caught.value)
    for part in ("refused", "kept", f"into {root}", f"`make data-librispeech DATA={root}`"):
        assert part in str(caught.value)


def test_without_a_network_what_is_there_is_unpacked(offline, tmp_path):
    place(tmp_path, {"test-other": TARS["test-other"]})
    with pytest.raises(UserError, match=r"lacks dev-clean\.tar\.gz, train-clean-100\.tar\.gz; ") as caught:
        prepare(str(tmp_path), offline)
    assert offline.archives["test-other"].digest not in str(caught.value)
    assert tree(tmp_path) == {**LETTERS, **PARTS["test-other"]}


def test_a_wrong_download_is_removed(server, release, tmp_path):
    server.files[TRAIN] = bytes(1000)
    found, expected = hashlib.sha256(bytes(1000)).hexdigest(), release.archives["train-clean-100"].digest
    with pytest.raises(UserError, match=rf"its SHA-256 is {found}, expected {expected}\. It was removed; run this"):
        prepare(str(tmp_path), release)
    assert [name for name in names(tmp_path) if "train" in name] == []
    server.files[TRAIN] = TARS["train-clean-100"]
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)


@pytest.mark.parametrize("change", [lambda data: data[:-600], lambda data: data[:700] + b"?" + data[701:]])
def test_a_damaged_archive_unpacks_nothing(offline, tmp_path, change):
    damaged = change(TARS["train-clean-100"])
    place(tmp_path, {**TARS, "train-clean-100": damaged})
    before, found = names(tmp_path), hashlib.sha256(damaged).hexdigest()
    expected = offline.archives["train-clean-100"].digest
    with pytest.raises(UserError, match=rf"{TRAIN} .*its SHA-256 is {found}, expected {expected}\. Remove it and run"):
        prepare(str(tmp_path), offline)
    assert names(tmp_path) == before


BROKEN = {
    "cut": (lambda data: data[: len(data) // 2], "Compressed file ended before the end-of-stream marker"),
    "cut at the very end": (lambda data: data[:-6], "Compressed file ended before the end-of-stream marker"),
    "wrong sum": (lambda data: data[:-8] + bytes(4) + data[-4:], "CRC check failed"),
    "garbage": (lambda data: data[:70_000] + b"?" * 70_000 + data[140_000:], "while decompressing"),
    "no gzip": (gzip.decompress, "Not a gzipped file"),
    "no tar": (lambda _: gzip.compress(b"?" * 5_000), "invalid header"),
    "half a tar": (lambda data: gzip.compress(gzip.decompress(data)[:60_000]), "unexpected end of data"),
    "empty": (lambda _: tar_of([], "w:gz"), "it holds no LibriSpeech/train-clean-100"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_what_was_packed_broken_is_refused(tmp_path, way):
    """Right checksum, but what was packed was broken already: nothing of it is seen, what went before stays."""
    change, reason = BROKEN[way]
    tars = {**TARS, "train-clean-100": change(TARS["train-clean-100"])}
    place(tmp_path, tars)
    with pytest.raises(UserError, match=rf"{TRAIN} cannot be unpacked: .*{reason}.*\. Download it again from http"):
        prepare(str(tmp_path), release_at(1, tars))
    assert tree(tmp_path) == {**LETTERS, **PARTS["dev-clean"], **PARTS["test-other"]}
    assert sorted(names(tmp_path / "LibriSpeech")) == sorted(["dev-clean", "test-other", *TEXTS])


@pytest.mark.parametrize("cleaned", [True, False])
@pytest.mark.parametrize("member", range(1, 3 * 5 + 3 + 6 + 3 + 1))
def test_an_interrupted_run_is_continued(offline, tmp_path, monkeypatch, member, cleaned):
    """Stopped at each file in turn, after half of its bytes; or killed, with no time to clean up."""
    place(tmp_path)
    extract, calls = tarfile.TarFile.extract, []

    def stop(tar, info, path, **options):
        calls.append(info.name) if info.isfile() else None
        if len(calls) == member:
            (Path(path) / info.name).parent.mkdir(parents=True, exist_ok=True)
            (Path(path) / info.name).write_bytes(b"half")
            (Path(path) / info.name).with_name("half.flac").write_bytes(b"half")
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
    proper = {name: data for name, data in tree(tmp_path).items() if "/." not in name}
    assert proper.items() <= TREE.items()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


@pytest.mark.parametrize("move", range(len(TEXTS) + len(PARTS)))
def test_stopped_between_unpacking_and_the_proper_name(offline, tmp_path, monkeypatch, move):
    """Texts and subsets appear whole, by renaming."""
    place(tmp_path)
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
    assert tree(tmp_path).items() <= TREE.items()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


def typed(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE = {
    "parent": "../escaped.flac",
    "absolute": "/tmp/escaped.flac",
    "absolute here": f"/{FOLDER}/escaped.flac",
    "through": f"{FOLDER}/../../escaped.flac",
    "through, inside": f"{FOLDER}/19/../escaped.flac",
    "elsewhere": "escaped/escaped.flac",
    "beside": "escaped.flac",
    "top": "LibriSpeech/escaped.flac",
    "other subset": "LibriSpeech/dev-clean/escaped/1/escaped.flac",
    "in its place": FOLDER,
    "folder elsewhere": directory("escaped"),
    "folder through": directory(f"{FOLDER}/../../../escaped"),
    "symbolic": typed(f"{FOLDER}/escaped.flac", tarfile.SYMTYPE, "19"),
    "symbolic text": typed("LibriSpeech/README.TXT", tarfile.SYMTYPE, "/etc/passwd"),
    "hard": typed(f"{FOLDER}/escaped.flac", tarfile.LNKTYPE, f"{FOLDER}/19/198/19-198-0000.flac"),
    "pipe": typed(f"{FOLDER}/escaped.flac", tarfile.FIFOTYPE),
    "device": typed(f"{FOLDER}/escaped.flac", tarfile.CHRTYPE),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_a_hostile_archive_stays_in_its_folder(tmp_path, way):
    """What is good stands before it in the archive, and is not seen either."""
    root = tmp_path / "a" / "b" / "c"
    data = b"../../escaped.flac" if isinstance(HOSTILE[way], str) else b""
    tars = {**TARS, "train-clean-100": packed("train-clean-100", (HOSTILE[way], data))}
    place(root, tars)
    with pytest.raises(UserError, match=rf"{TRAIN} holds '.*', which is no plain file.*Download it again from http"):
        prepare(str(root), release_at(1, tars))
    assert not list(tmp_path.glob("**/*escaped*"))
    assert not Path("/tmp/escaped.flac").exists()
    assert sorted(names(root / "LibriSpeech")) == sorted(["dev-clean", "test-other", *TEXTS])
    assert tree(root) == {**LETTERS, **PARTS["dev-clean"], **PARTS["test-other"]}


def test_modes_and_owners_of_the_archive_do_not_matter(tmp_path):
    """A file that nobody may read and a folder that nobody may enter."""
    file, folder = tarfile.TarInfo(f"{FOLDER}/19/198/19-198-0002.flac"), directory(f"./{FOLDER}/19/199/")
    file.mode, folder.mode, file.uid = 0, 0, 12_345
    tars = {**TARS, "train-clean-100": packed("train-clean-100", (file, b"sound"), (folder, b""))}
    place(tmp_path, tars)
    release = replace(release_at(1, tars), utterances={**UTTERANCES, "train-clean-100": 3})
    with pytest.raises(UserError, match=r"train-clean-100 lacks 1 transcripts, first 19-199\.trans\.txt\. Remove"):
        prepare(str(tmp_path), release)
    assert (tmp_path / file.name).read_bytes() == b"sound"
    assert (tmp_path / file.name).stat().st_mode & 0o600 == 0o600
    assert (tmp_path / FOLDER / "19" / "199").stat().st_mode & 0o700 == 0o700


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


@pytest.mark.parametrize("source", ["archives", "network"])
def test_a_full_disk_is_said_before_anything_is_written(server, release, tmp_path, monkeypatch, source):
    if source == "archives":
        place(tmp_path)
    before = names(tmp_path)
    full_disk(monkeypatch)
    with pytest.raises(UserError, match=r"unpacking into .* needs 1\.1 GB, but 0\.0 GB are free"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == before


@pytest.mark.parametrize("source", ["archives", "network"])
def test_the_room_needed_is_a_little_more_than_the_archives(server, release, tmp_path, monkeypatch, source):
    """Exactly enough for 5 % more than the archives (and themselves, where fetched, one by one), then a byte less."""
    if source == "archives":
        place(tmp_path)
        needed = sum(int(1.05 * len(data)) for data in TARS.values())
    else:
        needed = max(len(data) + int(1.05 * len(data)) for data in TARS.values())
    full_disk(monkeypatch, lambda: 2**30 + needed - 1)
    with pytest.raises(UserError, match="are free"):
        prepare(str(tmp_path), release)
    full_disk(monkeypatch, lambda: 2**30 + needed)
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)


def test_what_a_killed_run_left_makes_room_first(offline, tmp_path, monkeypatch):
    place(tmp_path)
    left = tmp_path / "LibriSpeech" / ".train-clean-100.unpacking"
    (left / FOLDER).mkdir(parents=True)
    full_disk(monkeypatch, lambda: 10**6 if left.exists() else 10**12)
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


def test_a_disk_that_fills_up_on_the_way(offline, tmp_path, monkeypatch):
    place(tmp_path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", fail)
        with pytest.raises(UserError, match=r"somewhere: No space left on device.*run this again"):
            prepare(str(tmp_path), offline)
    assert names(tmp_path / "LibriSpeech") == []
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)


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
