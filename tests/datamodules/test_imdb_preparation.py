"""`make data-imdb` against a real HTTP server and small real archives: whole, cut, offline, damaged, hostile."""

import gzip
import hashlib
import io
import random
import shutil
import tarfile
from pathlib import Path

import datasets
import pytest

from benchmarks.errors import UserError
from datamodules.layouts.imdb import OFFICIAL, open_reviews
from datamodules.preparation.downloads import Archive
from datamodules.preparation.imdb import Release, prepare
from tests.datamodules.archives import full_disk, names, served, serving, tar_of

NAME = "aclImdb_v1.tar.gz"
COUNTS = {"train": 4, "test": 4, "unsupervised": 3}
LINES = [f"{split} is complete, {count} reviews" for split, count in COUNTS.items()]


def review(name):
    """Text that hardly packs."""
    return random.Random(name).randbytes(3_000).hex().encode()


REVIEWS = [
    f"aclImdb/{split}/{kind}/{number}_{stars}.txt"
    for split, kind, stars, count in (
        ("test", "neg", 2, 2), ("test", "pos", 10, 2), ("train", "neg", 4, 2), ("train", "pos", 7, 2),
        ("train", "unsup", 0, 3),
    )
    for number in range(count)
]  # fmt: skip
OTHERS = ["README", "imdb.vocab", "imdbEr.txt", "test/labeledBow.feat", "train/unsupBow.feat", "train/urls_unsup.txt"]
TREE = {name: review(name) for name in (*(f"aclImdb/{other}" for other in OTHERS), *REVIEWS)}


def directory(name):
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info


def packed(*more):
    """The archive, with further members at its end."""
    folders = dict.fromkeys(str(parent) for name in TREE for parent in reversed(Path(name).parents[:-1]))
    return tar_of([*((directory(name), b"") for name in folders), *TREE.items(), *more], "w:gz")


TAR = packed()


def release_at(port, tar=TAR):
    """What the server has, or would have."""
    url = f"http://127.0.0.1:{port}/~amaas/{NAME}"
    return Release(Archive(NAME, url, "md5", hashlib.md5(tar).hexdigest(), f"{len(tar)} B", 6.0), COUNTS)


