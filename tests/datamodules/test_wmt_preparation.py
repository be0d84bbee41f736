"""`make data-wmt_*` against a real HTTP server and small real archives: whole, cut, offline, damaged, hostile."""

import gzip
import hashlib
import random
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from sacrebleu.dataset import DATASETS

from benchmarks.errors import UserError
from datamodules.layouts.wmt import open_test, open_training
from datamodules.layouts.wmt_parquet import OFFICIAL
from datamodules.preparation.downloads import Archive
from datamodules.preparation.wmt import CORPORA, Release, prepare
from results.scoring.references import checked
from tests.datamodules.archives import full_disk, names, served, serving, tar_of

EUROPARL, CRAWL, NEWS = "europarl-v7.de-en", "commoncrawl.de-en", "news-commentary-v9.de-en"
SENTENCES = {"newstest2013": 2, "newstest2014": 3, "newstest2015": 1}
NAMES = {
    "newstest2013": "wmt13.test.tgz",
    "newstest2014": "wmt14_full.test-full.tgz",
    "newstest2015": "wmt15.test.tgz",
    NEWS: "training-parallel-nc-v9.tgz",
    EUROPARL: "training-parallel-europarl-v7.tgz",
    CRAWL: "training-parallel-commoncrawl.tgz",
}


def corpus(name, language, count):
    """Lines that other programs break elsewhere, and enough noise that an archive is more than one block."""
    noise = random.Random(f"{name}{language}").randbytes(60_000).hex()
    odd = ["eins\rzwei", "a\u2028b\x85c", "", " zwei  Leerzeichen ", noise]
    return "".join(f"{language} {name} {line}\n" for line in odd[:count]).encode()


TRAINING = {
    f"{name}.{language}": corpus(name, language, count)
    for name, count in ((EUROPARL, 5), (CRAWL, 4), (NEWS, 3))
    for language in ("de", "en")
}
PAIRS = {NEWS: 3, EUROPARL: 5, CRAWL: 4}


def sgm(kind, name, texts):
    """A file of a test set as WMT has it."""
    segments = "".join(f'<seg id="{number}">{text}</seg>\n' for number, text in enumerate(texts, 1))
    document = f'<doc sysid="ref" docid="welt.de/1" genre="news" origlang="de">\n<p>\n{segments}</p>\n</doc>\n'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{kind} setid="{name}">\n{document}</{kind}>\n'.encode()


GERMAN = ["Ein Satz &amp; mehr.", "Zwei  Leerzeichen ", "„Schluß“\r"]
ENGLISH = ["A sentence &amp; more.", "Two  spaces ", "“End”\u2028still"]
READ = {
    "de": ["Ein Satz &amp; mehr.", "Zwei Leerzeichen", "„Schluß“"],
    "en": ["A sentence &amp; more.", "Two spaces", "“End” still"],
}

TEST_SETS = {
    "newstest2013": {
        "test/newstest2013-src.de.sgm": sgm("srcset", "newstest2013", GERMAN[:2]),
        "test/newstest2013-src.en.sgm": sgm("srcset", "newstest2013", ENGLISH[:2]),
        "test/newstest2013-src.cs.sgm": sgm("srcset", "newstest2013", ["Jedna"]),
    },
    "newstest2014": {
        "test-full/newstest2014-deen-src.de.sgm": sgm("srcset", "newstest2014", GERMAN),
        "test-full/newstest2014-deen-ref.en.sgm": sgm("refset", "newstest2014", ENGLISH),
        "test-full/newstest2014-deen-src.en.sgm": sgm("srcset", "newstest2014", ENGLISH),
        "test-full/newstest2014-deen-ref.de.sgm": sgm("refset", "newstest2014", GERMAN),
    },
    "newstest2015": {
        "test/newstest2015-deen-src.de.sgm": sgm("srcset", "newstest2015", GERMAN[:1]),
        "test/newstest2015-deen-ref.en.sgm": sgm("refset", "newstest2015", ENGLISH[:1]),
        "test/newstest2015-ende-src.en.sgm": sgm("srcset", "newstest2015", ["Another order"]),
        "test/newstest2015-ende-ref.de.sgm": sgm("refset", "newstest2015", ["Andere Reihenfolge"]),
    },
}


