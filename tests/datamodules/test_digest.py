"""What is digested of a split, and that its form on disk does not matter."""

import time
from dataclasses import dataclass

import numpy as np
import pytest

from datamodules.layouts.digest import counted, digest
from datamodules.layouts.imagenet import open_split, truth
from datamodules.layouts.imagenet_split import pack
from tests.datamodules import imagenet_stores

tree, store = imagenet_stores.tree, imagenet_stores.store


@dataclass(frozen=True, eq=False)
class Marks:
    ids: tuple[str, ...]
    labels: np.ndarray


def test_each_value_and_its_place_counts():
    base = [("a", "b"), np.array([0, 1]), 2]
    others = [
        [("b", "a"), np.array([0, 1]), 2],
        [("a", "b"), np.array([1, 0]), 2],
        [("a", "b"), np.array([0.0, 1.0]), 2],
        [("a", "b"), np.array([[0, 1]]), 2],
        [("a", "b"), np.array([0, 1]), 3],
        [("a", "b", ""), np.array([0, 1]), 2],
        [("a",), ("b",), np.array([0, 1]), 2],
    ]
    assert len({digest(*each) for each in [base, *others]}) == len(others) + 1
    assert digest(*base) == digest(("a", "b"), np.array([0, 1]), 2)


def test_a_dataclass_is_its_fields():
    ids, labels = ("a", "\udcff"), np.array([0, 1])
    assert counted("val", Marks(ids, labels)) == {"val": 2, "val digest": digest(ids, labels)}
    assert digest(ids) == digest(pack(ids)), "as file names are decoded and packed"


@pytest.mark.parametrize("split", ["train", "val"])
def test_class_folders_and_packed_files_have_one_digest(tree, store, split):
    digests = {open_split(str(root), split).digest for root in (tree, store)}
    assert digests == {digest(truth(str(tree), split))}


def test_all_of_imagenet_takes_seconds():
    ids = np.array([f"n{number % 1000:08d}/n{number % 1000:08d}_{number}" for number in range(1_281_167)], np.bytes_)
    labels, begun = np.arange(len(ids)) % 1000, time.process_time()
    digest(ids, labels, 1000)
    assert time.process_time() - begun < 5
