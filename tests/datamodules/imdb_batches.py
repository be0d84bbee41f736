"""IMDB's datamodule on small reviews, and its batches as plain values."""

import pytest

from datamodules.imdb import ImdbData
from datamodules.masking import Masking
from tests.datamodules.imdb_trees import planted, put, reviews

SIZE, LONGEST = 340, 50
TEXTS = planted(reviews())
MASKED = {"masking": Masking(0.15)}
LABELLED: dict = {}
BOTH = pytest.mark.parametrize("changes", [MASKED, LABELLED], ids=["masked", "labelled"])


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return put(tmp_path_factory.mktemp("imdb"), TEXTS)


def data(root, seed=3, workers=0, **changes):
    settings = {
        "subwords": SIZE, "longest": LONGEST, "held_out": 0.1, "global_batch_size": 600, "evaluation_batch_size": 900,
    } | changes  # fmt: skip
    return ImdbData(str(root), seed, workers=workers, **settings)


def listed(loader):
    """Batches as plain values."""
    return [
        {key: getattr(value, "tolist", lambda value=value: value)() for key, value in batch.items()} for batch in loader
    ]


def rows_of(loader):
    """Of every review: its tokens, masked or not, and its label or what is to be guessed where."""
    found = []
    for batch in listed(loader):
        width = len(batch["tokens"][0])
        for row, (tokens, count) in enumerate(zip(batch["tokens"], batch["counts"], strict=True)):
            if "label" in batch:
                answer = batch["label"][row]
            else:
                pairs = zip(batch["places"], batch["targets"], strict=True)
                answer = tuple((place - row * width, target) for place, target in pairs if place // width == row)
            found.append((tuple(tokens[:count]), answer))
    return found


def restored(tokens, answer):
    """The tokens as they were before some were masked."""
    whole = list(tokens)
    for place, target in answer:
        whole[place] = target
    return tuple(whole)