def directory(name):
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info


def packed(part, *more, without=""):
    """The archive of a corpus, among other languages, or of a test set, with further members at its end."""
    if part in TEST_SETS:
        members = TEST_SETS[part]
    else:
        place = CORPORA[part].removesuffix(part)
        own = {f"{place}{part}.{language}": TRAINING[f"{part}.{language}"] for language in ("de", "en")}
        other = part.replace("de-en", "fr-en")
        members = {f"{place}{other}.fr": b"un\n", **own, f"{place}{other}.en": b"one\n"}
    folder = next(iter(members)).rpartition("/")[0]
    folders = [(directory(folder), b"")] if folder else []
    return tar_of([*folders, *((name, data) for name, data in members.items() if name != without), *more], "w:gz")


TARS = {part: packed(part) for part in NAMES}
TEXTS = {
    **{f"train/{name}": data for name, data in TRAINING.items()},
    **{
        f"{name}.{language}": "".join(f"{line}\n" for line in READ[language][:count]).encode()
        for name, count in SENTENCES.items()
        for language in ("de", "en")
    },
}


def release_at(port, tars=TARS):
    """What the server has, or would have."""
    archives = {}
    for part, data in tars.items():
        algorithm = "md5" if part in TEST_SETS else "sha256"
        digest = hashlib.new(algorithm, data).hexdigest()
        archives[part] = Archive(
            NAMES[part], f"http://127.0.0.1:{port}/wmt/{NAMES[part]}", algorithm, digest, f"{len(data)} B"
        )
    return Release(archives, SENTENCES)


@pytest.fixture(autouse=True)
def sacrebleu_folder(tmp_path_factory, monkeypatch):
    """An empty one, as the variable SACREBLEU would have it, which is read only once a process."""
    folder = tmp_path_factory.mktemp("sacrebleu")
    for name in ("wmt13", "wmt14/full", "wmt15"):
        monkeypatch.setattr(DATASETS[name], "_outdir", str(folder / name))
        monkeypatch.setattr(DATASETS[name], "_rawdir", str(folder / name / "raw"))
    return folder


