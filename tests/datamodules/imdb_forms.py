"""A dozen reviews of IMDB in each form that people have them in, and what is read of them."""

import datasets

from datamodules.layouts.imdb import open_reviews
from tests.datamodules.imdb_trees import FEATURES

# Path below aclImdb, and text; in the order that is due, which is neither that of names nor that of writing.
TEST = {
    "test/neg/0_1": "Bad.<br /><br />Very bad.",
    "test/neg/2_4": "dull\r\nand\rlong\n",
    "test/neg/10_3": "Gr\N{LATIN SMALL LETTER O WITH DIAERESIS}\xdfer \N{LINE SEPARATOR}\x85 &amp; \U0001f600",
    "test/pos/1_7": " \tgood \N{NO-BREAK SPACE}",
    "test/pos/9_10": "good",
    "test/pos/10_8": "good",
}
TRAIN = {"train/neg/0_2": "poor", "train/neg/1_3": "weak", "train/pos/0_9": "strong"}
UNSUPERVISED = {"train/unsup/0_0": "one", "train/unsup/3_0": "three", "train/unsup/20_0": "twenty"}
ALL = {**TRAIN, **UNSUPERVISED, **TEST}
SPLITS = {"train": TRAIN, "test": TEST, "unsupervised": UNSUPERVISED}
LABELS = {"train": [0, 0, 1], "test": [0, 0, 0, 1, 1, 1], "unsupervised": [-1, -1, -1]}


def put(root, reviews=ALL, top="aclImdb"):
    """The archive's tree, the last file first, and what else lies in it."""
    for name, text in reversed(reviews.items()):
        file = root / top / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    for other in ("README", "imdb.vocab", "test/urls_pos.txt", "test/neg/.DS_Store", "test/pos/._9_10.txt"):
        if (root / top / other).parent.is_dir():
            (root / top / other).write_bytes(b"\xff")
    return str(root)


def shard(file, texts, labels, features=FEATURES):
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = {"text": list(texts), "label": list(labels)}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(file)


def hub_tree(folder, root=None):
    """As the hub has it, from a tree that is read here, or of all reviews."""
    for split, reviews in SPLITS.items():
        texts, labels = list(reviews.values()), LABELS[split]
        if root:
            found = open_reviews(root, split)
            texts, labels = read(found), found.labels.tolist()
        shard(folder / f"{split}-00000-of-00001.parquet", texts, labels)


def read(reviews):
    return [reviews.text(index) for index in range(len(reviews))]
