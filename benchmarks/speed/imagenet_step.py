"""Images a second that a GPU trains ImageNet's network with, and how many processes feed it.

    .venv/bin/python -m benchmarks.speed.imagenet_step [--data /data/imagenet]

The recipe itself, by its Trainer, on one GPU. First on batches that lie on the GPU from the start, in several sizes and
both resolutions: what the step takes, and the memory. Then with images that are read, decoded and cropped, which the
system has in its cache, by half as many processes as there are cores and by as many; and with other data that are read
faster (the shorter side 256, quality 90), where the cores are too few for these. Without DATA, photographs are made up.
With TORCH_COMPILE_DISABLE=1 nothing is compiled.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import move_data_to_device
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmarks.arguments import located
from benchmarks.assembly import Assembly
from benchmarks.callbacks import StepSeeds
from benchmarks.cli import guarded
from benchmarks.config import machine_settings, merge, resolve_settings
from benchmarks.errors import UserError
from benchmarks.evaluation import quiet
from benchmarks.speed.imagenet import PHOTOGRAPHS, passes, process_counts, write
from benchmarks.speed.photographs import STORED, sample, stored
from benchmarks.synthetic import made_up
from benchmarks.throughput import ThroughputMeter, peak_memory
from datamodules.example_data import Loader
from datamodules.synthetic.imagenet import SyntheticData
from results.render import table

COLUMNS = ("input", "resolution", "batch", "processes", "images/s", "of the step alone", "GPU waiting", "GPU memory")
ON_GPU, READ, SMALL = "on the GPU", "read", f"read, stored at {STORED}"
BATCHES, BATCH = (256, 512, 1024), 512  # a device; the recipe has 512 on eight
SIDES = (160, 192)
WARM_UP, COUNTED = 6, 40  # batches of the step alone


class Resident(SyntheticData):
    """One made-up batch, which stays where it is needed."""

    def train_dataloader(self) -> Loader:
        """The batch on its device, again and again."""
        assert self.trainer is not None
        keys = [(0, index) for index in range(self.global_batch_size)]
        batch: Any = self.training_images().__getitems__(keys)  # type: ignore[attr-defined]
        there = move_data_to_device(batch, self.trainer.strategy.root_device)
        return DataLoader([there] * (WARM_UP + COUNTED), batch_size=None)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Way:
    """A way to train, by so many processes that read, 0 where nothing is read."""

    input: str
    side: int
    batch: int
    processes: int


@dataclass(frozen=True)
class Measured:
    """What one way came to: images a second, the share of time that the GPU waited, and bytes of its memory."""

    way: Way
    speed: float
    waiting: float
    memory: int


def assembly(root: Path, way: Way) -> Assembly:
    """The recipe at one resolution, with a step of one batch."""
    sizes = {"global_batch_size": way.batch, "smallest": way.side, "largest": way.side, "workers": way.processes}
    settings = merge(resolve_settings("imagenet", "full", None, {}), machine_settings(0, str(root)))
    found = Assembly(merge(settings, {"data": {"init_args": sizes}}))
    return found if way.processes else made_up(found, f"{Resident.__module__}.{Resident.__name__}")


def measured(root: Path, way: Way) -> Measured:
    """Trains as many batches as it takes until those that were made beforehand are used up, and then some."""
    torch._dynamo.reset()  # it compiles a function for so many sizes, and no more
    torch.cuda.reset_peak_memory_stats()
    before, counted = passes(way.processes)[:2] if way.processes else (WARM_UP, COUNTED)
    found, meter = assembly(root, way), ThroughputMeter(before)
    found.require_devices()
    trainer = found.trainer([StepSeeds(0), meter], max_steps=before + counted, limit_val_batches=0, **quiet())
    trainer.fit(found.module, datamodule=found.datamodule)
    speed = meter.measured("images")
    assert speed is not None
    return Measured(way, speed.value, speed.data_wait, peak_memory(True))


def ways(batches: Sequence[int], processes: Sequence[int]) -> Iterator[Way]:
    """The step alone, then with images that are read."""
    yield from (Way(ON_GPU, SIDES[-1], batch, 0) for batch in batches)
    yield from (Way(ON_GPU, side, BATCH, 0) for side in SIDES[:-1])
    yield from (Way(READ, side, BATCH, count) for side in SIDES for count in processes)
    yield from (Way(SMALL, side, BATCH, max(processes)) for side in SIDES)


def lines(found: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """The cells of the table, a line for each way."""
    alone = {(each.way.side, each.way.batch): each.speed for each in found if not each.way.processes}
    for each in found:
        way = each.way
        share = f"{each.speed / alone[way.side, way.batch]:.2f}" if way.processes else ""
        yield (
            way.input, str(way.side), str(way.batch), str(way.processes or ""), f"{each.speed:.0f}", share,
            f"{each.waiting:.1%}", f"{each.memory / 2**30:.1f} GiB",
        )  # fmt: skip


def bench(data: str | None, processes: Sequence[int]) -> int:
    """Prints the table."""
    if not torch.cuda.is_available():
        raise UserError("torch finds no GPU here, and this measures one. `make doctor` says what there is.")
    with tempfile.TemporaryDirectory() as folder:
        roots, files = {name: Path(folder) / name for name in (ON_GPU, READ, SMALL)}, sample(data, PHOTOGRAPHS)
        count = BATCH * sum(passes(max(processes)))
        write(roots[READ], [*files.values()], count)
        write(roots[SMALL], [stored(file, where) for where, file in files.items()], count)
        asked = tqdm([*ways(BATCHES, processes)], "ways", disable=not sys.stderr.isatty())
        found = [measured(roots[way.input], way) for way in asked]
    print(f"{torch.cuda.get_device_name()}, {process_counts()[-1]} cores\n{table([COLUMNS, *lines(found)])}", end="")
    return 0


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="ImageNet, in any layout that training accepts")
    options = parser.parse_args()
    cores = process_counts()[-1]
    return guarded(lambda: bench(located(options).data, sorted({max(1, cores // 2), cores})))


if __name__ == "__main__":
    sys.exit(main())