@pytest.fixture
def server(monkeypatch):
    """A server of the six archives, on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({NAMES[part]: data for part, data in TARS.items()}, NAMES[EUROPARL]) as running:
        yield running


def place(root, tars=TARS):
    """Puts the archives into `root`, as a user does."""
    root.mkdir(parents=True, exist_ok=True)
    for part, data in tars.items():
        (root / NAMES[part]).write_bytes(data)


def texts(root):
    """All that lies there but the archives, hidden files too."""
    files = [path for path in root.glob("**/*") if path.is_file() and path.suffix != ".tgz"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def assert_complete(root):
    assert texts(root) == TEXTS
    assert list(root.glob("**/.*")) == []
    assert len(open_training(str(root))) == sum(PAIRS.values())


def test_official_facts():
    release = Release()
    facts = {part: (a.name, a.url, a.algorithm, a.digest, a.size) for part, a in release.archives.items()}
    site = "http://www.statmt.org"
    assert list(facts) == list(NAMES)
    assert [name for name, *_ in facts.values()] == list(NAMES.values())
    assert release.sentences == OFFICIAL == {"newstest2013": 3_000, "newstest2014": 3_003, "newstest2015": 2_169}
    assert {part: fact[1:] for part, fact in facts.items()} == {
        "newstest2013": ("https://statmt.org/wmt13/test.tgz", "md5", "48eca5d02f637af44e85186847141f67", "some MB"),
        "newstest2014": (
            "https://statmt.org/wmt14/test-full.tgz", "md5", "a8cd784e006feb32ac6f3d9ec7eb389a", "some MB",
        ),
        "newstest2015": ("https://statmt.org/wmt15/test.tgz", "md5", "67e3beca15e69fe3d36de149da0a96df", "some MB"),
        NEWS: (
            f"{site}/wmt14/training-parallel-nc-v9.tgz", "sha256",
            "cb8953f292298e6877ae433c98912b927cb0766b303f4540512ddd286c748485", "80 MB",
        ),
        EUROPARL: (
            f"{site}/wmt13/training-parallel-europarl-v7.tgz", "sha256",
            "0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7", "658 MB",
        ),
        CRAWL: (
            f"{site}/wmt13/training-parallel-commoncrawl.tgz", "sha256",
            "c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5", "918 MB",
        ),
    }  # fmt: skip


def test_a_new_folder_is_filled_from_the_network(server, release, tmp_path, capsys):
    root = tmp_path / "new" / "wmt"
    prepare(str(root), release)
    assert_complete(root)
    assert server.log == [(NAMES[part], None, len(data)) for part, data in TARS.items()]
    out, err = capsys.readouterr()
    lines = [f"{root}: {part} is complete, {count} pairs\n" for part, count in (SENTENCES | PAIRS).items()]
    assert all(line in out for line in lines)
    assert out.endswith(f"{root}: all is unpacked, so {', '.join(NAMES.values())} may be deleted\n")
    assert not err  # no bars where nobody watches


def test_lines_end_at_newlines_alone(offline, tmp_path):
    place(tmp_path)
    prepare(str(tmp_path), offline)
    training = open_training(str(tmp_path))  # by name: commoncrawl's 4, europarl's 5, news-commentary's 3
    assert [training.pair(number)[0] for number in (0, 1, 4, 9)] == [
        f"de {CRAWL} eins\rzwei", f"de {CRAWL} a\u2028b\x85c", f"de {EUROPARL} eins\rzwei", f"de {NEWS} eins\rzwei",
    ]  # fmt: skip


def test_archives_in_place_need_no_network_and_may_go(offline, tmp_path, capsys):
    place(tmp_path)
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    for part, data in TARS.items():
        assert (tmp_path / NAMES[part]).read_bytes() == data
        (tmp_path / NAMES[part]).unlink()
    capsys.readouterr()
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    lines = [f"{tmp_path}: {part} is complete, {count} pairs\n" for part, count in (SENTENCES | PAIRS).items()]
    assert capsys.readouterr().out == "".join(lines)


def test_only_what_is_missing_is_fetched(server, release, tmp_path):
    place(tmp_path, {CRAWL: TARS[CRAWL]})
    for name in ("newstest2013.de", "newstest2013.en", f"train/{NEWS}.de", f"train/{NEWS}.en", "newstest2014.de"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(TEXTS[name])
    prepare(str(tmp_path), release)
    assert_complete(tmp_path)
    assert [name for name, *_ in server.log] == [NAMES["newstest2014"], NAMES["newstest2015"], NAMES[EUROPARL]]


@pytest.mark.parametrize("form", ["train.de and train.en", "packed", "own corpus", "parquet"])
def test_training_text_in_another_form_stays_the_only_one(server, release, tmp_path, capsys, form):
    if form == "parquet":
        parquet(tmp_path / "data" / "train-00000-of-00001.parquet", 7)
    else:
        stem = {"own corpus": "train/mine"}.get(form, "train")
        (tmp_path / "train").mkdir() if form == "own corpus" else None
        for language in ("de", "en"):
            (tmp_path / f"{stem}.{language}{'.gz' if form == 'packed' else ''}").write_bytes(b"a\n" * 7)
    if form == "packed":
        with pytest.raises(UserError, match=r"train\.de\.gz and train\.en\.gz still packed"):
            prepare(str(tmp_path), release)
    else:
        prepare(str(tmp_path), release)
        assert f"{tmp_path}: training text is there in another form, 7 pairs\n" in capsys.readouterr().out
    assert [name for name, *_ in server.log] == [NAMES[part] for part in TEST_SETS]
    assert not (tmp_path / "train" / f"{NEWS}.de").exists()


def parquet(file, rows):
    import pyarrow
    from pyarrow.parquet import write_table

    file.parent.mkdir(exist_ok=True)
    write_table(pyarrow.table({"translation": [{"de": f"{n}", "en": f"{n}"} for n in range(rows)]}), file)


def test_test_sets_in_parquet_are_not_fetched(server, release, tmp_path, capsys):
    """Which test set it is, the number of rows tells, so that only the official numbers count."""
    parquet(tmp_path / "data" / "test-00000-of-00001.parquet", OFFICIAL["newstest2014"])
    prepare(str(tmp_path), replace(release, sentences=SENTENCES | {"newstest2014": OFFICIAL["newstest2014"]}))
    assert served(server, NAMES["newstest2014"]) == []
    assert f"{tmp_path}: newstest2014 is complete, 3,003 pairs\n" in capsys.readouterr().out
    assert not (tmp_path / "newstest2014.de").exists()


def test_a_german_file_of_another_kind_is_no_training_text(server, release, tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "README.md").touch()
    prepare(str(tmp_path), release)
    assert len(server.log) == len(NAMES)


def test_other_text_beside_the_archives_is_left_alone(server, release, tmp_path):
    """A corpus of the user's own beside one of the archives: the others are still missing."""
    (tmp_path / "train").mkdir()
    for name in (f"{NEWS}.de", f"{NEWS}.en"):
        (tmp_path / "train" / name).write_bytes(TRAINING[name])
    for language in ("de", "en"):
        (tmp_path / "train" / f"mine.{language}").write_bytes(b"a\n")
    prepare(str(tmp_path), release)
    assert len(open_training(str(tmp_path))) == sum(PAIRS.values()) + 1
    assert served(server, NAMES[NEWS]) == []


