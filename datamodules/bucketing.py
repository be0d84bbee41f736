"""Batches by length: examples of like length together, as pure functions of their lengths, the seed and the epoch.

What a batch may hold is counted in what its examples hold (seconds, tokens), not in examples, so that memory and time
of a step stay the same. Where an example has two sides (a sentence and its translation), both are of like length.
Lengths are [n], or [n, 2] where an example has two sides; its size is what both hold together.
"""

from collections.abc import Callable, Iterator
from math import ceil

import numpy as np
from torch.utils.data import Sampler

from benchmarks.arrays import Floats, Integers
from benchmarks.errors import UserError
from datamodules.sampling import Key, example_generator

# Of the logarithm of a length: how far it is shaken, so that who shares a batch with whom changes from epoch to epoch.
JITTER, PAIR_JITTER = 0.1, 0.02
ROW = 0.1  # pairs whose first sides differ by less in the logarithm are ordered by their second sides


def num_batches(lengths: Floats, batch_size: float) -> int:
    """Batches that hold all examples, each once."""
    return ceil(float(lengths.sum()) / batch_size)


def epoch_batches(lengths: Floats, batch_size: float, seed: int, epoch: int, jitter: float = JITTER) -> list[Integers]:
    """Indices of the examples of each optimizer step of an epoch; every example once, largest first within a step.

    The examples are ordered by their lengths, a little shaken (those of one side by `jitter`), and the order is cut
    into equal shares of the sizes, of which none is over `batch_size` by more than one example. Then the shares are
    shuffled.
    """
    generator = example_generator(seed, epoch, "lengths")
    order = _order(lengths, jitter, generator)
    sizes = _sizes(lengths)
    ends = np.cumsum(sizes[order])
    count = num_batches(lengths, batch_size)
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, count) / count)
    batches = [part[np.argsort(-sizes[part], kind="stable")] for part in np.split(order, cuts)]
    return [batches[place] for place in generator.permutation(count)]


def _sizes(lengths: Floats) -> Floats:
    return lengths if lengths.ndim == 1 else lengths.sum(axis=1)


def _order(lengths: Floats, jitter: float, generator: np.random.Generator) -> Integers:
    """Neighbours are alike. Pairs go row by row, through every other row backwards, so that no step has a jump."""
    if lengths.ndim == 1:
        return np.argsort(np.log(lengths) + generator.uniform(-jitter, jitter, len(lengths)), kind="stable")
    shaken = np.log(lengths) + generator.uniform(-PAIR_JITTER, PAIR_JITTER, lengths.shape)
    rows, second = np.floor(shaken[:, 0] / ROW), shaken[:, 1]
    return np.lexsort((np.where(rows % 2, -second, second), rows))


def evaluation_batches(lengths: Floats, batch_size: float) -> list[list[int]]:
    """Every example once, the longest first; a batch padded to its longest is within `batch_size`, or one.

    Args:
        lengths: of each example's one side that is known, [n].
        batch_size: what a batch may hold, padding included.
    """
    batches: list[list[int]] = []
    for index in np.argsort(-lengths, kind="stable").tolist():
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_size:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def require_shares(lengths: Floats, unit: str, batch_size: float, world_size: int, accumulate: int) -> None:
    """Refuses steps that may have fewer examples than there are ranks and accumulated batches.

    Raises:
        UserError: one may.
    """
    sizes = _sizes(lengths)
    fewest = max(0, int(sizes.sum() / num_batches(lengths, batch_size) / sizes.max()) - 1)
    if fewest < world_size * accumulate:
        raise UserError(
            f"an optimizer step of {batch_size:g} {unit} may hold {fewest} of the longest training examples (no. "
            f"{sizes.argmax()} has {sizes.max():g}), too few for {world_size} device(s) x {accumulate} "
            "accumulated batch(es). Choose fewer of these, shorter examples, or larger steps "
            "(data.init_args.global_batch_size, which makes the run unofficial)."
        )


class LengthBatches(Sampler[list[Key]]):
    """The batches of one rank in the epoch that the current optimizer step belongs to, from that step on.

    A step's examples are dealt out one by one, from the largest down, to ranks and accumulated batches; so all get
    nearly the same, and the step is the same whatever the number of ranks.

    Args:
        lengths: of each example, [n] or [n, 2].
        unit: in which lengths are counted.
        batch_size: of one optimizer step, over all ranks and accumulated batches.
        rank: of this process.
        world_size: number of processes.
        accumulate: batches accumulated into one optimizer step.
        seed: of the run.
        step: the number of optimizer steps done, asked anew at the start of every epoch.
        jitter: how far the logarithms of lengths of one side are shaken.

    Raises:
        UserError: a step may have fewer examples than there are ranks and accumulated batches.
    """

    def __init__(
        self,
        lengths: Floats,
        unit: str,
        batch_size: float,
        rank: int,
        world_size: int,
        accumulate: int,
        seed: int,
        step: Callable[[], int],
        jitter: float = JITTER,
    ) -> None:
        self.lengths, self.batch_size, self.seed, self.step = lengths, batch_size, seed, step
        self.jitter = jitter
        self.rank, self.world_size, self.accumulate = rank, world_size, accumulate
        self.steps_per_epoch = num_batches(lengths, batch_size)
        require_shares(lengths, unit, batch_size, world_size, accumulate)

    def __len__(self) -> int:
        return self.steps_per_epoch * self.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, first = divmod(self.step(), self.steps_per_epoch)
        shares = self.world_size * self.accumulate
        for batch in epoch_batches(self.lengths, self.batch_size, self.seed, epoch, self.jitter)[first:]:
            for turn in range(self.accumulate):
                share = batch[turn * self.world_size + self.rank :: shares]
                yield [(epoch, int(index)) for index in share]
