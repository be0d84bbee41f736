"""Which examples a rank sees and when: pure functions of (seed, epoch, step, rank), and nothing else.

Training batches carry (epoch, index), so that a worker needs no state to know the augmentation of an example.
Evaluation cuts the global list into batches and deals whole batches to the ranks, without padding: each example once.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from benchmarks.arrays import Integers
from benchmarks.errors import UserError

Key = tuple[int, int]  # (epoch, index of the example)


def example_generator(seed: int, epoch: int, example: str) -> np.random.Generator:
    """The random numbers of one example in one epoch, whatever worker or rank draws them."""
    digest = hashlib.blake2b(f"{seed}/{epoch}/{example}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def device_batch_size(global_batch_size: int, world_size: int, accumulate: int) -> int:
    """Examples a device sees in one forward pass.

    Raises:
        UserError: the global batch cannot be shared out evenly.
    """
    share, rest = divmod(global_batch_size, world_size * accumulate)
    if rest or share == 0:
        raise UserError(
            f"the global batch of {global_batch_size} cannot be shared out over {world_size} device(s) x "
            f"{accumulate} accumulated batch(es). Choose DEVICES (and NODES, trainer.accumulate_grad_batches) so that "
            f"their product divides {global_batch_size}."
        )
    return share


def steps_per_epoch(group_sizes: Sequence[int], global_batch_size: int) -> int:
    """Whole global batches in an epoch, where none mixes groups.

    Raises:
        UserError: there is none.
    """
    steps = sum(size // global_batch_size for size in group_sizes)
    if steps == 0:
        raise UserError(
            f"{sum(group_sizes)} training examples do not fill one global batch of {global_batch_size}. "
            "Give more data, or lower data.init_args.global_batch_size in ARGS (which makes the run unofficial)."
        )
    return steps


class TrainingBatches(Sampler[list[Key]]):
    """The batches of one rank in the epoch that the current optimizer step belongs to, from that step on.

    Args:
        groups: the group of each training example, [n], as where images differ in shape; a global batch mixes none, and
            at most a global batch less one of each group sits out an epoch.
        global_batch_size: examples in one optimizer step, over all ranks and accumulated batches.
        rank: of this process.
        world_size: number of processes.
        accumulate: batches accumulated into one optimizer step.
        seed: of the run.
        step: the number of optimizer steps done, asked anew at the start of every epoch, so that a resumed run
            continues mid-epoch.
    """

    def __init__(
        self,
        groups: Integers,
        global_batch_size: int,
        rank: int,
        world_size: int,
        accumulate: int,
        seed: int,
        step: Callable[[], int],
    ) -> None:
        self.device_batch = device_batch_size(global_batch_size, world_size, accumulate)
        self.steps_per_epoch = steps_per_epoch(np.bincount(groups).tolist(), global_batch_size)
        self.groups, self.global_batch_size = groups, global_batch_size
        self.rank, self.accumulate, self.seed, self.step = rank, accumulate, seed, step

    def __len__(self) -> int:
        return self.steps_per_epoch * self.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, first = divmod(self.step(), self.steps_per_epoch)
        order = example_generator(self.seed, epoch, "order").permutation(len(self.groups))
        names = np.unique(self.groups)
        used = np.concatenate([self._whole_batches(order[self.groups[order] == group]) for group in names])
        if len(names) > 1:
            used = example_generator(self.seed, epoch, "batches").permutation(used)
        # [steps, accumulated batches, ranks, examples]
        batches = used.reshape(self.steps_per_epoch, self.accumulate, -1, self.device_batch)
        for batch in batches[first:, :, self.rank].reshape(-1, self.device_batch):
            yield [(epoch, int(index)) for index in batch]

    def _whole_batches(self, order: Integers) -> Integers:
        """[n] to [batches, global batch], without the rest."""
        count = len(order) // self.global_batch_size
        return order[: count * self.global_batch_size].reshape(count, self.global_batch_size)


class EvaluationBatches(Sampler[list[Key]]):
    """Every example exactly once: batch b of the global list goes to rank b mod `world_size`.

    A rank whose turn does not come in the last round gets an empty batch, so that all ranks take equally many steps
    and none waits for another in a collective operation.
    """

    def __init__(self, batches: Sequence[Sequence[int]], rank: int, world_size: int) -> None:
        self.batches, self.rank, self.world_size = batches, rank, world_size

    def __len__(self) -> int:
        return math.ceil(len(self.batches) / self.world_size)

    def __iter__(self) -> Iterator[list[Key]]:
        for turn in range(len(self)):
            place = turn * self.world_size + self.rank
            yield [(0, index) for index in self.batches[place]] if place < len(self.batches) else []


def consecutive_batches(num_examples: int, batch_size: int) -> list[range]:
    """All examples in their order, cut into batches."""
    return [range(start, min(start + batch_size, num_examples)) for start in range(0, num_examples, batch_size)]
