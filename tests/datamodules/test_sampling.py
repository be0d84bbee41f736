"""Which examples a rank sees: partitions, whatever the world size, the accumulation and the step of a restart."""

import itertools

import numpy as np
import pytest

from benchmarks.errors import UserError
from datamodules.sampling import (
    EvaluationBatches,
    TrainingBatches,
    consecutive_batches,
    device_batch_size,
    example_generator,
)


def alike(num):
    """So many examples of one group."""
    return np.zeros(num, np.int64)


def steps_of_epoch(num, batch, world, accumulate, seed, step):
    """[step][rank][accumulated batch] -> keys, from optimizer step `step` to the end of its epoch."""
    samplers = [
        TrainingBatches(alike(num), batch, rank, world, accumulate, seed, lambda: step) for rank in range(world)
    ]
    ranks = [list(sampler) for sampler in samplers]
    assert len({len(batches) for batches in ranks}) == 1
    count = len(ranks[0]) // accumulate
    return [[batches[n * accumulate : (n + 1) * accumulate] for batches in ranks] for n in range(count)]


def keys_of(step):
    return [key for rank in step for batch in rank for key in batch]


@pytest.mark.parametrize(("num", "batch"), [(24, 24), (25, 12), (100, 12), (1200, 48)])
@pytest.mark.parametrize(("world", "accumulate"), [(1, 1), (2, 1), (3, 2), (1, 4), (4, 3), (12, 1)])
def test_an_epoch_is_a_partition_and_the_same_for_any_world(num, batch, world, accumulate):
    per_epoch = num // batch
    for epoch in range(3):
        steps = steps_of_epoch(num, batch, world, accumulate, 7, epoch * per_epoch)
        alone = steps_of_epoch(num, batch, 1, 1, 7, epoch * per_epoch)
        assert len(steps) == len(alone) == per_epoch
        for several, one in zip(steps, alone, strict=True):
            assert sorted(keys_of(several)) == sorted(keys_of(one)), "the same global batch"
            assert {len(part) for rank in several for part in rank} == {batch // world // accumulate}
        seen = [key for step in steps for key in keys_of(step)]
        assert {key[0] for key in seen} == {epoch}
        assert len(set(seen)) == len(seen) == per_epoch * batch
        assert {index for _, index in seen} <= set(range(num))


@pytest.mark.parametrize(("world", "accumulate"), [(1, 1), (2, 3)])
def test_a_restart_yields_exactly_the_rest(world, accumulate):
    whole = steps_of_epoch(100, 12, world, accumulate, 3, 8)  # the second epoch of eight steps
    for done in range(8):
        assert steps_of_epoch(100, 12, world, accumulate, 3, 8 + done) == whole[done:]


def test_a_sampler_goes_on_to_the_next_epoch():
    step = 0
    batches = TrainingBatches(alike(10), 5, 0, 1, 1, 0, lambda: step)
    first = list(batches)
    step = 2
    second = list(batches)
    assert {key[0] for batch in first for key in batch} == {0}
    assert {key[0] for batch in second for key in batch} == {1}
    assert [key[1] for batch in first for key in batch] != [key[1] for batch in second for key in batch]
    assert len(batches) == 2, "also mid-epoch: Lightning counts what came before the restart"


def test_the_order_depends_on_the_seed():
    orders = [list(TrainingBatches(alike(50), 10, 0, 1, 1, seed, lambda: 0)) for seed in (0, 1)]
    assert orders[0] != orders[1]


def test_who_sits_out_changes_with_the_epoch():
    left_out = []
    for epoch in range(4):
        seen = {index for step in steps_of_epoch(25, 12, 1, 1, 0, epoch * 2) for _, index in keys_of(step)}
        left_out.append(set(range(25)) - seen)
    assert all(len(out) == 1 for out in left_out)
    assert len(set.union(*left_out)) > 1


def test_what_cannot_be_shared_out_is_refused():
    assert device_batch_size(12, 2, 3) == 2
    for arguments in ((12, 5, 1), (12, 2, 4), (4, 8, 1)):
        with pytest.raises(UserError, match="cannot be shared out"):
            device_batch_size(*arguments)
    with pytest.raises(UserError, match="7 training examples do not fill one global batch of 8"):
        TrainingBatches(alike(7), 8, 0, 1, 1, 0, lambda: 0)


@pytest.mark.parametrize("world", [1, 2, 3, 8])
@pytest.mark.parametrize("batch", [1, 2, 7, 50])
def test_evaluation_takes_each_example_once(world, batch):
    for num in (1, 2, 6, 7, 8, 37, 50, 51, 400):
        ranks = [list(EvaluationBatches(consecutive_batches(num, batch), rank, world)) for rank in range(world)]
        assert {len(batches) for batches in ranks} == {
            len(EvaluationBatches(consecutive_batches(num, batch), 0, world))
        }
        dealt = [part for turn in zip(*ranks, strict=True) for part in turn]
        alone = list(EvaluationBatches(consecutive_batches(num, batch), 0, 1))
        assert [part for part in dealt if part] == alone, "whole batches of the global list, in turn"
        assert list(itertools.chain(*alone)) == [(0, index) for index in range(num)]


def test_numbers_of_an_example_depend_on_seed_epoch_and_id_alone():
    drawn = {
        key: tuple(example_generator(*key).integers(0, 1 << 62, 4))
        for key in itertools.product((0, 1, 11), (0, 1, 10), ("a/b_1", "a/b_11", "1/a"))
    }
    assert len(set(drawn.values())) == len(drawn)
    assert all(tuple(example_generator(*key).integers(0, 1 << 62, 4)) == values for key, values in drawn.items())


def test_numbers_are_uniform_over_examples():
    """The first draws of 4,000 examples fill ten bins evenly: chi-square with 9 degrees of freedom, 0.1 % at 27.9."""
    draws = [example_generator(0, 0, f"n01440764/n01440764_{number}").random() for number in range(4000)]
    counts = np.histogram(draws, bins=10, range=(0, 1))[0]
    assert ((counts - 400) ** 2 / 400).sum() < 27.9
