"""German-English parallel text of WMT as people have it: plain text, a sentence a line, or Parquet, or the hub.

A test set is split by its direction too: `newstest2014.en-de` is English to be translated into German.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.errors import UserError
from datamodules.layouts import wmt_parquet as parquet
from datamodules.layouts.faults import read_faults
from datamodules.layouts.official import Official, lacking
from datamodules.layouts.wmt_parquet import FILTERED, TEST_SIZES
from datamodules.layouts.wmt_text import LANGUAGES, Sides, Text, open_text
from results.scoring.translation import Truth

DEVELOPMENT = "newstest2013"
TEST = ("newstest2014", "newstest2015")
SOURCE_OF = {"de-en": "de", "en-de": "en"}
PAIRS = "training pairs"
OFFICIAL: Official = {**TEST_SIZES, PAIRS: range(3_900_000, 4_700_001)}
"""WMT 2014 to 2016 have some 4.5 million pairs (on the hub 4,508,785, 4,522,998, 4,548,885), of which cleaning leaves
3,960,793 (facebookresearch/fairseq#132); that of 2017 has 5.9 million."""

# A text's name, and its language, maybe packed: `europarl-v7.de-en`, `de.gz`.
SIDE = re.compile(r"(?P<stem>[^.].*?)\.(?P<side>[a-z]{2}(\.(gz|bz2|xz|zst|zip))?)")
PACKED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip", ".tar")
SHOWN = 5

FORMS = """WMT's German and English are expected in one of these forms:
  <root>/train.de and <root>/train.en, or several <root>/train/<corpus>.de and <root>/train/<corpus>.en
  <root>/newstest2013.de and .en (development), newstest2014.de and .en, newstest2015.de and .en: a sentence a line,
    beside them newstest2015.en-de.de and .en, if a direction has text of its own
  <root>/train-*.parquet, validation-*.parquet and test-*.parquet (or in <root>/data/ or <root>/de-en/), with a column
    translation of {"de": text, "en": text}; test sets may lie beside them as plain text
  hf:<name>, a data set of the Hugging Face hub with these shards in de-en/
Of the hub's, wmt/wmt14 has newstest2013 and newstest2014, wmt/wmt15 has newstest2014 and newstest2015.
`make data-wmt_transformer DATA=<root>` fetches and unpacks all of the first form."""


Pairs = Text | parquet.Rows


def truth(root: str, split: str) -> Truth:
    """What translations of a test set are held against, such as `newstest2014.en-de`.

    Raises:
        UserError: as `open_test`, the split names no direction, or a sentence cannot stand on a line.
    """
    direction = split.partition(".")[2]
    if direction not in SOURCE_OF:
        raise UserError(f"{split!r} names no direction. Write it as {TEST[0]}.en-de or {TEST[0]}.de-en.")
    test = open_test(root, split)
    german, english = zip(*(test.pair(index) for index in range(len(test))), strict=True)
    sources, references = (german, english) if SOURCE_OF[direction] == "de" else (english, german)
    try:
        return Truth(tuple(str(number) for number in range(1, len(test) + 1)), sources, references)
    except ValueError as error:
        raise UserError(f"{test.where(0)} and on: {error}. Fetch {split.partition('.')[0]} again.") from error


@read_faults()
def open_test(root: str, split: str) -> Pairs:
    """A test set, or `newstest2013` for development; the direction may be left out.

    Raises:
        UserError: it is not there, one side of it is not or is still packed, the sides differ in length, or a file is
            empty, not UTF-8, or Parquet without the column.
    """
    sides = _sides(root)
    return _open(root, _stem(split, sides), sides, parquet.held_out(root))


@read_faults()
def open_training(root: str) -> Pairs:
    """The training text, in whichever form it lies there.

    Raises:
        UserError: there is none, or in two forms; else as `open_test`.
    """
    if root.startswith("hf:"):
        return parquet.open_rows(root, "train")
    folder, sides = Path(root), _sides(root)
    corpora = _sides(f"{root}/train") if (folder / "train").is_dir() else {}
    shards = parquet.SHARDS.find(folder, "train")
    there = {"train.de and train.en": "train" in sides, "train/": bool(corpora), "train-*.parquet": bool(shards)}
    forms = [form for form, found in there.items() if found]
    if not forms:
        raise UserError(_why_not(root, "training text"))
    if len(forms) > 1:
        raise UserError(f"{root} holds training text twice: {' beside '.join(forms)}. Leave one of them there.")
    if "train" in sides:
        return open_text(folder, {"train": sides["train"]})
    return open_text(folder / "train", corpora) if corpora else parquet.open_rows(root, "train")


def sample(root: str) -> str:
    """What is found where one pair is read.

    Raises:
        UserError: as `open_training`.
    """
    pairs = open_training(root)
    german, english = pairs.pair(0)
    return f"{len(pairs):,} pairs to train on; the first reads, {len(german)} and {len(english)} letters"


@read_faults()
def present(root: str, split: str) -> bool:
    """Whether a test set is there, be it one side of it or packed, which `open_test` refuses.

    Raises:
        UserError: the folder or its shards cannot be read.
    """
    sides = _sides(root)
    return _stem(split, sides) in (*sides, *parquet.held_out(root))


def check(root: str, training: bool, full: bool) -> list[str]:
    """A look at the data before anything starts; returns what the user should know.

    Which test set is asked for is not known here, so one is enough.

    Raises:
        UserError: as `open_training` and `open_test`, or there is no test set.
    """
    pairs = {PAIRS: len(open_training(root))} if training else {}
    sides, rows = _sides(root), parquet.held_out(root)
    there = [stem for name in TEST_SIZES for stem in _stems(name) if stem in sides or stem in rows]
    known = {_name(stem) for stem in there}
    absent = [name for name in (TEST_SIZES if training else TEST) if name not in known]
    notes = [f"{line}: unofficial" for line in lacking(pairs, OFFICIAL)] if full else []
    notes += [f"{name} is not there, so nothing that asks for it can be measured" for name in absent]
    for stem in there if known.intersection(TEST) else TEST:
        count = len(_open(root, stem, sides, rows))
        if full and count != TEST_SIZES[_name(stem)]:
            notes.append(_unofficial(stem, count))
    return notes


def _unofficial(stem: str, count: int) -> str:
    name = _name(stem)
    filtered = "the filtered subset; " if count == FILTERED.get(name) else ""
    return (
        f"{stem} is not whole ({filtered}{count:,} lines, officially {TEST_SIZES[name]:,}): unofficial, its verdict "
        "`not comparable`"
    )


def _stems(name: str) -> list[str]:
    """What the text of a test set may be called: that of one direction by itself goes by the direction too."""
    return [name, *(f"{name}.{direction}" for direction in SOURCE_OF)]


def _stem(split: str, sides: Sides) -> str:
    """What a split is called among the texts of a folder."""
    name = _name(split)
    return split if split in sides else name


def _name(split: str) -> str:
    name, _, direction = split.partition(".")
    if name not in TEST_SIZES or direction not in ("", *SOURCE_OF):
        raise UserError(f"there is no test set {split!r}. Known: {', '.join(TEST_SIZES)}, with .en-de or .de-en.")
    return name


def _entries(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}. Set DATA to the folder that holds WMT's text.\n{FORMS}") from None


def _sides(root: str) -> Sides:
    """What of each text lies in a folder: {"train": {"de", "en.gz"}}; texts in other languages alone are left out."""
    found: Sides = {}
    for match in map(SIDE.fullmatch, [] if root.startswith("hf:") else _entries(Path(root))):
        if match:
            found.setdefault(match["stem"], set()).add(match["side"])
    return {stem: sides for stem, sides in found.items() if {side[:2] for side in sides}.intersection(LANGUAGES)}


def _open(root: str, name: str, sides: Sides, rows: dict[str, str]) -> Pairs:
    """A test set from what lies there: text first, since only by it can a set be added to Parquet shards."""
    if name in sides:
        return open_text(Path(root), {name: sides[name]})
    if name in rows:
        return parquet.open_rows(root, rows[name])
    raise UserError(_why_not(root, name))


def _why_not(root: str, what: str) -> str:
    if what in TEST_SIZES and (held := parquet.described(root)):
        return (
            f"{root} has no {what} ({TEST_SIZES[what]:,} rows), but {held}. Take another data set, or put {what}.de "
            f"and {what}.en beside the shards of a folder.\n{FORMS}"
        )
    train = Path(root) / "train"
    entries = _entries(Path(root)) + [f"train/{name}" for name in (_entries(train) if train.is_dir() else ())]
    packed = [name for name in entries if name.endswith(PACKED)]
    hint = f"Still packed: {', '.join(packed[:SHOWN])}; unpack that first.\n" if packed else ""
    seen = ", ".join(entries[:SHOWN]) + (", ..." if len(entries) > SHOWN else "") if entries else "nothing"
    return f"{root} has no {what} (it holds {seen}).\n{hint}{FORMS}"