def test_sacrebleu_has_the_same_text(offline, tmp_path, sacrebleu_folder):
    """Both directions lie where it looks for them, and nothing half-written."""
    place(tmp_path)
    prepare(str(tmp_path), offline)
    raw = sacrebleu_folder / "wmt14" / "full" / "raw"
    assert names(raw) == ["test-full", NAMES["newstest2014"], f"{NAMES['newstest2014']}.lock"]
    assert (raw / NAMES["newstest2014"]).read_bytes() == TARS["newstest2014"]
    for split, language in (("newstest2014.en-de", "de"), ("newstest2014.de-en", "en"), ("newstest2015.de-en", "en")):
        test = open_test(str(tmp_path), split)
        references = [test.pair(number)[language == "en"] for number in range(len(test))]
        assert checked(references, split).checked.startswith("equal to sacreBLEU's wmt1")
    assert checked(READ["de"][:1], "newstest2015.en-de").checked.startswith("differ")  # it is made of de-en
    assert list(DATASETS["wmt14/full"].source("en-de")) == READ["en"]


def test_what_sacrebleu_half_made_is_made_anew(offline, tmp_path, sacrebleu_folder):
    """A copy that a broken download left: it would be taken for whole otherwise."""
    place(tmp_path)
    folder = sacrebleu_folder / "wmt14" / "full"
    (folder / "raw").mkdir(parents=True)
    (folder / "raw" / NAMES["newstest2014"]).write_bytes(b"half")
    for pair in ("en-de", "de-en"):
        for field in ("src", "ref", "docid", "genre", "origlang"):
            (folder / f"wmt14_full.{pair}.{field}").write_text("half\n")
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path)
    assert checked(READ["de"], "newstest2014.en-de").checked == "equal to sacreBLEU's wmt14/full"


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


def test_a_wrong_download_is_removed(server, release, tmp_path):
    server.files[NAMES["newstest2014"]] = bytes(1000)
    found, expected = hashlib.md5(bytes(1000)).hexdigest(), release.archives["newstest2014"].digest
    with pytest.raises(UserError, match=rf"its MD5 is {found}, expected {expected}\. It was removed; run this"):
        prepare(str(tmp_path), release)
    assert names(tmp_path) == ["newstest2013.de", "newstest2013.en", NAMES["newstest2013"]]


def test_a_damaged_archive_unpacks_nothing(offline, tmp_path, sacrebleu_folder):
    data = TARS[CRAWL]
    place(tmp_path, TARS | {CRAWL: data[:700] + b"?" + data[701:]})
    before = names(tmp_path)
    with pytest.raises(UserError, match=rf"{NAMES[CRAWL]} .*its SHA-256 is .*, expected .*\. Remove it and run"):
        prepare(str(tmp_path), offline)
    assert names(tmp_path) == before
    assert names(sacrebleu_folder) == []


