"""WMT's six archives, small, with what must be unpacked of them."""

import random
import tarfile

from datamodules.preparation import wmt
from datamodules.preparation.downloads import Release
from datamodules.preparation.wmt import CORPORA
from tests.datamodules.archives import archive_at, directory, tar_of, typed

prepare, COMMAND = wmt.prepare, "data-wmt_transformer"
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
LINES = [f"{part} is complete, {count} pairs" for part, count in (SENTENCES | PAIRS).items()]
HUB = "hf:wmt/wmt14 is read from the hub, unprepared. Set DATA to a folder"
STRAYS = ("", "train")
LEFT = f"train/.{EUROPARL}.unpacking/training"


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


FILES = {name: packed(part) for part, name in NAMES.items()}
FAULT = NAMES[EUROPARL]
TREE = {
    **{f"train/{name}": data for name, data in TRAINING.items()},
    **{
        f"{name}.{language}": "".join(f"{line}\n" for line in READ[language][:count]).encode()
        for name, count in SENTENCES.items()
        for language in ("de", "en")
    },
    **{f"newstest2014.de-en.{side}": "".join(f"{line}\n" for line in READ[side]).encode() for side in ("de", "en")},
    "newstest2015.en-de.de": b"Andere Reihenfolge\n",
    "newstest2015.en-de.en": b"Another order\n",
}
BEFORE = {name: data for name, data in TREE.items() if NEWS in name or "newstest" in name}


def release_at(port, files=FILES):
    """What the server has, or would have."""
    archives = {
        part: archive_at(port, name, files[name], "md5" if part in TEST_SETS else "sha256")
        for part, name in NAMES.items()
    }
    return Release(archives, SENTENCES)


HOSTILE = {
    "parent": "../escaped.de",
    "absolute": "/tmp/escaped.de",
    "through": "training/../../escaped.de",
    "symbolic": typed(f"training/{EUROPARL}.de", tarfile.SYMTYPE, "/etc/passwd"),
    "hard": typed(f"training/{EUROPARL}.de", tarfile.LNKTYPE, f"training/{EUROPARL}.en"),
    "pipe": typed(f"training/{EUROPARL}.en", tarfile.FIFOTYPE),
    "folder": directory(f"training/{EUROPARL}.en"),
}


def hostile(way):
    """The archive `FAULT` with a member that leads elsewhere, or is no file."""
    return packed(EUROPARL, (HOSTILE[way], b"../../escaped" if isinstance(HOSTILE[way], str) else b""))
