"""WMT's batches: what they hold, and that every pair and every sentence comes once."""

from collections import Counter

import datasets
import numpy as np
import pytest
import torch

from benchmarks.errors import UserError
from datamodules.miniature.wmt import TRAPS
from datamodules.subwords import BEGIN, END, PAD
from datamodules.wmt import Filter
from tests.datamodules import wmt_batches
from tests.datamodules.fitting import ready
from tests.datamodules.wmt_batches import PAIRS, SIDES, TESTS, data, kept_by_hand
from tests.datamodules.wmt_forms import put_pairs

pytestmark = pytest.mark.usefixtures("own_place")
tree = wmt_batches.tree


def listed(loader):
    """Batches as plain lists."""
    return [[batch["source"].tolist(), batch["counts"], batch["target"].tolist()] for batch in loader]


def rows_of(loader):
    """Source and target of every row, without padding."""
    return [
        (tuple(source[:count]), tuple(token for token in target if token != PAD))
        for sources, counts, targets in listed(loader)
        for source, count, target in zip(sources, counts, targets, strict=True)
    ]


@pytest.mark.parametrize("direction", SIDES)
def test_a_batchs_ids_are_the_texts_of_a_pair(tree, direction):
    datamodule = ready(data(tree, direction=direction))
    decode, found = datamodule.subwords.decode, []
    for batch in datamodule.train_dataloader():
        source, target = batch["source"], batch["target"]
        assert source.dtype == target.dtype == torch.int64
        assert source.shape[1] == max(batch["counts"])
        for ids, count, answer in zip(source.tolist(), batch["counts"], target.tolist(), strict=True):
            length = answer.index(END) + 1
            assert ids[count - 1] == END
            assert answer[0] == BEGIN
            assert not any(ids[count:]), "PAD"
            assert not any(answer[length:]), "PAD"
            assert {BEGIN, END, PAD}.isdisjoint(ids[: count - 1] + answer[1 : length - 1])
            found.append((decode(ids[: count - 1]), decode(answer[1 : length - 1])))
        assert (target != PAD).sum(dim=1).max() == target.shape[1], "no column of padding alone"
    one, other = SIDES[direction]
    kept = kept_by_hand(datamodule.subwords)
    assert 200 < len(kept) < len(PAIRS)
    assert {TRAPS[0], TRAPS[1], TRAPS[3]} <= set(kept)
    assert Counter(found) == Counter((pair[one], pair[other]) for pair in kept)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("world", "accumulate"), [(1, 1), (2, 1), (3, 1), (3, 2)])
def test_every_kept_pair_comes_once_an_epoch(tree, world, accumulate, workers):
    ranks = [ready(data(tree, workers=workers), 0, rank, world, accumulate) for rank in range(world)]
    encode = ranks[0].subwords.encode
    expected = Counter(
        ((*encode(english), END), (BEGIN, *encode(german), END)) for german, english in kept_by_hand(ranks[0].subwords)
    )
    loaders = [datamodule.train_dataloader() for datamodule in ranks]
    assert {len(loader) for loader in loaders} == {ranks[0].steps_per_epoch * accumulate}
    assert sum(map(Counter, map(rows_of, loaders)), Counter()) == expected
    assert set(expected.values()) == {1}


def test_batches_do_not_depend_on_the_number_of_workers_but_on_the_seed(tree):
    expected = listed(ready(data(tree)).train_dataloader())
    for workers in (1, 2):
        assert listed(ready(data(tree, workers=workers)).train_dataloader()) == expected
    other = listed(ready(data(tree, seed=4)).train_dataloader())
    assert len(other) == len(expected)
    assert other != expected


