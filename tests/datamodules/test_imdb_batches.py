"""IMDB's batches: masked or labelled, in steps that ranks share, and every review once in evaluation."""

from collections import Counter

import numpy as np
import pytest
import torch

from datamodules.bucketing import LengthBatches, num_batches
from datamodules.imdb import ImdbData
from datamodules.layouts.imdb import open_reviews, plain
from datamodules.subwords import BEGIN, MASK, PAD
from tests.datamodules import imdb_batches
from tests.datamodules.fitting import ready
from tests.datamodules.imdb_batches import BOTH, MASKED, TEXTS, data, listed, restored, rows_of
from tests.datamodules.imdb_trees import as_parquet

pytestmark = pytest.mark.usefixtures("own_place")
tree = imdb_batches.tree


def test_a_masked_batch(tree):
    for batch in ready(data(tree, **MASKED)).train_dataloader():
        tokens, places, targets = batch["tokens"], batch["places"], batch["targets"]
        assert tokens.dtype == places.dtype == targets.dtype == torch.int64
        assert list(batch) == ["tokens", "counts", "places", "targets"]
        assert tokens.shape == (len(batch["counts"]), max(batch["counts"]))
        assert (tokens[:, 0] == BEGIN).all()
        for row, count in zip(tokens, batch["counts"], strict=True):
            assert (row[count:] == PAD).all()
            assert PAD not in row[:count]
        rows = torch.bincount(places // tokens.shape[1], minlength=len(tokens)).tolist()
        assert rows == [min(count - 1, max(1, round(0.15 * (count - 1)))) for count in batch["counts"]]
        assert (targets > MASK).all()
        assert (places % tokens.shape[1] > 0).all()
        elsewhere = torch.ones(tokens.numel(), dtype=torch.bool)
        elsewhere[places] = False
        assert MASK not in tokens.flatten()[elsewhere]
        assert (tokens.flatten()[places] == MASK).float().mean() > 0.5


def test_a_labelled_batch(tree):
    for batch in ready(data(tree)).train_dataloader():
        assert list(batch) == ["tokens", "counts", "label"]
        assert batch["tokens"].dtype == batch["label"].dtype == torch.int64
        assert batch["label"].shape == (len(batch["counts"]),)
        assert MASK not in batch["tokens"]


def test_masks_are_a_function_of_seed_epoch_and_review(tree):
    def masks(seed, epoch, size):
        datamodule = ready(data(tree, seed, global_batch_size=size, **MASKED))
        datamodule.trainer.global_step = epoch * datamodule.steps_per_epoch
        return Counter((restored(*row), *row) for row in rows_of(datamodule.train_dataloader()))

    first = masks(3, 0, 600)
    assert masks(3, 0, 1_100) == first, "whatever batch it is in"
    for other in (masks(3, 1, 600), masks(4, 0, 600)):
        assert Counter(text for text, *_ in other.elements()) == Counter(text for text, *_ in first.elements())
        assert (first & other).total() < 0.1 * first.total()


@BOTH
def test_lengths_are_what_batches_hold(tree, changes):
    datamodule = ready(data(tree, **changes))
    batches = listed(datamodule.train_dataloader())
    sizes = sorted(count for batch in batches for count in batch["counts"])
    assert sorted(datamodule.lengths.tolist()) == sizes
    steps = datamodule.steps_per_epoch
    assert steps == np.ceil(sum(sizes) / 600) == len(batches) > 3
    assert datamodule.step_size * steps == pytest.approx(sum(sizes))
    targets = sum(len(batch.get("targets", batch.get("label"))) for batch in batches)
    assert datamodule.step_targets * steps == pytest.approx(targets)


@BOTH
@pytest.mark.parametrize(("world", "accumulate"), [(2, 1), (3, 1), (2, 2)])
def test_ranks_share_a_step(tree, changes, world, accumulate):
    alone = ready(data(tree, **changes))
    ranks = [ready(data(tree, **changes), 0, rank, world, accumulate).train_dataloader() for rank in range(world)]
    assert {len(loader) for loader in ranks} == {alone.steps_per_epoch * accumulate}
    shares = [listed(loader) for loader in ranks]
    for step, whole in enumerate(alone.train_dataloader()):
        parts = [share[step * accumulate + turn] for share in shares for turn in range(accumulate)]
        assert Counter(row for part in parts for row in rows_of([tensors(part)])) == Counter(rows_of([whole]))


def tensors(batch):
    return {key: value if key == "counts" else torch.tensor(value) for key, value in batch.items()}


@BOTH
def test_workers_and_a_resume_change_nothing(tree, changes):
    expected = listed(ready(data(tree, **changes)).train_dataloader())
    assert listed(ready(data(tree, workers=2, **changes)).train_dataloader()) == expected
    assert listed(ready(data(tree, 4, **changes)).train_dataloader()) != expected
    steps = len(expected)
    second = listed(ready(data(tree, **changes), steps).train_dataloader())
    assert second != expected
    for step, rest in ((2, expected[2:]), (steps + 1, second[1:])):
        resumed = ready(data(tree, workers=2, **changes), step)
        loader = resumed.train_dataloader()
        assert listed(loader) == rest
        resumed.trainer.global_step = steps
        assert listed(loader) == second, "the same loader in the next epoch"


@BOTH
def test_batches_do_not_depend_on_the_form_of_the_data(tree, tmp_path, changes):
    shards = as_parquet(tree, tmp_path / "shards")
    one, other = ready(data(tree, **changes)), ready(data(shards, **changes))
    assert listed(one.train_dataloader()) == listed(other.train_dataloader())
    for ours, theirs in zip(one.val_dataloader(), other.val_dataloader(), strict=True):
        assert listed(ours) == listed(theirs)
    tested = [[text for batch in each.test_dataloader() for text in batch["texts"]] for each in (one, other)]
    assert sorted(tested[0]) == sorted(tested[1])
    assert one.fingerprint == other.fingerprint
    assert one.left_out[0] == "train/neg/3_2"
    shown = open_reviews(str(shards), "train")
    assert shown.text(shown.ids.index(other.left_out[0])) == TEXTS["train/neg/3_2"]
    assert len(one.left_out) == len(other.left_out)


@pytest.mark.parametrize("world", [1, 2, 40])
def test_evaluation_gives_every_review_once_as_it_is_written(tree, world):
    """Forty ranks are more than there are batches."""
    test = open_reviews(str(tree), "test")
    loaders = [ready(data(tree), rank=rank, world=world).test_dataloader() for rank in range(world)]
    assert len({len(loader) for loader in loaders}) == 1
    batches = [batch for loader in loaders for batch in loader]
    assert sorted(index for batch in batches for index in batch["index"]) == list(range(22))
    for batch in batches:
        assert batch["texts"] == [test.text(index) for index in batch["index"]]
        assert batch["label"].dtype == torch.int64
        assert batch["label"].tolist() == [int(test.labels[index]) for index in batch["index"]]
        longest = max((len(text) + 1 for text in batch["texts"]), default=0)
        assert len(batch["texts"]) * longest <= 900 or len(batch["texts"]) == 1
    assert any(not batch["index"] for batch in batches) == (world == 40)


def test_evaluation_is_the_same_with_workers(tree):
    alone, helped = (ready(data(tree, workers=workers)) for workers in (0, 2))
    assert listed(alone.test_dataloader()) == listed(helped.test_dataloader())
    assert listed(alone.val_dataloader()[0]) == listed(helped.val_dataloader()[0])


@pytest.mark.parametrize("world", [1, 8])
@pytest.mark.parametrize(("count", "step"), [(75_000, 65_536), (22_500, 8_192)])
def test_little_of_a_step_is_padding(world, count, step):
    """Of lengths as IMDB's reviews have them, cut at 512 tokens, in the steps of both stages."""
    words = np.exp(np.random.default_rng(0).normal(np.log(174), np.sqrt(2 * np.log(234 / 174)), count)).clip(10, 2_470)
    lengths = np.minimum(1 + np.round(1.3 * words), 512)
    held = padded = 0.0
    for rank in range(world):
        for batch in LengthBatches(lengths, "tokens", step, rank, world, 1, 1, lambda: 0, ImdbData.jitter):
            found = lengths[[index for _, index in batch]]
            held, padded = held + found.sum(), padded + len(found) * found.max()
    assert num_batches(lengths, step) > 100
    assert 0.01 < 1 - held / padded < 0.05


def test_a_review_without_words_is_no_example_of_guessing_and_does_no_harm(tree):
    rows = rows_of(ready(data(tree, **MASKED)).train_dataloader())
    assert plain(TEXTS["train/neg/5_2"]).split() == []
    assert [answer for tokens, answer in rows if tokens == (BEGIN,)] == [()]