BROKEN = {
    "cut": (lambda data: data[: len(data) // 2], "Compressed file ended before the end-of-stream marker"),
    "cut at the very end": (lambda data: data[:-6], "Compressed file ended before the end-of-stream marker"),
    "wrong sum": (lambda data: data[:-8] + bytes(4) + data[-4:], "CRC check failed"),
    "garbage": (lambda data: data[:40_000] + b"?" * 20_000 + data[60_000:], "while decompressing|invalid"),
    "no gzip": (gzip.decompress, "Not a gzipped file"),
    "no tar": (lambda _: gzip.compress(b"?" * 5_000), "invalid header"),
    "half a tar": (lambda data: gzip.compress(gzip.decompress(data)[:60_000]), "unexpected end of data"),
    "empty": (lambda _: tar_of([], "w:gz"), f"it holds no training/{EUROPARL}.de"),
    "one side": (lambda _: packed(EUROPARL, without=f"training/{EUROPARL}.en"), f"holds no training/{EUROPARL}.en"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_what_was_packed_broken_is_refused(tmp_path, way):
    """Right checksum, but what was packed was broken already: nothing of it is seen, what went before stays."""
    change, reason = BROKEN[way]
    tars = TARS | {EUROPARL: change(TARS[EUROPARL])}
    place(tmp_path, tars)
    with pytest.raises(
        UserError, match=rf"{NAMES[EUROPARL]} cannot be unpacked: .*({reason}).*\. Download it again from http"
    ):
        prepare(str(tmp_path), release_at(1, tars))
    assert texts(tmp_path) == {name: data for name, data in TEXTS.items() if NEWS in name or "newstest" in name}
    assert names(tmp_path / "train") == [f"{NEWS}.de", f"{NEWS}.en"]


def test_a_test_set_without_a_member_is_refused(tmp_path, sacrebleu_folder):
    missing = "test-full/newstest2014-deen-ref.de.sgm"
    tars = TARS | {"newstest2014": packed("newstest2014", without=missing)}
    place(tmp_path, tars)
    with pytest.raises(UserError, match=rf"{NAMES['newstest2014']} cannot be unpacked: it holds no {missing}\."):
        prepare(str(tmp_path), release_at(1, tars))
    assert sorted(texts(tmp_path)) == ["newstest2013.de", "newstest2013.en"]
    assert texts(sacrebleu_folder / "wmt14") == {}


def typed(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


HOSTILE = {
    "parent": "../escaped.de",
    "absolute": "/tmp/escaped.de",
    "through": "training/../../escaped.de",
    "symbolic": typed(f"training/{EUROPARL}.de", tarfile.SYMTYPE, "/etc/passwd"),
    "hard": typed(f"training/{EUROPARL}.de", tarfile.LNKTYPE, f"training/{EUROPARL}.en"),
    "pipe": typed(f"training/{EUROPARL}.en", tarfile.FIFOTYPE),
    "folder": directory(f"training/{EUROPARL}.en"),
}


@pytest.mark.parametrize("way", HOSTILE)
def test_a_hostile_archive_stays_in_its_folder(tmp_path, way):
    """What is good stands before it in the archive, and is not seen either."""
    root = tmp_path / "a" / "b"
    data = b"../../escaped" if isinstance(HOSTILE[way], str) else b""
    tars = TARS | {EUROPARL: packed(EUROPARL, (HOSTILE[way], data))}
    place(root, tars)
    with pytest.raises(UserError, match=rf"{NAMES[EUROPARL]} holds '.*', which is no plain file.*Download it again"):
        prepare(str(root), release_at(1, tars))
    assert not list(tmp_path.glob("**/*escaped*"))
    assert not Path("/tmp/escaped.de").exists()
    assert names(root / "train") == [f"{NEWS}.de", f"{NEWS}.en"]


def test_links_that_nobody_wants_are_not_written(tmp_path):
    """And names with `./` before them are the same names."""
    members = [(typed("link", tarfile.SYMTYPE, "/etc/passwd"), b""), (directory("./training"), b"")]
    members += [(f"./training/{EUROPARL}.{side}", TRAINING[f"{EUROPARL}.{side}"]) for side in ("de", "en")]
    tars = TARS | {EUROPARL: tar_of(members, "w:gz")}
    place(tmp_path, tars)
    prepare(str(tmp_path), release_at(1, tars))
    assert_complete(tmp_path)


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


def test_a_hub_needs_no_preparation():
    with pytest.raises(UserError, match=r"hf:wmt/wmt14 is read from the hub, unprepared\. Set DATA to a folder"):
        prepare("hf:wmt/wmt14")
