"""WMT's German and English as people have them, a few lines of each form, and what is read of them."""

import datasets

# What splits a line elsewhere, and what is lost by stripping.
GERMAN = ["Ein Haus.", "a\rb", "c\N{LINE SEPARATOR}d\N{NEXT LINE}e\x0b\x0c", "", " \tf\N{NO-BREAK SPACE}", "Größe"]
ENGLISH = ["A house.", "A\r", "\N{PARAGRAPH SEPARATOR}C\x1c\x1d\x1e", "", "F\t ", "size"]
PAIRS = list(zip(GERMAN, ENGLISH, strict=True))
ROWS = {"newstest2013": 3000, "newstest2014": 3003, "newstest2015": 2169}
HUB = {"wmt14": ("newstest2013", "newstest2014"), "wmt15": ("newstest2014", "newstest2015")}


def put(root, stem, german=GERMAN, english=ENGLISH, end="\n"):
    for language, lines in (("de", german), ("en", english)):
        file = root / f"{stem}.{language}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(("\n".join(lines) + end).encode())


def put_pairs(root, stem, pairs):
    put(root, stem, *zip(*pairs, strict=True))


def pairs_of(name):
    """As many pairs as the test set has, each of them its own."""
    return [(f"{name} deutsch {row}", f"{name} english {row}") for row in range(ROWS[name])]


def shard(file, pairs, languages=("de", "en")):
    features = datasets.Features(translation=datasets.Translation(languages))
    rows = {"translation": [dict(zip(languages, pair, strict=True)) for pair in pairs]}
    file.parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(rows, features=features).to_parquet(file)


def hub_tree(folder, name, train=PAIRS):
    """As the hub has it: two shards to train on, one each for the others."""
    shard(folder / "train-00000-of-00002.parquet", train[:4])
    shard(folder / "train-00001-of-00002.parquet", train[4:])
    for split, held in zip(("validation", "test"), HUB[name], strict=True):
        shard(folder / f"{split}-00000-of-00001.parquet", pairs_of(held))


def read(opened):
    return [opened.pair(index) for index in range(len(opened))]