@pytest.fixture
def server(monkeypatch):
    """A server of the archive, on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({NAME: TAR}, NAME) as running:
        yield running


def place(root, tar=TAR):
    """Puts the archive into `root`, as a user does."""
    root.mkdir(parents=True, exist_ok=True)
    (root / NAME).write_bytes(tar)
    return str(root)


def tree(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob("aclImdb/**/*") if path.is_file()
    }


def assert_complete(root):
    assert tree(root) == TREE
    assert [path for path in root.glob("**/*") if path.name.startswith(".")] == []
    found = open_reviews(str(root), "test")
    assert [found.text(i).encode() for i in range(4)] == [TREE[name] for name in REVIEWS[:4]]


def test_official_facts():
    release = Release()
    archive = release.archive
    assert release.reviews == OFFICIAL == {"train": 25_000, "test": 25_000, "unsupervised": 50_000}
    assert archive.url == "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
    assert (archive.name, archive.algorithm, archive.size, archive.growth) == (NAME, "md5", "84 MB", 6.0)
    assert archive.digest == "7c2ac02c03563afcf9b574c7e56c153a"


def test_a_new_folder_is_filled_from_the_network(server, release, tmp_path, capsys):
    root = tmp_path / "new" / "imdb"
    prepare(str(root), release)
    assert_complete(root)
    assert server.log == [(NAME, None, len(TAR))]
    out, err = capsys.readouterr()
    assert "".join(f"{root}: {line}\n" for line in LINES) in out
    assert f"{NAME} may be deleted" in out
    assert not err  # no bars where nobody watches


def test_the_archive_in_place_needs_no_network_and_may_go(offline, tmp_path, capsys):
    prepare(place(tmp_path), offline)
    assert_complete(tmp_path)
    assert (tmp_path / NAME).read_bytes() == TAR
    (tmp_path / NAME).unlink()
    capsys.readouterr()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    assert capsys.readouterr().out == "".join(f"{tmp_path}: {line}\n" for line in LINES)


def test_the_tree_itself_is_only_counted(offline, tmp_path, capsys):
    prepare(place(tmp_path), offline)
    capsys.readouterr()
    prepare(str(tmp_path / "aclImdb"), offline)
    assert_complete(tmp_path)
    assert capsys.readouterr().out == "".join(f"{tmp_path}/aclImdb: {line}\n" for line in LINES)


def shards(root, splits, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", root.parent / "cache")
    for split in splits:
        labels = [-1] * 3 if split == "unsupervised" else [0, 0, 1, 1]
        rows = datasets.Dataset.from_dict({"text": ["x"] * len(labels), "label": labels})
        rows.to_parquet(root / f"plain_text/{split}-00000-of-00001.parquet")


def test_parquet_is_only_counted_and_stays_the_only_form(offline, tmp_path, monkeypatch, capsys):
    root = tmp_path / "hub"
    place(root)
    shards(root, ["test", "train"], monkeypatch)
    with pytest.raises(UserError, match=rf"(?s){root} has no unsupervised .*Remove the Parquet shards and run `make"):
        prepare(str(root), offline)
    shards(root, COUNTS, monkeypatch)
    capsys.readouterr()
    prepare(str(root), offline)
    assert "".join(f"{root}: {line}\n" for line in LINES) in capsys.readouterr().out
    assert not (root / "aclImdb").exists()


def test_a_partial_download_is_continued(server, release, tmp_path):
    (tmp_path / f".{NAME}.part").write_bytes(TAR[:12_345])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert served(server, NAME) == [("bytes=12345-", len(TAR) - 12_345)]


def test_a_connection_cut_and_mended(server, release, tmp_path):
    server.mode = "cut"
    reason = f"the connection ended after {len(TAR) // 2:,} of {len(TAR):,} bytes"
    with pytest.raises(UserError, match=rf"lacks {NAME}; http.* cannot be fetched: {reason}"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == [f".{NAME}.part"]
    server.mode = "range"
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert sum(count for _, count in served(server, NAME)) == len(TAR)


def test_without_a_network_what_is_missing_is_said_exactly(offline, tmp_path):
    root, archive = tmp_path / "nowhere", offline.archive
    with pytest.raises(UserError) as caught:
        prepare(str(root), offline)
    for part in (f"{archive.size}  md5 {archive.digest}  {archive.url}", "refused", f"`make data-imdb DATA={root}`"):
        assert part in str(caught.value)


def test_a_wrong_download_is_removed(server, release, tmp_path):
    server.files[NAME] = bytes(1000)
    found, expected = hashlib.md5(bytes(1000)).hexdigest(), release.archive.digest
    with pytest.raises(UserError, match=rf"its MD5 is {found}, expected {expected}\. It was removed; run this"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == []


@pytest.mark.parametrize("change", [lambda data: data[:-600], lambda data: data[:700] + b"?" + data[701:]])
def test_a_damaged_archive_unpacks_nothing(offline, tmp_path, change):
    root, found = place(tmp_path, change(TAR)), hashlib.md5(change(TAR)).hexdigest()
    with pytest.raises(UserError, match=rf"{NAME} .*its MD5 is {found}, expected .*\. Remove it and run this again"):
        prepare(root, offline)
    assert names(tmp_path) == [NAME]


BROKEN = {
    "cut": (lambda data: data[: len(data) // 2], "Compressed file ended before the end-of-stream marker"),
    "cut at the very end": (lambda data: data[:-6], "Compressed file ended before the end-of-stream marker"),
    "wrong sum": (lambda data: data[:-8] + bytes(4) + data[-4:], "CRC check failed"),
    "no gzip": (gzip.decompress, "Not a gzipped file"),
    "no tar": (lambda _: gzip.compress(b"?" * 5_000), "invalid header"),
    "half a tar": (lambda data: gzip.compress(gzip.decompress(data)[:60_000]), "unexpected end of data"),
    "empty": (lambda _: tar_of([], "w:gz"), "it holds no aclImdb"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_what_was_packed_broken_is_refused(tmp_path, way):
    """Right checksum, but what was packed was broken already: nothing of it is seen."""
    change, reason = BROKEN[way]
    root = place(tmp_path, change(TAR))
    with pytest.raises(UserError, match=rf"{NAME} cannot be unpacked: .*{reason}.*\. Download it again from http"):
        prepare(root, release_at(1, change(TAR)))
    assert names(tmp_path) == [NAME]


@pytest.mark.parametrize("cleaned", [True, False])
@pytest.mark.parametrize("member", [1, 7, len(TREE)])
def test_an_interrupted_run_is_started_again(offline, tmp_path, monkeypatch, member, cleaned):
    """Stopped within a file; or killed, with no time to clean up."""
    root, calls, extract = place(tmp_path), [], tarfile.TarFile.extract

    def stop(tar, info, path, **options):
        calls.append(info.name) if info.isfile() else None
        if len(calls) == member:
            (Path(path) / "aclImdb/train/pos").mkdir(parents=True, exist_ok=True)
            (Path(path) / "aclImdb/train/pos/99_9.txt").write_bytes(b"half")
            raise KeyboardInterrupt
        extract(tar, info, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", stop)
        if not cleaned:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            prepare(root, offline)
    assert names(tmp_path) == ([NAME] if cleaned else [".aclImdb.unpacking", NAME])
    prepare(root, offline)
    assert_complete(tmp_path)


def typed(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE = {
    "parent": "../escaped.txt",
    "absolute": "/tmp/escaped.txt",
    "absolute here": "/aclImdb/escaped.txt",
    "through": "aclImdb/../../escaped.txt",
    "through, inside": "aclImdb/test/../escaped.txt",
    "elsewhere": "escaped/escaped.txt",
    "beside": "escaped.txt",
    "in its place": "aclImdb",
    "folder elsewhere": directory("escaped"),
    "folder through": directory("aclImdb/../escaped"),
    "symbolic": typed("aclImdb/test/escaped", tarfile.SYMTYPE, "pos"),
    "hard": typed("aclImdb/test/pos/escaped_9.txt", tarfile.LNKTYPE, "aclImdb/test/pos/0_10.txt"),
    "pipe": typed("aclImdb/escaped", tarfile.FIFOTYPE),
    "device": typed("aclImdb/escaped", tarfile.CHRTYPE),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_a_hostile_archive_stays_in_its_folder(tmp_path, way):
    """What is good stands before it in the archive, and is not seen either."""
    root = tmp_path / "a" / "b"
    tar = packed((HOSTILE[way], b"../../escaped" if isinstance(HOSTILE[way], str) else b""))
    with pytest.raises(UserError, match=rf"{NAME} holds '.*', which is no plain file.*Download it again from http"):
        prepare(place(root, tar), release_at(1, tar))
    assert not list(tmp_path.glob("**/*escaped*"))
    assert not Path("/tmp/escaped.txt").exists()
    assert names(root) == [NAME]


def test_modes_and_owners_of_the_archive_do_not_matter(tmp_path):
    """A file that nobody may read and a folder that nobody may enter."""
    file, folder = tarfile.TarInfo("./aclImdb/train/notes"), directory("aclImdb/train/closed")
    file.mode, folder.mode, file.uid = 0, 0, 12_345
    tar = packed((file, b"x"), (folder, b""))
    prepare(place(tmp_path, tar), release_at(1, tar))
    assert (tmp_path / "aclImdb/train/notes").stat().st_mode & 0o600 == 0o600
    assert (tmp_path / "aclImdb/train/closed").stat().st_mode & 0o700 == 0o700


def test_wrong_counts_are_refused_and_mended(offline, tmp_path):
    root = place(tmp_path)
    prepare(root, offline)
    (tmp_path / "aclImdb/test/pos/1_10.txt").unlink()
    remedy = rf"Remove {root}/aclImdb and run `make data-imdb DATA={root}` again: its archive is unpacked, or fetched"
    with pytest.raises(UserError, match=rf"{root}: test has 3 reviews; the release has 4\. {remedy}"):
        prepare(root, offline)
    (tmp_path / "aclImdb/test/pos/0_10.txt").unlink()
    with pytest.raises(UserError, match=rf"(?s)test/pos holds no review.*{remedy}"):
        prepare(root, offline)
    shutil.rmtree(tmp_path / "aclImdb/train/unsup")  # as Keras's recipes do
    with pytest.raises(UserError, match=remedy):
        prepare(root, offline)
    shutil.rmtree(tmp_path / "aclImdb")
    prepare(root, offline)
    assert_complete(tmp_path)
    with pytest.raises(UserError, match="train has 4 reviews; the release has 25,000"):
        prepare(root)


@pytest.mark.parametrize("source", ["archive", "network"])
def test_the_room_needed_is_six_times_the_archive(server, release, tmp_path, monkeypatch, source):
    """Exactly enough, and the archive itself where it is fetched; then a byte less, before anything is written."""
    if source == "archive":
        place(tmp_path)
    needed = 6 * len(TAR) + (0 if source == "archive" else len(TAR))
    before = names(tmp_path)
    full_disk(monkeypatch, lambda: 2**30 + needed - 1)
    with pytest.raises(UserError, match=r"unpacking into .* needs 1\.1 GB, but 1\.1 GB are free"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == before
    full_disk(monkeypatch, lambda: 2**30 + needed)
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)


def test_what_a_killed_run_left_makes_room_first(offline, tmp_path, monkeypatch):
    left = tmp_path / ".aclImdb.unpacking"
    (left / "aclImdb/test").mkdir(parents=True)
    full_disk(monkeypatch, lambda: 10**6 if left.exists() else 10**12)
    prepare(place(tmp_path), offline)
    assert_complete(tmp_path)


def test_a_disk_that_fills_up_on_the_way(offline, tmp_path, monkeypatch):
    root = place(tmp_path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extract", fail)
        with pytest.raises(UserError, match=r"somewhere: No space left on device.*run this again"):
            prepare(root, offline)
    assert names(tmp_path) == [NAME]
    prepare(root, offline)
    assert_complete(tmp_path)


def test_the_bar_counts_compressed_bytes(offline, tmp_path, monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    prepare(place(tmp_path), offline)
    assert screen.getvalue().rpartition("unpacking aclImdb_v1.tar.gz:")[2].startswith(" 100%")


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_stray_file_in_the_way_is_said_before_anything_is_fetched(server, release, tmp_path, kind):
    stray = tmp_path / "aclImdb"
    stray.touch() if kind == "file" else stray.symlink_to("nowhere")
    with pytest.raises(UserError, match=r"aclImdb is a file or a broken link, not a folder\. Move it away"):
        prepare(str(tmp_path), release)
    assert server.log == []


def test_what_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=f"{tmp_path}/file is a file or a broken link"):
        prepare(str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"hf:stanfordnlp/imdb is read from the hub, unprepared\. Set DATA to"):
        prepare("hf:stanfordnlp/imdb")
    with pytest.raises(UserError, match="File name too long"):
        prepare(str(tmp_path / ("x" * 300)))