@pytest.mark.parametrize("workers", [0, 2])
def test_it_goes_on_from_a_step(tree, workers):
    whole = ready(data(tree))
    count = whole.steps_per_epoch
    assert count > 5
    first = listed(whole.train_dataloader())
    second = listed(ready(data(tree), step=count).train_dataloader())
    assert Counter(map(str, first)) != Counter(map(str, second))
    for step, expected in ((1, first[1:]), (4, first[4:]), (count + 3, second[3:])):
        resumed = ready(data(tree, workers=workers), step)
        loader = resumed.train_dataloader()
        assert listed(loader) == expected
        resumed.trainer.global_step = count * (step // count + 1)
        following = ready(data(tree), resumed.trainer.global_step)
        assert listed(loader) == listed(following.train_dataloader()), "the same loader in the next epoch"
    halves = [ready(data(tree, workers=workers), count - 2, rank, 2).train_dataloader() for rank in (0, 1)]
    rows = [rows_of(loader) for loader in halves]
    assert Counter(rows[0] + rows[1]) == Counter(rows_of(whole.train_dataloader())[-len(rows[0] + rows[1]) :])


def test_a_filter_by_hand():
    lengths = {
        (0, 0): False, (0, 3): False, (3, 0): False, (1, 1): True, (6, 6): True, (6, 7): False, (7, 6): False,
        (2, 3): True, (3, 2): True, (2, 4): False, (4, 2): False, (3, 5): False, (5, 3): False, (4, 6): True,
        (1, 2): False, (5, 7): False, (7, 7): False,
    }  # fmt: skip
    found = Filter(6, 1.5).kept(np.array(list(lengths)))
    assert dict(zip(lengths, found.tolist(), strict=True)) == lengths
    assert Filter(7, 9.0).kept(np.array([[0, 1], [1, 7], [7, 1], [8, 8]])).tolist() == [False, True, True, False]


def test_a_text_of_which_nothing_is_kept_is_refused(tree):
    with pytest.raises(UserError, match=r"none of its 251 .* has 1 to 1 subwords a side and a ratio of at most 1\. "):
        data(tree, pairs=Filter(1, 1.0)).setup("fit")


@pytest.mark.parametrize("direction", SIDES)
def test_lengths_are_what_batches_hold(tree, direction):
    datamodule = ready(data(tree, direction=direction))
    rows = rows_of(datamodule.train_dataloader())
    # The target's begin symbol is read, never written.
    sizes = sorted((len(source), len(target) - 1) for source, target in rows)
    assert sorted(map(tuple, datamodule.lengths.tolist())) == sizes
    steps = datamodule.steps_per_epoch
    assert steps == np.ceil(sum(map(sum, sizes)) / 1_500) == len(datamodule.train_dataloader())
    assert datamodule.step_size * steps == pytest.approx(sum(map(sum, sizes)))
    assert datamodule.step_targets * steps == pytest.approx(sum(target for _, target in sizes))
    for _, counts, targets in listed(datamodule.train_dataloader()):
        tokens = sum(counts) + sum(token != PAD for target in targets for token in target[1:])
        assert tokens <= 1_500 + max(map(sum, sizes))


@pytest.mark.parametrize("direction", SIDES)
@pytest.mark.parametrize("world", [1, 2, 3, 7, 40])
def test_evaluation_gives_every_sentence_once(tree, world, direction):
    """Forty ranks are more than there are batches."""
    one, other = SIDES[direction]
    ranks = [ready(data(tree, direction=direction), rank=rank, world=world) for rank in range(world)]
    loaders = [[*each.val_dataloader(), *each.test_dataloader()] for each in ranks]
    for place, pairs in enumerate(TESTS.values()):
        mine = [each[place] for each in loaders]
        assert len({len(loader) for loader in mine}) == 1
        batches = [batch for loader in mine for batch in loader]
        assert sum(map(len, mine)) == len(batches)
        assert sorted(index for batch in batches for index in batch["index"]) == list(range(len(pairs)))
        for batch in batches:
            assert batch["sources"] == [pairs[index][one] for index in batch["index"]]
            assert batch["references"] == [pairs[index][other] for index in batch["index"]]
            longest = max((len(source) + 1 for source in batch["sources"]), default=0)
            assert len(batch["sources"]) * longest <= 400 or len(batch["sources"]) == 1
        assert sum(not batch["index"] for batch in batches) < world
        assert any(not batch["index"] for batch in batches) or world < 40
        assert sum(bool(batch["index"]) for batch in batches) > 1


def test_evaluation_is_the_same_with_workers(tree):
    alone, helped = (ready(data(tree, workers=workers)) for workers in (0, 2))
    for one, other in zip(alone.test_dataloader(), helped.test_dataloader(), strict=True):
        assert list(one) == list(other)


def as_parquet(root):
    features = datasets.Features(translation=datasets.Translation(("de", "en")))
    for place, part in enumerate((PAIRS[:100], PAIRS[100:])):
        rows = {"translation": [dict(zip(("de", "en"), pair, strict=True)) for pair in part]}
        file = root / f"train-0000{place}-of-00002.parquet"
        datasets.Dataset.from_dict(rows, features=features).to_parquet(file)


def as_corpora(root):
    for name, part in (("commoncrawl.de-en", PAIRS[:99]), ("europarl-v7.de-en", PAIRS[99:130]), ("news", PAIRS[130:])):
        put_pairs(root / "train", name, part)


@pytest.mark.parametrize("form", [as_parquet, as_corpora])
def test_batches_do_not_depend_on_the_form_of_the_text(copied, tree, form):
    for side in ("de", "en"):
        (copied / f"train.{side}").unlink()
    form(copied)
    found, expected = ready(data(copied, workers=2)), ready(data(tree))
    assert listed(found.train_dataloader()) == listed(expected.train_dataloader())
    assert found.subwords.model == expected.subwords.model
