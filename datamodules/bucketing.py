"""Batches by length: examples of like seconds together, as pure functions of their seconds, the seed and the epoch.

What a batch may hold is counted in seconds, not in examples, so that memory and time of a step stay the same.
"""

from collections.abc import Callable, Iterator
from math import ceil

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from benchmarks.errors import UserError
from datamodules.sampling import Key, example_generator

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

JITTER = 0.1  # of the logarithm of the seconds: who shares a batch with whom changes from epoch to epoch


def num_batches(seconds: Floats, batch_seconds: float) -> int:
    """Batches that hold all examples, each once."""
    return ceil(float(seconds.sum()) / batch_seconds)


def epoch_batches(seconds: Floats, batch_seconds: float, seed: int, epoch: int) -> list[Integers]:
    """Indices of the examples of each optimizer step of an epoch; every example once, longest first within a step.

    The examples are ordered by their lengths, a little shaken, and the order is cut into equal shares of the seconds,
    of which none is over `batch_seconds` by more than one example. Then the shares are shuffled.
    """
    generator = example_generator(seed, epoch, "lengths")
    order = np.argsort(np.log(seconds) + generator.uniform(-JITTER, JITTER, len(seconds)), kind="stable")
    ends = np.cumsum(seconds[order])
    count = num_batches(seconds, batch_seconds)
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, count) / count)
    batches = [part[np.argsort(-seconds[part], kind="stable")] for part in np.split(order, cuts)]
    return [batches[place] for place in generator.permutation(count)]


def evaluation_batches(seconds: Floats, batch_seconds: float) -> list[list[int]]:
    """Every example once, the longest first; a batch padded to its longest is within `batch_seconds`, or one."""
    batches: list[list[int]] = []
    for index in np.argsort(-seconds, kind="stable").tolist():
        if batches and (len(batches[-1]) + 1) * seconds[batches[-1][0]] <= batch_seconds:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


class LengthBatches(Sampler[list[Key]]):
    """The batches of one rank in the epoch that the current optimizer step belongs to, from that step on.

    A step's examples are dealt out one by one, from the longest down, to ranks and accumulated batches; so all get
    nearly the same seconds, and the step is the same whatever the number of ranks.

    Args:
        seconds: of each example, [n].
        batch_seconds: of one optimizer step, over all ranks and accumulated batches.
        rank: of this process.
        world_size: number of processes.
        accumulate: batches accumulated into one optimizer step.
        seed: of the run.
        step: the number of optimizer steps done, asked anew at the start of every epoch.

    Raises:
        UserError: a step may have fewer examples than there are ranks and accumulated batches.
    """

    def __init__(
        self,
        seconds: Floats,
        batch_seconds: float,
        rank: int,
        world_size: int,
        accumulate: int,
        seed: int,
        step: Callable[[], int],
    ) -> None:
        self.seconds, self.batch_seconds, self.seed, self.step = seconds, batch_seconds, seed, step
        self.rank, self.world_size, self.accumulate = rank, world_size, accumulate
        self.steps_per_epoch = num_batches(seconds, batch_seconds)
        fewest = max(0, int(seconds.sum() / self.steps_per_epoch / seconds.max()) - 1)
        if fewest < world_size * accumulate:
            raise UserError(
                f"an optimizer step of {batch_seconds:g} seconds may hold {fewest} of the longest recordings (no. "
                f"{seconds.argmax()}, {seconds.max():.1f} s), too few for {world_size} device(s) x {accumulate} "
                "accumulated batch(es). Choose fewer of these, shorter recordings, or more seconds a step "
                "(data.init_args.global_batch_size, which makes the run unofficial)."
            )

    def __len__(self) -> int:
        return self.steps_per_epoch * self.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, first = divmod(self.step(), self.steps_per_epoch)
        shares = self.world_size * self.accumulate
        for batch in epoch_batches(self.seconds, self.batch_seconds, self.seed, epoch)[first:]:
            for turn in range(self.accumulate):
                share = batch[turn * self.world_size + self.rank :: shares]
                yield [(epoch, int(index)) for index in share]
