"""WMT's datamodule on a small text of its own, and the pairs that it is to keep."""

import numpy as np
import pytest

from datamodules.miniature.wmt import TRAPS, Speaker
from datamodules.wmt import Filter, WmtData
from tests.datamodules.wmt_forms import put_pairs

SIZE, FILTER = 400, Filter(60, 1.5)
SIDES = {"de-en": (0, 1), "en-de": (1, 0)}


def spoken(count, seed):
    """Pairs of German and English, each once."""
    speaker = Speaker(np.random.default_rng(seed))
    found = {}
    while len(found) < count:
        found.setdefault(speaker.said())
    return list(found)


PAIRS = [*spoken(240, 3), *TRAPS, ("Haus", ""), ("", "House"), ("ja", "yes, of course, whatever you say")]
NEW_TRAPS = [(f"{german}!", f"{english}!") for german, english in TRAPS[:6]]  # that training has not seen
TESTS = {"newstest2013": spoken(12, 4), "newstest2014": spoken(23, 5), "newstest2015": [*spoken(6, 6), *NEW_TRAPS]}


def planted(root, train=PAIRS):
    """A tree of everything."""
    for name, pairs in {"train": train, **TESTS}.items():
        put_pairs(root, name, pairs)
    return root


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("wmt"))


def data(root, seed=3, workers=0, **changes):
    settings = {
        "direction": "en-de", "tests": ["newstest2014", "newstest2015"], "subwords": SIZE, "pairs": FILTER,
        "global_batch_size": 1_500, "evaluation_batch_size": 400,
    } | changes  # fmt: skip
    return WmtData(str(root), seed, workers=workers, **settings)


def kept_by_hand(subwords):
    """Pairs of text that FILTER lets through."""
    found = []
    for german, english in PAIRS:
        lengths = sorted([len(subwords.encode(german)), len(subwords.encode(english))])
        if lengths[0] > 0 and lengths[1] <= 60 and lengths[1] <= 1.5 * lengths[0]:
            found.append((german, english))
    return found
