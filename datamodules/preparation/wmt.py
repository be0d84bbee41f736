"""`make data-wmt_transformer DATA=<root>` or `make data-wmt_rnn`: WMT14's German-English text and three test sets.

Nobody has to accept anything for them, so what is missing is fetched, and archives that lie in the folder already are
used. Of archives with many language pairs only German-English is unpacked, as it is: pairs are left out by length and
ratio when training reads them, not here. A text gets its proper name once it is whole: an interrupted run is continued
by the next one. Training text in another form, `train.de` and `train.en` or Parquet, stays the only one.

Test sets are SGML. sacreBLEU, which scores translations of them, turns them into text in its own folder, from an
archive that is put there: so they are the official ones to the last character, and `results/scoring/references.py`
finds them there. Its downloader is not used, since it takes a damaged archive for a good one on a second call.
"""

import shutil
import tarfile
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from sacrebleu.dataset import DATASETS

from benchmarks.errors import UserError
from benchmarks.files import replacing
from datamodules.layouts import wmt as layout
from datamodules.layouts.wmt_parquet import SHARDS, TEST_SIZES, held_out
from datamodules.layouts.wmt_text import LANGUAGES, open_text
from datamodules.preparation.archives import CHUNK, alone_in, extract, passing
from datamodules.preparation.downloads import Archive, Release, obtain, say_what_may_go
from results.scoring.references import SETS

SITE = "http://www.statmt.org"  # as WMT publishes it; the checksums vouch for what comes over plain HTTP
COMMAND = "data-wmt_transformer"
TRAIN = "train"

CORPORA = {
    "news-commentary-v9.de-en": "training/news-commentary-v9.de-en",
    "europarl-v7.de-en": "training/europarl-v7.de-en",
    "commoncrawl.de-en": "commoncrawl.de-en",
}
"""The training text: names in `train/`, and in the archives (as in tensorflow/datasets:tensorflow_datasets/
translate/wmt.py)."""

DIRECTIONS = {
    "newstest2013": {"newstest2013": "en-de"},
    "newstest2014": {"newstest2014": "en-de", "newstest2014.de-en": "de-en"},
    "newstest2015": {"newstest2015": "de-en", "newstest2015.en-de": "en-de"},
}
"""Whose source and reference the files of a test set are, by their names: each direction is published by itself, but
for those of 2013, and the two may differ. The name alone is the claim's."""

FACTS = {
    "news-commentary-v9.de-en": (
        "wmt14/training-parallel-nc-v9.tgz",
        "cb8953f292298e6877ae433c98912b927cb0766b303f4540512ddd286c748485", "80 MB",
    ),
    "europarl-v7.de-en": (
        "wmt13/training-parallel-europarl-v7.tgz",
        "0224c7c710c8a063dfd893b0cc0830202d61f4c75c17eb8e31836103d27d96e7", "658 MB",
    ),
    "commoncrawl.de-en": (
        "wmt13/training-parallel-commoncrawl.tgz",
        "c7a74e2ea01ac6c920123108627e35278d4ccb5701e15428ffa34de86fa3a9e5", "918 MB",
    ),
}  # fmt: skip
"""The training text's archives, small ones first (SHA-256s and sizes as in tensorflow/datasets:tensorflow_datasets/
url_checksums/wmt14_translate.txt, 333639b); what is taken from each needs less room than the archive itself."""


def _of_test_set(name: str) -> Archive:
    """A test set's archive with sacreBLEU's MD5 and file name, as WMT has several `test.tgz`; it has no sizes."""
    official = DATASETS[SETS[name]]
    assert official.data
    assert official.md5
    url = official.data[0]
    return Archive(official._get_tarball_filename(url), url, "md5", official.md5[0], "some MB")


RELEASE = Release(
    {name: _of_test_set(name) for name in SETS}
    | {
        corpus: Archive(Path(path).name, f"{SITE}/{path}", "sha256", digest, size)
        for corpus, (path, digest, size) in FACTS.items()
    },
    TEST_SIZES,
)


def prepare(root: str, release: Release = RELEASE) -> None:
    """Makes `root` ready to train and to test on, from archives in it or from the network, and says what is there.

    What is ready already is only counted.

    Args:
        root: the folder, DATA, which may hold archives; made where it is missing.
        release: what to expect.

    Raises:
        UserError: `root` is no folder, an archive can't be fetched, is damaged or unsafe, the disk is too small, the
            sides of a text differ in length, or a test set is not whole. What was finished before stays, a partial
            download too, and the same call goes on from there.
    """
    folder = _folder(root)
    with alone_in(folder, folder / TRAIN):
        for corpus in CORPORA:  # what a killed run left would take the room that is looked for
            shutil.rmtree(_hidden(folder, corpus), ignore_errors=True)
        todo = _missing(folder, release)
        obtain(folder, todo, COMMAND, _unpack)
        _check(folder, release)
    say_what_may_go(folder, release.archives.values())


