"""A small IMDB that tests write: reviews drawn from a list of words, in the form of the archive or as Parquet."""

import hashlib

import datasets
import numpy as np

from datamodules.layouts.imdb import open_reviews

WORDS = ["the", "a", "film", "plot", "scene", "was", "is", "never", "good", "bad", "dull", "superb", "and", "of"]
FEATURES = datasets.Features(text=datasets.Value("string"), label=datasets.ClassLabel(names=["neg", "pos"]))
FOLDERS = {"train/neg": 40, "train/pos": 50, "train/unsup": 70, "test/neg": 12, "test/pos": 10}
STARS = {"neg": 2, "pos": 9, "unsup": 0}


def reviews(seed=1):
    """Path below aclImdb -> text. None stands there twice."""
    generator = np.random.default_rng(seed)
    found = {}
    for folder, count in FOLDERS.items():
        for number in range(count):
            words = generator.choice(WORDS, generator.integers(8, 60))
            found[f"{folder}/{number}_{STARS[folder.partition('/')[2]]}"] = " ".join(words)
    return found


def hashed(text):
    """By which reviews are ordered, and of each class the last ones held out."""
    return hashlib.sha256(text.encode()).digest()


def planted(texts):
    """Of which some stand in the test set as well, and two pairs are the same but for their letters and spaces."""
    held_out = max((texts[name] for name in texts if name.startswith("train/pos/")), key=hashed)
    return texts | {
        "train/neg/3_2": texts["test/pos/4_9"],
        "train/unsup/7_0": texts["test/neg/0_2"].upper(),
        "train/unsup/9_0": texts["test/neg/1_2"].replace(" ", "  "),
        "train/pos/0_9": min((held_out.title(), held_out.upper(), held_out.capitalize()), key=hashed),
        "train/pos/2_9": texts["train/pos/1_9"],
        "train/pos/5_9": "a very long film " * 300,
        "train/neg/5_2": "<br /><br />",
    }


def put(root, texts):
    """The archive's tree."""
    for name, text in texts.items():
        file = root / "aclImdb" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def as_parquet(tree, root):
    """The reviews of a tree, in another order."""
    root.mkdir()
    for split in ("train", "test", "unsupervised"):
        found = open_reviews(str(tree), split)
        order = np.random.default_rng(5).permutation(len(found)).tolist()
        rows = {"text": [found.text(place) for place in order], "label": found.labels[order].tolist()}
        datasets.Dataset.from_dict(rows, features=FEATURES).to_parquet(root / f"{split}-00000-of-00001.parquet")
    return root
