"""`make data-wmt_*`: what it fetches and unpacks, what it leaves alone, and the same text for sacreBLEU."""

import tarfile
from dataclasses import replace

import pytest
from sacrebleu.dataset import DATASETS

from benchmarks.errors import UserError
from datamodules.layouts.wmt import SOURCE_OF, open_training, truth
from datamodules.layouts.wmt_parquet import TEST_SIZES
from datamodules.preparation.wmt import RELEASE, prepare
from results.scoring.references import checked
from tests.datamodules import wmt_archives
from tests.datamodules.archives import assert_complete, directory, names, put, served, tar_of, typed
from tests.datamodules.wmt_archives import (
    CRAWL,
    EUROPARL,
    FAULT,
    FILES,
    NAMES,
    NEWS,
    PAIRS,
    READ,
    SENTENCES,
    TEST_SETS,
    TRAINING,
    TREE,
    release_at,
)
from tests.refusals import refusal

ARCHIVES = wmt_archives
pytestmark = pytest.mark.usefixtures("sacrebleu_folder")


def test_official_facts():
    facts = {part: (a.name, a.url, a.algorithm, a.digest, a.size) for part, a in RELEASE.archives.items()}
    site = "http://www.statmt.org"
    assert list(facts) == list(NAMES)
    assert [name for name, *_ in facts.values()] == list(NAMES.values())
    assert RELEASE.counts == TEST_SIZES == {"newstest2013": 3_000, "newstest2014": 3_003, "newstest2015": 2_169}
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


def test_lines_end_at_newlines_alone(offline, tmp_path):
    prepare(put(tmp_path, FILES), offline)
    training = open_training(str(tmp_path))  # by name: commoncrawl's 4, europarl's 5, news-commentary's 3
    assert [training.pair(number)[0] for number in (0, 1, 4, 9)] == [
        f"de {CRAWL} eins\rzwei", f"de {CRAWL} a\u2028b\x85c", f"de {EUROPARL} eins\rzwei", f"de {NEWS} eins\rzwei",
    ]  # fmt: skip


def test_a_test_set_of_which_one_side_is_there_is_fetched(server, release, tmp_path):
    there = ("newstest2013.de", "newstest2013.en", f"train/{NEWS}.de", f"train/{NEWS}.en", "newstest2014.de")
    put(tmp_path, {NAMES[CRAWL]: FILES[NAMES[CRAWL]]} | {name: TREE[name] for name in there})
    prepare(str(tmp_path), release)
    assert_complete(tmp_path, TREE)
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
    parquet(tmp_path / "data" / "test-00000-of-00001.parquet", TEST_SIZES["newstest2014"])
    prepare(str(tmp_path), replace(release, counts=SENTENCES | {"newstest2014": TEST_SIZES["newstest2014"]}))
    assert served(server, NAMES["newstest2014"]) == []
    assert f"{tmp_path}: newstest2014 is complete, 3,003 pairs\n" in capsys.readouterr().out
    assert not (tmp_path / "newstest2014.de").exists()


def test_a_german_file_of_another_kind_is_no_training_text(server, release, tmp_path):
    prepare(put(tmp_path, {"train/README.md": b""}), release)
    assert len(server.log) == len(NAMES)


def test_other_text_beside_the_archives_is_left_alone(server, release, tmp_path):
    """A corpus of the user's own beside one of the archives: the others are still missing."""
    mine = {"train/mine.de": b"a\n", "train/mine.en": b"a\n"}
    prepare(put(tmp_path, mine | {name: TREE[name] for name in (f"train/{NEWS}.de", f"train/{NEWS}.en")}), release)
    assert len(open_training(str(tmp_path))) == sum(PAIRS.values()) + 1
    assert served(server, NAMES[NEWS]) == []


def test_sacrebleu_has_the_same_text(offline, tmp_path, sacrebleu_folder):
    """Both directions lie where it looks for them, and nothing half-written."""
    prepare(put(tmp_path, FILES), offline)
    raw = sacrebleu_folder / "wmt14" / "full" / "raw"
    assert names(raw) == ["test-full", NAMES["newstest2014"], f"{NAMES['newstest2014']}.lock"]
    assert (raw / NAMES["newstest2014"]).read_bytes() == FILES[NAMES["newstest2014"]]
    for split in (f"{name}.{direction}" for name in ("newstest2014", "newstest2015") for direction in SOURCE_OF):
        references = truth(str(tmp_path), split).references
        assert checked(references, split).checked.startswith("equal to sacreBLEU's wmt1")
    assert truth(str(tmp_path), "newstest2015.en-de").references == ("Andere Reihenfolge",), "a text of its own"
    assert checked(READ["de"][:1], "newstest2015.en-de").checked.startswith("differ")
    assert list(DATASETS["wmt14/full"].source("en-de")) == READ["en"]


def test_what_an_earlier_version_left_is_completed_and_a_text_of_ones_own_kept(offline, tmp_path):
    """It made one pair of files of a test set, of the claim's direction; the other one would be scored by these."""
    own = {"newstest2015.de": b"Mein Satz.\n", "newstest2015.en": b"My sentence.\n"}
    root = put(tmp_path, FILES | {name: data for name, data in TREE.items() if "newstest2015" not in name} | own)
    prepare(root, offline)
    found = {direction: truth(root, f"newstest2015.{direction}").references for direction in SOURCE_OF}
    assert found == {"de-en": ("My sentence.",), "en-de": ("Andere Reihenfolge",)}
    (tmp_path / "newstest2015.en-de.en").unlink()
    assert "newstest2015.en-de lacks newstest2015.en-de.en" in refusal(truth, root, "newstest2015.en-de")
    prepare(root, offline)
    assert len(truth(root, "newstest2015.en-de").sources) == 1


def test_a_direction_of_another_length_is_refused(offline, tmp_path):
    root = put(tmp_path, TREE | {f"newstest2014.de-en.{side}": b"a\n" for side in ("de", "en")})
    assert "newstest2014.de-en has 1 sentences; the official one has 3. Remove" in refusal(prepare, root, offline)


def test_what_sacrebleu_half_made_is_made_anew(offline, tmp_path, sacrebleu_folder):
    """A copy that a broken download left: it would be taken for whole otherwise."""
    put(tmp_path, FILES)
    folder = sacrebleu_folder / "wmt14" / "full"
    (folder / "raw").mkdir(parents=True)
    (folder / "raw" / NAMES["newstest2014"]).write_bytes(b"half")
    for pair in ("en-de", "de-en"):
        for field in ("src", "ref", "docid", "genre", "origlang"):
            (folder / f"wmt14_full.{pair}.{field}").write_text("half\n")
    prepare(str(tmp_path), offline)
    assert_complete(tmp_path, TREE)
    assert checked(READ["de"], "newstest2014.en-de").checked == "equal to sacreBLEU's wmt14/full"


def test_links_that_nobody_wants_are_not_written(tmp_path):
    """And names with `./` before them are the same names."""
    members = [(typed("link", tarfile.SYMTYPE, "/etc/passwd"), b""), (directory("./training"), b"")]
    members += [(f"./training/{EUROPARL}.{side}", TRAINING[f"{EUROPARL}.{side}"]) for side in ("de", "en")]
    files = FILES | {FAULT: tar_of(members, "w:gz")}
    prepare(put(tmp_path, files), release_at(1, files))
    assert_complete(tmp_path, TREE)