def _folder(root: str) -> Path:
    if root.startswith("hf:"):
        raise UserError(f"{root} is read from the hub, unprepared. Set DATA to a folder to download WMT to.")
    return Path(root)


def _missing(root: Path, release: Release) -> dict[str, Archive]:
    """What neither lies there as text nor in another form."""
    in_another_form = {*held_out(str(root)), *(CORPORA if _other_training(root) else ())}
    return {
        part: archive
        for part, archive in release.archives.items()
        if part not in in_another_form and not _both_there(root, part)
    }


def _other_training(root: Path) -> bool:
    """Whether training text lies there that is not the archives'; with theirs it would be there twice."""
    inside = _texts(root.glob(f"{TRAIN}/*"))
    foreign = bool(inside) and not inside.intersection(_names(CORPORA))
    return foreign or bool(_texts(root.glob(f"{TRAIN}.*"))) or bool(SHARDS.find(root, TRAIN))


def _texts(paths: Iterable[Path]) -> set[str]:
    """The names of what is German or English, packed or not."""
    named = {path.name: layout.SIDE.fullmatch(path.name) for path in paths}
    return {name for name, match in named.items() if match and match["side"][:2] in LANGUAGES}


def _names(texts: Iterable[str]) -> list[str]:
    return [f"{text}.{language}" for text in texts for language in LANGUAGES]


def _stems(part: str) -> list[str]:
    """What the texts of a part are called."""
    return [*DIRECTIONS.get(part, (part,))]


def _place(root: Path, part: str) -> Path:
    return root / TRAIN if part in CORPORA else root


def _both_there(root: Path, part: str) -> bool:
    return all((_place(root, part) / name).is_file() for name in _names(_stems(part)))


def _hidden(root: Path, corpus: str) -> Path:
    """The folder that a corpus is unpacked in: in that of its final place, which may be a link to another disk."""
    return root / TRAIN / f".{corpus}.unpacking"


def _unpack(root: Path, part: str, archive: Archive) -> None:
    if part in CORPORA:
        targets = {f"{CORPORA[part]}.{language}": root / TRAIN / f"{part}.{language}" for language in LANGUAGES}
        _take(root / archive.name, archive.url, targets, _hidden(root, part))
    else:
        _unpack_test_set(root, part, archive)


def _unpack_test_set(root: Path, name: str, archive: Archive) -> None:
    """Unpacks a test set both ways by sacreBLEU; the archive in its folder tells it that the members lie beside."""
    official = DATASETS[SETS[name]]
    raw = Path(official._rawdir)
    members = [member for each in layout.SOURCE_OF for member in official.langpairs[each]]
    _take(root / archive.name, archive.url, {member: raw / member for member in members}, raw / ".unpacking")
    _copy(root / archive.name, raw / archive.name)
    for stem, direction in DIRECTIONS[name].items():
        official.process_to_text(direction)
        if all((root / side).is_file() for side in _names([stem])):  # by an earlier version, or the user's own
            continue
        texts = (official.get_source_file(direction), *official.get_reference_files(direction))
        for text, language in zip(texts, direction.split("-"), strict=True):
            _copy(Path(text), root / f"{stem}.{language}")


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as original, replacing(target) as copy:
        shutil.copyfileobj(original, copy, CHUNK)


def _take(path: Path, url: str, targets: Mapping[str, Path], hidden: Path) -> None:
    """Unpacks some members of an archive to where they belong, all of them or none; `hidden` is on the same disk."""
    with passing(hidden):
        extract(path, url, hidden, partial(_belongs, targets=targets), targets)
        for member, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            (hidden / member).replace(target)


def _belongs(member: tarfile.TarInfo, targets: Collection[str]) -> bool | None:
    """Nothing is written of what is not wanted, whatever it is."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        return False
    return member.isfile() if str(name) in targets else None


def _check(root: Path, release: Release) -> None:
    other = _other_training(root)
    if other:
        print(f"{root}: training text is there in another form, {len(layout.open_training(str(root))):,} pairs")
    for part in release.archives:
        if not (other and part in CORPORA):
            for stem in _stems(part):
                count = _count(root, part, stem)
                if count != release.counts.get(part, count):
                    expected = f"the official one has {release.counts[part]:,}"
                    raise UserError(f"{root}: {stem} has {count:,} sentences; {expected}. {_remedy(root, part, stem)}")
            print(f"{root}: {part} is complete, {count:,} pairs")


def _count(root: Path, part: str, stem: str) -> int:
    try:
        if part in CORPORA:
            return len(open_text(root / TRAIN, {part: set(LANGUAGES)}))
        return len(layout.open_test(str(root), stem))
    except UserError as error:
        raise UserError(f"{error} {_remedy(root, part, stem)}") from error


def _remedy(root: Path, part: str, stem: str) -> str:
    files = " and ".join(str(_place(root, part) / name) for name in _names([stem]))
    return f"Remove {files}, and run `make {COMMAND} DATA={root}` again: the archive is unpacked, or fetched, anew."
