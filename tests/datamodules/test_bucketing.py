"""Batches by length: every example once, the same whoever reads them, of like length and balanced."""

import numpy as np
import pytest

from benchmarks.errors import UserError
from datamodules.bucketing import LengthBatches, epoch_batches, evaluation_batches, num_batches

# As LibriSpeech's: most between 12 and 16 seconds, some short.
SECONDS = np.random.default_rng(5).choice([1.5, 4.0, 9.0, 13.0, 14.5, 15.5, 16.3], 3_000) * np.random.default_rng(
    6
).uniform(0.9, 1.1, 3_000)
BATCH = 400


def sampler(rank=0, world=1, accumulate=1, step=0, seconds=SECONDS):
    return LengthBatches(seconds, "seconds", BATCH, rank, world, accumulate, 7, lambda: step)


@pytest.mark.parametrize("epoch", range(4))
def test_an_epoch_holds_every_utterance_once_in_as_many_steps_as_any_other(epoch):
    batches = epoch_batches(SECONDS, BATCH, 7, epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(SECONDS)))
    assert len(batches) == num_batches(SECONDS, BATCH)
    totals = np.array([SECONDS[batch].sum() for batch in batches])
    assert totals.max() <= BATCH + SECONDS.max()
    assert totals.min() > BATCH - 2 * SECONDS.max()


def test_a_step_holds_utterances_of_like_length():
    padded = sum(len(batch) * SECONDS[batch].max() for batch in epoch_batches(SECONDS, BATCH, 7, 0))
    at_random = np.random.default_rng(0).permutation(len(SECONDS))[:2_980].reshape(-1, 20)
    careless = sum(len(batch) * SECONDS[batch].max() for batch in at_random)
    assert padded < 1.15 * SECONDS.sum() < 1.3 * SECONDS.sum() < careless


def test_epochs_and_seeds_differ():
    first, second = (epoch_batches(SECONDS, BATCH, 7, epoch) for epoch in (0, 1))
    assert {frozenset(batch) for batch in map(tuple, first)}.isdisjoint(map(frozenset, second))
    other = epoch_batches(SECONDS, BATCH, 8, 0)
    assert any(a.tolist() != b.tolist() for a, b in zip(first, other, strict=True))


def test_no_length_comes_first():
    """Sorted steps would teach short words first and long ones last."""
    means = np.array([SECONDS[batch].mean() for batch in epoch_batches(SECONDS, BATCH, 7, 0)])
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


@pytest.mark.parametrize(("world", "accumulate"), [(1, 1), (2, 1), (3, 1), (4, 2), (1, 3)])
def test_a_step_is_the_same_set_on_any_number_of_devices(world, accumulate):
    alone = [{index for _, index in batch} for batch in sampler()]
    ranks = [list(sampler(rank, world, accumulate)) for rank in range(world)]
    assert {len(batches) for batches in ranks} == {len(sampler(0, world, accumulate))} == {len(alone) * accumulate}
    for step, expected in enumerate(alone):
        shares = [batches[step * accumulate + turn] for batches in ranks for turn in range(accumulate)]
        keys = [key for share in shares for key in share]
        assert sorted(index for _, index in keys) == sorted(expected)
        seconds = [sum(SECONDS[index] for _, index in share) for share in shares]
        assert max(seconds) - min(seconds) <= SECONDS[sorted(expected)].max(), "balanced to less than an utterance"


@pytest.mark.parametrize("step", [1, 17, 78])
def test_it_begins_at_the_step(step):
    per_epoch = num_batches(SECONDS, BATCH)
    assert per_epoch > 79
    assert list(sampler(step=step)) == list(sampler())[step:]
    later = list(sampler(step=2 * per_epoch + step, world=2, rank=1))
    assert later == list(sampler(step=2 * per_epoch, world=2, rank=1))[step:]
    assert {epoch for batch in later for epoch, _ in batch} == {2}


def test_too_many_devices_for_a_step_are_refused():
    with pytest.raises(
        UserError, match=r"400 seconds may hold 21 of the longest .* \(no. \d+ has 17.9.*\), too few for 11 .* x 2 "
    ):
        sampler(world=11, accumulate=2)
    sampler(world=21)


def test_evaluation_holds_every_utterance_once_and_pads_within_the_limit():
    batches = evaluation_batches(SECONDS, 60)
    assert sorted(index for batch in batches for index in batch) == list(range(len(SECONDS)))
    for batch in batches:
        assert len(batch) * SECONDS[batch].max() <= 60
    assert SECONDS[batches[0][0]] == SECONDS.max(), "what needs the most memory comes first"
    assert evaluation_batches(np.array([3.0, 70.0, 2.0]), 60) == [[1], [0, 2]], "one that is longer stands alone"


# Subwords of a sentence and of its translation, about as long, as WMT's.
SOURCE = np.exp(np.random.default_rng(7).normal(3.1, 0.65, 100_000)).clip(1, 250).round()
TARGET = (SOURCE * np.exp(np.random.default_rng(8).normal(0, 0.22, 100_000))).clip(1, 250).round()
PAIRS = np.stack([SOURCE, TARGET], axis=1)
TOKENS = 25_000


def test_a_step_holds_pairs_of_which_both_sides_are_of_like_length():
    batches = epoch_batches(PAIRS, TOKENS, 7, 0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(PAIRS)))
    assert max(PAIRS[batch].sum() for batch in batches) <= TOKENS + PAIRS.sum(axis=1).max()
    padded = sum(len(batch) * PAIRS[batch].max(axis=0).sum() for batch in batches)
    by_size = np.array_split(np.argsort(PAIRS.sum(axis=1)), len(batches))
    assert padded < 1.1 * PAIRS.sum() < 1.2 * PAIRS.sum()
    assert sum(len(batch) * PAIRS[batch].max(axis=0).sum() for batch in by_size) > 1.2 * PAIRS.sum()


def test_ranks_wait_little_for_each_other_on_pairs():
    """What a rank computes is what its batch holds with its padding; all wait for the one with the most."""
    ranks = [LengthBatches(PAIRS, "tokens", TOKENS, rank, 8, 1, 7, lambda: 0) for rank in range(8)]
    costs = np.array(
        [[len(batch) * PAIRS[[i for _, i in batch]].max(axis=0).sum() for batch in batches] for batches in ranks]
    )
    assert costs.max(axis=0).sum() < 1.05 * costs.mean(axis=0).sum()


def test_epochs_of_pairs_differ():
    first, second = (epoch_batches(PAIRS, TOKENS, 7, epoch) for epoch in (0, 1))
    together = {frozenset(batch) for batch in map(tuple, first)}
    assert together.isdisjoint(map(frozenset, second))
