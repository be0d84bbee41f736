"""The embedded reviews: a small IMDB in the form of its archive, written by a grammar (`imdb_grammar.py`).

What a review says of its film hangs on how its words are put together, so that counting words tells little. Which words
are of a kind is learnt from any text, as words of a kind stand together, so that the unlabelled reviews help: they also
say more often what came of a judgement.
No test review is in training; a few stand among the unlabelled ones, as test text does in real collections, some in
other letters or spaces. Training has reviews that stand there twice, and a very long one.
"""

from pathlib import Path

import numpy as np

from datamodules.miniature.draws import pick
from datamodules.miniature.imdb_grammar import Critic, mixed

COUNTS = {"test": 600, "train": 1200, "unsup": 5500}
OUTCOMES = {"test": 0.04, "train": 0.04, "unsup": 0.3}  # the share of judgements that say what came of them
CLASSES = {"neg": -1, "pos": 1}
RATINGS = {"neg": (1, 2, 3, 4), "pos": (7, 8, 9, 10), "unsup": (0,)}
PLANTED = 12  # test reviews among the unlabelled ones
TWICE = 5  # reviews of each class that training has twice
LONG = 180  # judgements in the very long review
STREAM = 20260723

BESIDE = {
    "README": "Reviews in the form of the Large Movie Review Dataset, written by code.\n",
    "imdb.vocab": "the\nfilm\nis\n",
    "train/labeledBow.feat": "9 0:3 1:1 2:2\n",
    "train/urls_pos.txt": "http://www.example.org/title/1/usercomments\n",
    "test/urls_neg.txt": "http://www.example.org/title/2/usercomments\n",
}


class Collection:
    """Draws reviews of which no two are the same, each with words of praise and of blame."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.critic = rng, Critic(rng)
        self.seen: set[str] = set()

    def reviews(self, verdict: int, split: str, count: int) -> list[str]:
        """`count` new reviews; verdict 0 draws praise or blame at random."""
        return [self._review(verdict or pick(self.rng, (-1, 1)), OUTCOMES[split]) for _ in range(count)]

    def _review(self, verdict: int, outcomes: float) -> str:
        text = self.critic.review(verdict, outcomes)
        if text in self.seen or not mixed(text):
            return self._review(verdict, outcomes)
        self.seen.add(text)
        return text


def write(root: Path) -> None:
    """Writes `aclImdb/` below `root`, the same bytes on every call."""
    rng = np.random.Generator(np.random.PCG64(STREAM))
    collection = Collection(rng)
    test = {name: collection.reviews(verdict, "test", COUNTS["test"] // 2) for name, verdict in CLASSES.items()}
    train = {name: collection.reviews(verdict, "train", COUNTS["train"] // 2) for name, verdict in CLASSES.items()}
    unsup = collection.reviews(0, "unsup", COUNTS["unsup"])
    for texts in train.values():
        texts[-TWICE:] = texts[:TWICE]
    train["pos"][100] = collection.critic.review(CLASSES["pos"], OUTCOMES["train"], LONG)
    for number, text in enumerate(_planted([*test["neg"], *test["pos"]])):
        unsup[300 * number + 150] = text
    folders = {"train/unsup": unsup} | {f"train/{name}": texts for name, texts in train.items()}
    for folder, texts in (folders | {f"test/{name}": texts for name, texts in test.items()}).items():
        _write_folder(root / "aclImdb" / folder, texts, rng)
    for name, text in BESIDE.items():
        (root / "aclImdb" / name).write_bytes(text.encode())


def _planted(texts: list[str]) -> list[str]:
    """Every fiftieth of them; one in capitals, and one with its spaces doubled."""
    first, second, *others = texts[:: len(texts) // PLANTED][:PLANTED]
    return [first.upper(), second.replace(" ", "  "), *others]


def _write_folder(folder: Path, texts: list[str], rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"{number}_{pick(rng, RATINGS[folder.name])}.txt").write_bytes(text.encode())
